package graph

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator/core"
	"google.golang.org/protobuf/proto"
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
	var wrong *wire.Error
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w: %s", cannot(s, v), wrong.Reason)
	}
	return err
}

// literalsRule checks what gqlparser lets pass: literals of scalars that it does not know, the
// range of Int, objects where a scalar or enum is wanted, and enum values that are never accepted.
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
	case v.Definition.Kind != ast.Scalar:
		return nil
	}
	s, ok := scalarNamed(v.Definition.Name)
	if !ok || s == scalarJSON || s.builtIn() && v.Kind != ast.ObjectValue && (s != scalarInt || v.Kind != ast.IntValue) {
		return nil
	}
	return g.forms.check(s, value{literal: v})
}
