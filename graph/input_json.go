package graph

import (
	"encoding/json"
	"slices"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/wire"
)

// json appends a field that takes any JSON.
func (e *encoder) json(dst []byte, f *wire.Field, v value) ([]byte, error) {
	if f.IsList() && !holdsNull(f.Descriptor()) {
		if err := e.each(v, func(value) error { return nil }); err != nil {
			return nil, err // an element is null
		}
	}
	doc, err := e.appendJSON(nil, v)
	if err != nil {
		return nil, err
	}
	if _, list := v.isList(); f.IsList() && !list {
		doc = slices.Concat([]byte("["), doc, []byte("]"))
	}
	if dst, err = f.AppendWireJSON(dst, doc, wire.DecodeOptions{}); err != nil {
		return nil, e.wrong(err)
	}
	return dst, nil
}

// appendJSON appends a literal or a variable's value as JSON. Names of enum
// values, which a JSON argument has no use for, become strings.
func (e *encoder) appendJSON(dst []byte, v value) ([]byte, error) {
	v, _ = e.variables.resolve(v)
	var err error
	switch {
	case v.literal == nil:
		dst = append(dst, v.written()...)
	case v.literal.Kind == ast.ListValue:
		dst, err = e.appendList(dst, v.literal)
	case v.literal.Kind == ast.ObjectValue:
		dst, err = e.appendObject(dst, v.literal)
	case v.literal.Kind == ast.NullValue:
		dst = append(dst, "null"...)
	case v.literal.Kind == ast.IntValue, v.literal.Kind == ast.FloatValue, v.literal.Kind == ast.BooleanValue:
		dst = append(dst, v.literal.Raw...)
	default:
		dst, err = e.appendText(dst, v.literal.Raw)
	}
	if err == nil && len(dst) > e.limit {
		err = e.tooLarge()
	}
	return dst, err
}

// written returns JSON as it is written.
func (v value) written() string {
	if v.json == nil {
		return "null"
	}
	return v.json.whole(v.node())
}

func (e *encoder) appendText(dst []byte, text string) ([]byte, error) {
	doc, err := json.Marshal(text)
	if err != nil {
		return nil, e.fail("the value is no JSON")
	}
	return append(dst, doc...), nil
}

func (e *encoder) appendList(dst []byte, list *ast.Value) ([]byte, error) {
	dst = append(dst, '[')
	for i, child := range list.Children {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = e.appendJSON(dst, value{literal: child.Value}); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

// appendObject leaves out the fields whose variable has no value.
func (e *encoder) appendObject(dst []byte, object *ast.Value) ([]byte, error) {
	dst = append(dst, '{')
	first := true
	for _, child := range object.Children {
		v, ok := e.variables.resolve(value{literal: child.Value})
		if !ok {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(dst, quoted(child.Name)...)
		dst = append(dst, ':')
		var err error
		if dst, err = e.appendJSON(dst, v); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}
