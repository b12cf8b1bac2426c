package graph

import (
	"iter"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
)

// value is an input value: a literal of the document, or JSON from a variable.
// Both are read through the same few methods, so that there is one encoder. The zero value is null.
type value struct {
	literal *ast.Value // nil: json
	json    *jsonText  // nil, without a literal: null
	at      uint32     // the node of json
}

// node returns the node of a value that is JSON, nil elsewhere.
func (v value) node() *jsonNode {
	if v.literal != nil || v.json == nil {
		return nil
	}
	return &v.json.nodes[v.at]
}

// is reports whether the value is JSON of a kind.
func (v value) is(kind jsonKind) bool {
	n := v.node()
	return n != nil && n.kind == kind
}

// variables are the coerced values of an operation's variables. A variable
// that was neither given nor has a default is missing.
type variables []variable

type variable struct {
	name  string
	value value
}

// named returns the value of a variable.
func (vs variables) named(name string) (value, bool) {
	for i := range vs {
		if vs[i].name == name {
			return vs[i].value, true
		}
	}
	return value{}, false
}

// resolve follows a literal that is a variable. It returns false where that
// variable has no value, which is as if the argument or field were not written.
func (vs variables) resolve(v value) (value, bool) {
	if v.literal == nil || v.literal.Kind != ast.Variable {
		return v, true
	}
	return vs.named(v.literal.Raw)
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
	return v.json == nil || v.is(jsonNull)
}

func (v value) boolean() (truth, ok bool) {
	if v.literal != nil {
		return v.literal.Raw == "true", v.literal.Kind == ast.BooleanValue
	}
	return v.is(jsonTrue), v.is(jsonTrue) || v.is(jsonFalse)
}

// isText reports whether the value is a string.
func (v value) isText() bool {
	if v.literal != nil {
		return v.literal.Kind == ast.StringValue || v.literal.Kind == ast.BlockValue
	}
	return v.is(jsonString)
}

// text returns a string.
func (v value) text() (string, bool) {
	switch {
	case !v.isText():
		return "", false
	case v.literal != nil:
		return v.literal.Raw, true
	default:
		return v.json.string(v.node()), true
	}
}

// name returns the name of an enum value: a name in a document, a string in JSON.
func (v value) name() (string, bool) {
	if v.literal != nil {
		return v.literal.Raw, v.literal.Kind == ast.EnumValue
	}
	return v.text()
}

// number returns a number as it was written.
func (v value) number() (string, bool) {
	switch {
	case v.literal != nil:
		return v.literal.Raw, v.literal.Kind == ast.IntValue || v.literal.Kind == ast.FloatValue
	case v.is(jsonNumber):
		return v.json.whole(v.node()), true
	default:
		return "", false
	}
}

// integer returns a number without a fraction in decimal digits. A document
// says Int or Float by how it writes a number; JSON doesn't, so that 1.0 and 1e3 are integers there.
func (v value) integer() (string, bool) {
	if v.literal != nil {
		return v.literal.Raw, v.literal.Kind == ast.IntValue
	}
	n, ok := v.number()
	if !ok || isDigits(n) {
		return n, ok
	}
	f, err := strconv.ParseFloat(n, 64)
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
	switch {
	case v.literal != nil:
		return len(v.literal.Children), v.literal.Kind == ast.ListValue
	case v.is(jsonList):
		return int(v.node().size), true
	default:
		return 0, false
	}
}

// elements returns the elements of a list with their indices.
func (v value) elements() iter.Seq2[int, value] {
	if v.literal == nil {
		return v.json.elements(v.at)
	}
	return func(yield func(int, value) bool) {
		for i, child := range v.literal.Children {
			if !yield(i, value{literal: child.Value}) {
				return
			}
		}
	}
}

func (v value) isObject() bool {
	if v.literal != nil {
		return v.literal.Kind == ast.ObjectValue
	}
	return v.is(jsonObject)
}

// size returns the number of fields of an object.
func (v value) size() int {
	switch {
	case v.literal != nil:
		return len(v.literal.Children)
	case v.is(jsonObject):
		return int(v.node().size)
	default:
		return 0
	}
}

// field returns a field of an object.
func (v value) field(name string) (value, bool) {
	if v.literal == nil {
		if !v.is(jsonObject) {
			return value{}, false
		}
		return v.json.member(v.at, name)
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
	n := v.node()
	switch {
	case v.literal != nil:
		return shortened(v.literal.String())
	case n == nil:
		return "null"
	case n.kind == jsonObject:
		return "an object"
	case n.kind == jsonList:
		return "a list"
	default:
		return shortened(v.json.whole(n))
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
