package graph

import (
	"errors"
	"fmt"
	"strings"

	"github.com/protean-gateway/protean/wire"
)

// encoder turns the arguments of one root field into a request, straight to
// wire bytes. What the validation rules and the variables' types guarantee is not checked again.
type encoder struct {
	variables variables
	limit     int       // bytes of the request
	path      inputPath // from the root field
}

// inputError says which argument is wrong; its text is fit for clients.
type inputError struct {
	path   string
	reason string
	// null: a variable that may be null is, in a place that may not. By the rules of GraphQL
	// that fails the field and not the operation (September 2025, 6.4.1).
	null bool
}

// failsField reports whether an error of arguments leaves the fields beside alone.
func failsField(err error) bool {
	var wrong *inputError
	return errors.As(err, &wrong) && wrong.null
}

func (e *inputError) Error() string { return fmt.Sprintf("Argument %s: %s.", e.path, e.reason) }

func (e *encoder) fail(reason string) error {
	return &inputError{path: e.at(), reason: reason}
}

// failNull is for a variable that may be null in a place that may not: the
// validation rules let it through where the variable has a default.
func (e *encoder) failNull(reason string) error {
	return &inputError{path: e.at(), reason: reason, null: true}
}

// at names the place that is being encoded.
func (e *encoder) at() string { return strings.TrimPrefix(e.path.String(), ".") }

// failUnknownField is for a field that the graph has of another backend.
func (e *encoder) failUnknownField() error {
	return e.fail("the backend that answers has no such field")
}

func (e *encoder) missing() error { return e.failNull("a value is required") }

func (e *encoder) tooLarge() error {
	return e.fail(fmt.Sprintf("the request grows over %d bytes", e.limit))
}

// wrong passes on what package wire says of a value.
func (e *encoder) wrong(err error) error {
	var w *wire.Error
	if errors.As(err, &w) {
		return e.fail(w.Reason)
	}
	return e.fail("the value cannot be encoded")
}

// message appends the fields of an input object, in the order of the shape: equal
// arguments make equal bytes.
func (e *encoder) message(dst []byte, s *inputShape, object value) ([]byte, error) {
	for _, in := range s.fields {
		var err error
		if dst, err = e.member(dst, in, object); err != nil {
			return nil, err
		}
	}
	if s.masks.update == nil || s.masks.resource == nil {
		return dst, nil
	}
	return e.updateMask(dst, s, object)
}

// member appends one field of an object, if it was given. An explicit null is as if it was not.
func (e *encoder) member(dst []byte, in *inputField, object value) ([]byte, error) {
	given, ok := e.given(in, object)
	absent := !ok || given.isNull() && !in.takesNull()
	if absent && !in.definition.Type.NonNull {
		return dst, nil
	}
	if len(e.path) > maxInputDepth {
		return nil, e.fail("the value nests too deep")
	}
	e.path = append(e.path, inputStep{name: in.definition.Name})
	if absent {
		return nil, e.missing()
	}
	dst, err := e.field(dst, in, given)
	if err == nil && len(dst) > e.limit {
		err = e.tooLarge()
	}
	e.path = e.path[:len(e.path)-1]
	return dst, err
}

func (e *encoder) field(dst []byte, in *inputField, v value) ([]byte, error) {
	switch {
	case in.kind == inputAbsent:
		return nil, e.failUnknownField()
	case in.kind == inputOneof:
		return e.oneof(dst, in.child, v)
	case in.kind == inputJSON:
		return e.json(dst, in.field, v)
	case in.kind == inputMap:
		return e.entries(dst, in, v)
	case in.field.IsList():
		return e.elements(dst, in, v)
	default:
		return e.element(dst, in, v)
	}
}

// takesNull reports whether the JSON null is a value of the field.
func (in *inputField) takesNull() bool {
	return in.kind == inputJSON && !in.field.IsList() && holdsNull(in.field.Descriptor()) && !in.definition.Type.NonNull
}

// oneof appends the one member that was given.
func (e *encoder) oneof(dst []byte, s *inputShape, v value) ([]byte, error) {
	if v.size() != 1 {
		return nil, e.failNull("exactly one field must be given")
	}
	before := len(dst)
	dst, err := e.message(dst, s, v)
	if err == nil && len(dst) == before {
		return nil, e.failNull("the field that is given cannot be null")
	}
	return dst, err
}

// each calls f for the elements of a list; a value that is no list is its only element.
func (e *encoder) each(v value, f func(element value) error) error {
	if _, ok := v.isList(); !ok {
		return f(v)
	}
	for i, element := range v.elements() {
		element, _ = e.variables.resolve(element)
		e.path = append(e.path, inputStep{index: i})
		if element.isNull() {
			return e.failNull("an element of the list cannot be null")
		}
		if err := f(element); err != nil {
			return err
		}
		e.path = e.path[:len(e.path)-1]
	}
	return nil
}

func (e *encoder) elements(dst []byte, in *inputField, v value) ([]byte, error) {
	err := e.each(v, func(element value) (err error) {
		if dst, err = e.element(dst, in, element); err == nil && len(dst) > e.limit {
			err = e.tooLarge()
		}
		return err
	})
	return dst, err
}

// element appends a scalar, enum or message.
func (e *encoder) element(dst []byte, in *inputField, v value) ([]byte, error) {
	if in.kind == inputMessage {
		start := len(dst)
		dst, err := e.message(dst, in.child, v)
		if err != nil {
			return nil, err
		}
		return enclose(dst, start, in.field), nil
	}
	if body, ok := v.coerced(); ok {
		return appendCoerced(dst, in.field, body), nil
	}
	text, err := in.read(v)
	if err != nil {
		return nil, e.fail(err.Error())
	}
	if dst, err = in.field.AppendWireText(dst, text); err != nil {
		return nil, e.wrong(err)
	}
	return dst, nil
}

// enclose makes the bytes from start on a message of a field.
func enclose(dst []byte, start int, f *wire.Field) []byte {
	end := len(dst)
	dst = f.AppendWireMessage(dst, dst[start:end])
	return append(dst[:start], dst[end:]...)
}

// read returns the text of a scalar or enum.
func (in *inputField) read(v value) (string, error) {
	if in.kind == inputEnum {
		return in.enum.read(v)
	}
	return in.scalar.read(v)
}

// entry encodes an entry of a map. Where its value may be the JSON null, that is what it has when
// none is given: a google.protobuf.Value without anything could not be read.
func (e *encoder) entry(s *inputShape, entry value) ([]byte, error) {
	body, err := e.message(nil, s, entry)
	if in := s.byName["value"]; err == nil && in.takesNull() {
		given, ok := entry.field("value")
		if ok {
			_, ok = e.variables.resolve(given)
		}
		if !ok {
			return e.json(body, in.field, value{})
		}
	}
	return body, err
}

// entries appends the entries of a map.
func (e *encoder) entries(dst []byte, in *inputField, v value) ([]byte, error) {
	seen := make(map[string]bool)
	err := e.each(v, func(entry value) error {
		key, err := e.member(nil, in.child.byName["key"], entry)
		if err != nil {
			return err
		}
		if len(key) == 0 {
			return e.fail("the entry has no key")
		}
		if seen[string(key)] {
			return e.fail("the key of the entry stands in another one")
		}
		seen[string(key)] = true
		body, err := e.entry(in.child, entry)
		if err != nil {
			return err
		}
		if dst = in.field.AppendWireMessage(dst, body); len(dst) > e.limit {
			return e.tooLarge()
		}
		return nil
	})
	return dst, err
}
