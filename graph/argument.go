package graph

import (
	"encoding/json"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/protean-gateway/protean/wire"
)

// argument is what a root field's requests are made of. Arguments without
// variables are encoded once, when the operation is planned.
type argument struct {
	value    value
	mask     []byte // the read mask, which follows the encoded value
	constant *requests
}

// requests are the messages that a root field sends.
type requests struct {
	message  []byte   // but for a client stream
	messages [][]byte // of a client stream
	page     *page    // of a connection
	err      error    // an *inputError; they are not sent
}

// argumentOf makes one value of the arguments of a root field: an object with all
// of them where they are flattened, else the one that stands for the request.
func (g *Graph) argumentOf(r *root, args ast.ArgumentList, mask []byte) argument {
	a := argument{mask: mask, value: value{literal: &ast.Value{Kind: ast.ObjectValue}}}
	for _, arg := range args {
		if r.arguments != flattened {
			a.value.literal = arg.Value
			break
		}
		a.value.literal.Children = append(a.value.literal.Children, &ast.ChildValue{Name: arg.Name, Value: arg.Value})
	}
	if !hasVariables(a.value.literal) {
		constant := g.encoderOf(new(encoder), r, nil).requests(r, a, nil)
		a.constant = &constant
	}
	return a
}

func hasVariables(v *ast.Value) bool {
	if v.Kind == ast.Variable {
		return true
	}
	for _, child := range v.Children {
		if hasVariables(child.Value) {
			return true
		}
	}
	return false
}

// encoderOf makes e an encoder of a root field's arguments.
func (g *Graph) encoderOf(e *encoder, r *root, vs variables) *encoder {
	*e = encoder{variables: vs, limit: r.method.Limits.RequestBytes, path: e.path[:0]}
	if e.limit <= 0 {
		e.limit = defaultRequestBytes
	}
	if r.arguments != flattened {
		e.path = append(e.path, inputStep{name: inputArgument})
	}
	return e
}

// encode returns the requests of a root field. They have an error where the arguments are wrong.
func (g *Graph) encode(s *scratch, f *rootField, vs variables) requests {
	if f.argument.constant != nil {
		return *f.argument.constant
	}
	return g.encoderOf(&s.encoder, f.root, vs).requests(f.root, f.argument, &s.encoded)
}

// badInput makes a GraphQL error of arguments that cannot be encoded.
func badInput(err error, f *rootField) *gqlerror.Error {
	out := gqlerror.ErrorPosf(f.at, "%s", err.Error())
	out.Path = ast.Path{ast.PathName(f.key)}
	return withCode(out, codeInput)
}

// requests encodes the argument of a root field. Room is where a message may be written before its size is known.
func (e *encoder) requests(r *root, a argument, room *[]byte) requests {
	v, _ := e.variables.resolve(a.value)
	if v.isNull() {
		return requests{err: e.missing()}
	}
	switch r.arguments {
	case inputList:
		return e.stream(r, v)
	case scalarRequest:
		return e.scalar(r.method.Input, v)
	default:
		return e.request(r, a, v, room)
	}
}

// request encodes a message.
func (e *encoder) request(r *root, a argument, v value, room *[]byte) (out requests) {
	if room == nil {
		room = new([]byte)
	}
	message, err := e.message((*room)[:0], r.input, v)
	if err == nil && r.connection != nil {
		message, out.page, err = e.page(message, r.connection, v)
	}
	if err != nil {
		out.err = err
		return out
	}
	*room = message
	if in := r.input.masks.read; in != nil {
		if given, ok := e.given(in, v); ok && !given.isNull() {
			a.mask = nil // the client's own takes precedence
		}
	}
	out.message = make([]byte, 0, len(message)+len(a.mask)) // for good: others may keep it
	out.message = append(append(out.message, message...), a.mask...)
	return out
}

// stream encodes the messages of a client stream.
func (e *encoder) stream(r *root, v value) (out requests) {
	out.err = e.each(v, func(element value) error {
		if len(out.messages) == maxStreamedInputs {
			return e.fail(fmt.Sprintf("there are more than %d messages", maxStreamedInputs))
		}
		message, err := e.message([]byte{}, r.input, element)
		out.messages = append(out.messages, message)
		return err
	})
	return out
}

// scalar encodes a request that is a well-known type. Its JSON form is that of the
// scalar, with text for all but numbers, booleans and JSON itself.
func (e *encoder) scalar(m *wire.Message, v value) requests {
	if body, ok := v.coerced(); ok {
		return requests{message: append([]byte{}, body...)}
	}
	doc, err := e.scalarJSON(wellKnownScalars[m.FullName()], v)
	if err != nil {
		return requests{err: err}
	}
	message, err := m.AppendWire([]byte{}, doc, wire.DecodeOptions{})
	if err != nil {
		err = e.wrong(err)
	}
	return requests{message: message, err: err}
}

func (e *encoder) scalarJSON(s scalar, v value) ([]byte, error) {
	if s == scalarJSON {
		return e.appendJSON(nil, v)
	}
	text, err := s.read(v)
	if err != nil {
		return nil, e.fail(err.Error())
	}
	switch s {
	case scalarBoolean, scalarInt, scalarUInt32, scalarInt64, scalarUInt64, scalarFloat:
		return []byte(text), nil
	}
	return json.Marshal(text)
}
