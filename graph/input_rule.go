package graph

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/protean-gateway/protean/wire"
)

// forms check the text of scalars whose form package wire knows.
type forms map[scalar]*wire.Message

func newForms(types *wire.Types) forms {
	message := func(m proto.Message) *wire.Message { return types.Message(m.ProtoReflect().Descriptor()) }
	return forms{
		scalarDateTime: message((*timestamppb.Timestamp)(nil)),
		scalarDuration: message((*durationpb.Duration)(nil)),
		scalarBytes:    message((*wrapperspb.BytesValue)(nil)),
	}
}

// check reads a scalar, form and all, wherever it will go: also what is never sent must be right.
func (f forms) check(s scalar, v value) error {
	text, err := s.read(v)
	if err != nil || f[s] == nil {
		return err
	}
	doc, err := json.Marshal(text)
	if err == nil {
		_, err = f[s].AppendWire(nil, doc, wire.DecodeOptions{})
	}
	return f.wrong(s, v, err)
}

// wrong words an error of package wire.
func (forms) wrong(s scalar, v value, err error) error {
	var wrong *wire.Error
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w: %s", cannot(s, v), wrong.Reason)
	}
	return err
}

// coerce reads a scalar of a variable. Where its form is one that package wire knows, the wire form is
// noted, for the place where it is encoded.
func (f forms) coerce(s scalar, v value) error {
	n := v.node()
	if n == nil || n.kind != jsonString || f[s] == nil {
		return f.check(s, v)
	}
	d := v.json
	place := len(d.coerced)
	body, err := f[s].AppendWire(append(d.coerced, make([]byte, coercedHead)...), d.bytes[n.start-1:n.end+1], wire.DecodeOptions{})
	if err != nil {
		return f.wrong(s, v, err)
	}
	binary.LittleEndian.PutUint32(body[place:], uint32(len(body)-place-coercedHead))
	d.coerced, n.size = body, uint32(place+1)
	return nil
}

// coercedHead is the size of a length in coerced, in bytes.
const coercedHead = 4

// coerced returns the wire form of a value that was coerced to one: a google.protobuf.Timestamp, Duration or BytesValue.
func (v value) coerced() (body []byte, ok bool) {
	n := v.node()
	if n == nil || n.kind != jsonString || n.size == 0 {
		return nil, false
	}
	body = v.json.coerced[n.size-1:]
	length := binary.LittleEndian.Uint32(body)
	return body[coercedHead : coercedHead+length], true
}

// appendCoerced appends an element of a field.
func appendCoerced(dst []byte, f *wire.Field, body []byte) []byte {
	if f.Kind() != protoreflect.BytesKind {
		return f.AppendWireMessage(dst, body)
	}
	_, _, n := protowire.ConsumeTag(body)
	content, _ := protowire.ConsumeBytes(body[max(n, 0):])
	return f.AppendWireMessage(dst, content)
}

// literalsRule checks what gqlparser lets pass: literals of scalars that it does not know, the
// range of Int, objects where a scalar or enum is wanted, enum values that are never accepted, and null for the member of a
// @oneOf input.
func (g *Graph) literalsRule() core.Rule {
	return core.Rule{Name: "ScalarLiterals", RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
		events.OnValue(func(_ *core.Walker, v *ast.Value) {
			if err := g.checkLiteral(v); err != nil {
				addError(core.Message("%s.", err.Error()), core.At(v.Position))
			}
		})
	}}
}

func (g *Graph) checkLiteral(v *ast.Value) error {
	switch {
	case v.Definition == nil || v.Kind == ast.Variable || v.Kind == ast.NullValue || v.Kind == ast.ListValue:
		return nil
	case v.Definition.Kind == ast.Enum && (v.Kind == ast.ObjectValue || v.Kind == ast.EnumValue && v.Raw == unrecognized):
		_, err := g.enums[v.Definition.Name].read(value{literal: v})
		return err
	case v.Definition.Kind == ast.InputObject:
		return checkMember(v)
	case v.Definition.Kind != ast.Scalar:
		return nil
	}
	s, ok := scalarNamed(v.Definition.Name)
	if !ok || s == scalarJSON || s.builtIn() && v.Kind != ast.ObjectValue && (s != scalarInt || v.Kind != ast.IntValue) {
		return nil
	}
	return g.forms.check(s, value{literal: v})
}

// checkMember rejects null for the member of a @oneOf input.
func checkMember(object *ast.Value) error {
	if object.Kind != ast.ObjectValue || len(object.Children) != 1 || object.Definition.Directives.ForName("oneOf") == nil {
		return nil
	}
	if given := object.Children[0]; given.Value.Kind == ast.NullValue && object.Definition.Fields.ForName(given.Name) != nil {
		return fmt.Errorf("field %q of %s cannot be null", given.Name, object.Definition.Name)
	}
	return nil
}
