package wire

import (
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
)

// MissingRequired returns the path, in JSON names, of a required field of proto2 that a message in wire form lacks, or nothing. It
// is for messages that were put together from several parts, of which each was valid. Where no type that the message leads to
// has required fields it costs nothing.
func (m *Message) MissingRequired(msg []byte) (path string) {
	if !m.types.required.Load() || !m.leadsToRequired() {
		return ""
	}
	return m.missingIn(msg, 0)
}

// requiredReach is whether a message leads to required fields, as far as it is known.
type requiredReach struct{ known atomic.Int32 }

const (
	reachesNone int32 = iota + 1
	reachesSome
)

// leadsToRequired walks through the types of the fields, once for each message.
func (m *Message) leadsToRequired() bool {
	if known := m.reach.known.Load(); known != 0 {
		return known == reachesSome
	}
	found := reachesNone
	seen := map[*Message]bool{m: true}
	for open := []*Message{m}; len(open) > 0 && found == reachesNone; {
		next := open[len(open)-1]
		open = open[:len(open)-1]
		if len(next.required) > 0 {
			found = reachesSome
		}
		for _, f := range next.fields {
			if f.message != nil && !seen[f.message] {
				seen[f.message] = true
				open = append(open, f.message)
			}
		}
	}
	m.reach.known.Store(found)
	return found == reachesSome
}

// missingIn is MissingRequired within a message.
func (m *Message) missingIn(msg []byte, depth int) string {
	set := make(map[*Field]bool, len(m.required))
	parts := make(map[*Field][]byte) // of singular messages, which may come in several
	for rest := msg; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return ""
		}
		size := protowire.ConsumeFieldValue(number, kind, rest[n:])
		if size < 0 {
			return ""
		}
		f := m.FieldByNumber(number)
		if f != nil && kind == f.wireType {
			set[f] = true
			if f.message != nil {
				content := contentOf(rest[n:n+size], number, kind)
				if f.isSingularMessage() {
					parts[f] = append(parts[f], content...)
				} else if missing := f.missingIn(content, depth); missing != "" {
					return missing
				}
			}
		}
		rest = rest[n+size:]
	}
	for _, f := range m.required {
		if !set[f] {
			return f.jsonName
		}
	}
	for _, f := range m.fields {
		if content, ok := parts[f]; ok {
			if missing := f.missingIn(content, depth); missing != "" {
				return missing
			}
		}
	}
	return ""
}

// missingIn is MissingRequired within a message of the field.
func (f *Field) missingIn(content []byte, depth int) string {
	if depth == maxMessageDepth {
		return ""
	}
	if missing := f.message.missingIn(content, depth+1); missing != "" {
		return f.jsonName + "." + missing
	}
	return ""
}

// contentOf returns what is in a value of bytes or a group.
func contentOf(value []byte, number protowire.Number, kind protowire.Type) []byte {
	var content []byte
	if kind == protowire.StartGroupType {
		content, _ = protowire.ConsumeGroup(number, value)
	} else {
		content, _ = protowire.ConsumeBytes(value)
	}
	return content
}
