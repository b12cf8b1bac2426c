package schema

import (
	"unicode"

	"google.golang.org/protobuf/types/descriptorpb"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// sideEffects says what may be done with a method's calls. An option that makes a
// method a query or a mutation knows better than what its file says.
func sideEffects(m *Method) (none, idempotent bool) {
	switch m.Options.GetGraphql().GetOperation() {
	case optionsv1.GraphQLMethod_OPERATION_QUERY:
		none = true
	case optionsv1.GraphQLMethod_OPERATION_MUTATION:
	default:
		none = idempotencyLevel(m) == descriptorpb.MethodOptions_NO_SIDE_EFFECTS || primaryGET(m)
	}
	return none, none || idempotencyLevel(m) == descriptorpb.MethodOptions_IDEMPOTENT
}

// idempotencyLevel returns what the method's file says of its effects.
func idempotencyLevel(m *Method) descriptorpb.MethodOptions_IdempotencyLevel {
	options, _ := m.Descriptor.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel()
}

func primaryGET(m *Method) bool { return len(m.Bindings) > 0 && m.Bindings[0].Verb == "GET" }

// writesByRule reports whether the http rule of a method declares that it changes something, whatever its name. POST
// declares nothing: searches use it, too.
func writesByRule(m *Method) bool {
	if len(m.Bindings) == 0 {
		return false
	}
	verb := m.Bindings[0].Verb
	return verb == "PUT" || verb == "PATCH" || verb == "DELETE"
}

// operation says which GraphQL root type carries the method.
func (c *compiler) operation(m *Method) Operation {
	said := m.Options.GetGraphql().GetOperation()
	if m.Service.Options.GetGraphql().GetHidden() || said == optionsv1.GraphQLMethod_OPERATION_HIDDEN {
		return Hidden
	}
	if !m.Streams() {
		return c.unaryOperation(m, said)
	}
	operation := streamOperation(m)
	if said != optionsv1.GraphQLMethod_OPERATION_UNSPECIFIED && !isSaid(operation, said) {
		c.warn(m.Service.Backend, m.Descriptor,
			"the option graphql.operation does not hold for streams: the kind of stream decides; only OPERATION_HIDDEN may be said")
	}
	return operation
}

// isSaid reports whether an option says of a stream what it is anyway.
func isSaid(o Operation, said optionsv1.GraphQLMethod_Operation) bool {
	return o == Query && said == optionsv1.GraphQLMethod_OPERATION_QUERY ||
		o == Mutation && said == optionsv1.GraphQLMethod_OPERATION_MUTATION
}

func streamOperation(m *Method) Operation {
	switch {
	case m.ClientStreams && m.ServerStreams:
		return Hidden // GraphQL has no operation that streams both ways
	case m.ServerStreams && m.Options.GetGraphql().GetCollect() > 0:
		return Query
	case m.ServerStreams:
		return Subscription
	default:
		return Mutation
	}
}

func (c *compiler) unaryOperation(m *Method, said optionsv1.GraphQLMethod_Operation) Operation {
	switch {
	case said == optionsv1.GraphQLMethod_OPERATION_QUERY:
		return Query
	case said == optionsv1.GraphQLMethod_OPERATION_MUTATION:
		return Mutation
	case m.NoSideEffects:
		return Query
	case !c.in.AIPVerbsOff && !writesByRule(m) && readsByName(string(m.Descriptor.Name())):
		return Query
	default:
		return Mutation
	}
}

// splitWords splits a name at underscores and where a word starts: `ListHTTPRoutes`
// is List, HTTP, Routes.
func splitWords(name string) []string {
	var words []string
	start := 0
	runes := []rune(name)
	for i, r := range runes {
		if i > start && startsWord(runes, i) {
			words = append(words, string(runes[start:i]))
			start = i
		}
		if r == '_' {
			start = i + 1
		}
	}
	if start < len(runes) {
		words = append(words, string(runes[start:]))
	}
	return words
}

func startsWord(name []rune, i int) bool {
	switch {
	case name[i] == '_':
		return true
	case !unicode.IsUpper(name[i]):
		return false
	case !unicode.IsUpper(name[i-1]):
		return true
	default: // the last capital of a run belongs to the word after it
		return i+1 < len(name) && unicode.IsLower(name[i+1])
	}
}
