package graph

import (
	"encoding/json"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
)

// value is an input value: a literal of the document, or JSON from a variable.
// Both are read through the same few methods, so that there is one encoder.
type value struct {
	literal *ast.Value // nil: raw
	raw     any        // nil, bool, string, json.Number, []any or map[string]any
}

// variables are the coerced values of an operation's variables. A variable
// that was neither given nor has a default is missing.
type variables map[string]value

// resolve follows a literal that is a variable. It returns false where that
// variable has no value, which is as if the argument or field were not written.
func (vs variables) resolve(v value) (value, bool) {
	if v.literal == nil || v.literal.Kind != ast.Variable {
		return v, true
	}
	given, ok := vs[v.literal.Raw]
	return given, ok
}

// boolean returns the value of a literal or variable of type Boolean!.
func (vs variables) boolean(literal *ast.Value) bool {
	v, _ := vs.resolve(value{literal: literal})
	b, _ := v.boolean()
	return b
}

func (v value) isNull() bool {
	if v.literal != nil {
		return v.literal.Kind == ast.NullValue
	}
	return v.raw == nil
}

func (v value) boolean() (truth, ok bool) {
	if v.literal != nil {
		return v.literal.Raw == "true", v.literal.Kind == ast.BooleanValue
	}
	truth, ok = v.raw.(bool)
	return truth, ok
}

// text returns a string.
func (v value) text() (string, bool) {
	if v.literal != nil {
		return v.literal.Raw, v.literal.Kind == ast.StringValue || v.literal.Kind == ast.BlockValue
	}
	s, ok := v.raw.(string)
	return s, ok
}

// name returns the name of an enum value: a name in a document, a string in JSON.
func (v value) name() (string, bool) {
	if v.literal != nil {
		return v.literal.Raw, v.literal.Kind == ast.EnumValue
	}
	s, ok := v.raw.(string)
	return s, ok
}

// number returns a number as it was written.
func (v value) number() (string, bool) {
	if v.literal != nil {
		return v.literal.Raw, v.literal.Kind == ast.IntValue || v.literal.Kind == ast.FloatValue
	}
	n, ok := v.raw.(json.Number)
	return string(n), ok
}

// integer returns a number without a fraction in decimal digits. A document
// says Int or Float by how it writes a number; JSON doesn't, so that 1.0 and 1e3 are integers there.
func (v value) integer() (string, bool) {
	if v.literal != nil {
		return v.literal.Raw, v.literal.Kind == ast.IntValue
	}
	n, ok := v.raw.(json.Number)
	if !ok {
		return "", false
	}
	if isDigits(string(n)) {
		return string(n), true
	}
	f, err := n.Float64()
	if err != nil || f != float64(int64(f)) || f > maxSafe || f < -maxSafe {
		return "", false
	}
	return strconv.FormatInt(int64(f), 10), true
}

// maxSafe is the largest integer up to which a double is exact.
const maxSafe = 1<<53 - 1

// isDigits reports whether s is an integer in decimal digits.
func isDigits(s string) bool {
	if s != "" && s[0] == '-' {
		s = s[1:]
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// isList reports whether the value is a list, and with how many elements.
func (v value) isList() (n int, ok bool) {
	if v.literal != nil {
		return len(v.literal.Children), v.literal.Kind == ast.ListValue
	}
	list, ok := v.raw.([]any)
	return len(list), ok
}

// element returns an element of a list.
func (v value) element(i int) value {
	if v.literal != nil {
		return value{literal: v.literal.Children[i].Value}
	}
	return value{raw: v.raw.([]any)[i]}
}

func (v value) isObject() bool {
	if v.literal != nil {
		return v.literal.Kind == ast.ObjectValue
	}
	_, ok := v.raw.(map[string]any)
	return ok
}

// size returns the number of fields of an object.
func (v value) size() int {
	if v.literal != nil {
		return len(v.literal.Children)
	}
	object, _ := v.raw.(map[string]any)
	return len(object)
}

// field returns a field of an object.
func (v value) field(name string) (value, bool) {
	if v.literal == nil {
		object, _ := v.raw.(map[string]any)
		raw, ok := object[name]
		return value{raw: raw}, ok
	}
	for _, child := range v.literal.Children {
		if child.Name == name {
			return value{literal: child.Value}, true
		}
	}
	return value{}, false
}

// String shows the value in an error, shortened.
func (v value) String() string {
	if v.literal != nil {
		return shortened(v.literal.String())
	}
	switch raw := v.raw.(type) {
	case map[string]any:
		return "an object"
	case []any:
		return "a list"
	default:
		b, err := json.Marshal(raw)
		if err != nil {
			return "a value"
		}
		return shortened(string(b))
	}
}

// shortened cuts a value that would swell an error.
func shortened(s string) string { return cut(s, 60) }

// cut cuts a text to about so many bytes, between two characters.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for i := range s {
		if i >= most {
			return s[:i] + "…"
		}
	}
	return s
}
