package graph

import (
	"encoding/json"
	"fmt"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/wire"
)

// introspect writes the value of a __schema or __type field.
func (x *execution) introspect(dst []byte, f *rootField, room int) ([]byte, error) {
	in := &introspector{
		schema:     x.operation.shown,
		variables:  x.operation.variables,
		conditions: &conditions{variables: x.operation.variables, schema: x.graph.schema},
		limit:      len(dst) + room,
	}
	if f.kind == rootSchema {
		return in.value(dst, introspection.WrapSchema(in.schema), f.introspection)
	}
	name, _ := in.argument(f.introspection.first(), "name").text()
	return in.value(dst, introspection.WrapTypeFromDef(in.schema, in.schema.Types[name]), f.introspection)
}

// introspector writes what gqlgen's wrappers of a schema say, as a selection asks for it.
type introspector struct {
	schema     *ast.Schema
	variables  variables
	conditions *conditions
	limit      int // of len(dst)
}

// value writes a text, a truth, an object or a list of them. A nil pointer is null.
func (in *introspector) value(dst []byte, v any, group *fieldGroup) ([]byte, error) {
	if len(dst) > in.limit {
		return dst, wire.ErrTooLarge
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), nil
	case string, bool, *string, []string:
		text, err := json.Marshal(v)
		return append(dst, text...), err
	case *introspection.Schema:
		return in.object(dst, "__Schema", group, func(f *ast.Field) any { return schemaField(v, f.Name) })
	case *introspection.Type:
		if v == nil {
			return append(dst, "null"...), nil
		}
		return in.object(dst, "__Type", group, func(f *ast.Field) any { return in.typeField(v, f) })
	case []introspection.Type:
		return appendEach(dst, v, func(dst []byte, t *introspection.Type) ([]byte, error) { return in.value(dst, t, group) })
	case []introspection.Field:
		return appendEach(dst, v, func(dst []byte, e *introspection.Field) ([]byte, error) {
			return in.object(dst, "__Field", group, func(f *ast.Field) any { return in.fieldField(e, f) })
		})
	case []introspection.InputValue:
		return appendEach(dst, v, func(dst []byte, e *introspection.InputValue) ([]byte, error) {
			return in.object(dst, "__InputValue", group, func(f *ast.Field) any { return inputValueField(e, f.Name) })
		})
	case []introspection.EnumValue:
		return appendEach(dst, v, func(dst []byte, e *introspection.EnumValue) ([]byte, error) {
			return in.object(dst, "__EnumValue", group, func(f *ast.Field) any { return enumValueField(e, f.Name) })
		})
	case []introspection.Directive:
		return appendEach(dst, v, func(dst []byte, e *introspection.Directive) ([]byte, error) {
			return in.object(dst, "__Directive", group, func(f *ast.Field) any { return in.directiveField(e, f) })
		})
	}
	return dst, fmt.Errorf("introspection has no %T", v)
}

func appendEach[T any](dst []byte, elements []T, write func([]byte, *T) ([]byte, error)) ([]byte, error) {
	dst = append(dst, '[')
	for i := range elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = write(dst, &elements[i]); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// object writes the selected fields of an object, whose values field returns.
func (in *introspector) object(dst []byte, typeName string, group *fieldGroup, field func(*ast.Field) any) ([]byte, error) {
	dst = append(dst, '{')
	for i, inner := range collect(group.selections(), typeName, in.conditions) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendKey(dst, inner.key)
		var v any = typeName
		if inner.first().Name != "__typename" {
			v = field(inner.first())
		}
		var err error
		if dst, err = in.value(dst, v, inner); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// argument returns the value of a field's argument, or nothing.
func (in *introspector) argument(f *ast.Field, name string) value {
	arg := f.Arguments.ForName(name)
	if arg == nil {
		return value{}
	}
	v, _ := in.variables.resolve(value{literal: arg.Value})
	return v
}

// deprecatedToo is the argument includeDeprecated, which is false by default.
func (in *introspector) deprecatedToo(f *ast.Field) bool {
	truth, _ := in.argument(f, "includeDeprecated").boolean()
	return truth
}

func schemaField(s *introspection.Schema, name string) any {
	switch name {
	case "description":
		return s.Description()
	case "types":
		return s.Types()
	case "queryType":
		return s.QueryType()
	case "mutationType":
		return s.MutationType()
	case "subscriptionType":
		return s.SubscriptionType()
	case "directives":
		return s.Directives()
	}
	return nil
}

func (in *introspector) typeField(t *introspection.Type, f *ast.Field) any {
	switch f.Name {
	case "kind":
		return t.Kind()
	case "name":
		return t.Name()
	case "description":
		return t.Description()
	case "specifiedByURL":
		return t.SpecifiedByURL()
	case "ofType":
		return t.OfType()
	}
	return in.typeFieldOfKind(t, f)
}

// typeFieldOfKind returns the fields that only types of one kind have. They are
// null for all others.
func (in *introspector) typeFieldOfKind(t *introspection.Type, f *ast.Field) any {
	kind := ast.DefinitionKind(t.Kind())
	switch {
	case f.Name == "fields" && (kind == ast.Object || kind == ast.Interface):
		return t.Fields(in.deprecatedToo(f))
	case f.Name == "interfaces" && (kind == ast.Object || kind == ast.Interface):
		return t.Interfaces()
	case f.Name == "possibleTypes" && (kind == ast.Interface || kind == ast.Union):
		return t.PossibleTypes()
	case f.Name == "enumValues" && kind == ast.Enum:
		return t.EnumValues(in.deprecatedToo(f))
	case f.Name == "inputFields" && kind == ast.InputObject:
		return t.VisibleInputFields(in.deprecatedToo(f))
	case f.Name == "isOneOf" && kind == ast.InputObject:
		return t.IsOneOf()
	}
	return nil
}

func (in *introspector) fieldField(e *introspection.Field, f *ast.Field) any {
	switch f.Name {
	case "name":
		return e.Name
	case "description":
		return e.Description()
	case "args":
		return e.VisibleArgs(in.deprecatedToo(f))
	case "type":
		return e.Type
	case "isDeprecated":
		return e.IsDeprecated()
	case "deprecationReason":
		return e.DeprecationReason()
	}
	return nil
}

func inputValueField(e *introspection.InputValue, name string) any {
	switch name {
	case "name":
		return e.Name
	case "description":
		return e.Description()
	case "type":
		return e.Type
	case "defaultValue":
		return e.DefaultValue
	case "isDeprecated":
		return e.IsDeprecated()
	case "deprecationReason":
		return e.DeprecationReason()
	}
	return nil
}

func enumValueField(e *introspection.EnumValue, name string) any {
	switch name {
	case "name":
		return e.Name
	case "description":
		return e.Description()
	case "isDeprecated":
		return e.IsDeprecated()
	case "deprecationReason":
		return e.DeprecationReason()
	}
	return nil
}

func (in *introspector) directiveField(e *introspection.Directive, f *ast.Field) any {
	switch f.Name {
	case "name":
		return e.Name
	case "description":
		return e.Description()
	case "isRepeatable":
		return e.IsRepeatable
	case "locations":
		return e.Locations
	case "args":
		return e.VisibleArgs(in.deprecatedToo(f))
	}
	return nil
}
