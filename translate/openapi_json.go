package translate

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// object is a JSON object whose members keep the order in which they were set.
type object struct{ members []member }

// member is a name with a value: *object, []any, string, bool, int, or
// json.RawMessage for what is JSON already.
type member struct {
	name  string
	value any
}

func newObject(members ...member) *object { return &object{members} }

// set adds a member, or replaces the one of that name.
func (o *object) set(name string, value any) {
	for i := range o.members {
		if o.members[i].name == name {
			o.members[i].value = value
			return
		}
	}
	o.members = append(o.members, member{name, value})
}

// setText adds a member with a text, unless that is empty.
func (o *object) setText(name, text string) {
	if text != "" {
		o.set(name, text)
	}
}

// setTrue adds a member that is true, or nothing.
func (o *object) setTrue(name string, value bool) {
	if value {
		o.set(name, true)
	}
}

// setList adds a member with a list, unless that is empty.
func (o *object) setList(name string, list []any) {
	if len(list) > 0 {
		o.set(name, list)
	}
}

// setObject adds a member with an object, unless that is nil or empty.
func (o *object) setObject(name string, value *object) {
	if value != nil && len(value.members) > 0 {
		o.set(name, value)
	}
}

// get returns the value of a member, or nil.
func (o *object) get(name string) any {
	for _, m := range o.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// remove takes a member away.
func (o *object) remove(name string) {
	for i, m := range o.members {
		if m.name == name {
			o.members = append(o.members[:i], o.members[i+1:]...)
			return
		}
	}
}

// texts makes a JSON list of strings.
func texts(list []string) []any {
	out := make([]any, len(list))
	for i, s := range list {
		out[i] = s
	}
	return out
}

// appendValue appends a value of a [member] as compact JSON.
func appendValue(dst []byte, value any) []byte {
	switch v := value.(type) {
	case *object:
		return appendObject(dst, v)
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e)
		}
		return append(dst, ']')
	case string:
		return appendText(dst, v)
	case bool:
		return strconv.AppendBool(dst, v)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case json.RawMessage:
		return append(dst, v...)
	default:
		return append(dst, "null"...)
	}
}

func appendObject(dst []byte, o *object) []byte {
	dst = append(dst, '{')
	for i, m := range o.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, m.name), ':')
		dst = appendValue(dst, m.value)
	}
	return append(dst, '}')
}

// appendText appends a JSON string. Most need no escapes.
func appendText(dst []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return appendString(dst, s)
		}
	}
	dst = append(append(dst, '"'), s...)
	return append(dst, '"')
}

// compacted returns valid JSON without spaces.
func compacted(text string) json.RawMessage {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		return json.RawMessage("null")
	}
	return b.Bytes()
}
