package gate

import "github.com/protean-gateway/protean/schema"

// methodStreams finds methods that stream in other directions than before.
var methodStreams = Rule{"method-streams", Wire, func(c *comparison, r *reporter) {
	for _, m := range c.methods {
		if before, now := shapeOf(m.old), shapeOf(m.updated); before != now {
			r.method(Breaking, m.updated, "was %s and is now %s", before, now)
		}
	}
}}

func shapeOf(m *schema.Method) string {
	switch {
	case m.ClientStreams && m.ServerStreams:
		return "bidirectional"
	case m.ClientStreams:
		return "client streaming"
	case m.ServerStreams:
		return "server streaming"
	default:
		return "unary"
	}
}

// methodMessage finds methods with another request or response message than before. What
// of the messages' fields does not go together, other rules find.
var methodMessage = Rule{"method-message", Wire, func(c *comparison, r *reporter) {
	for _, m := range c.methods {
		before, now := m.old.Descriptor, m.updated.Descriptor
		if a, b := before.Input().FullName(), now.Input().FullName(); a != b {
			r.method(Dangerous, m.updated, "takes %s and no longer %s; clients see the new name in an Any and in reflection", b, a)
		}
		if a, b := before.Output().FullName(), now.Output().FullName(); a != b {
			r.method(Dangerous, m.updated, "answers with %s and no longer with %s; clients see the new name in an Any and in reflection", b, a)
		}
	}
}}
