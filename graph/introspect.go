package graph

import (
	"cmp"
	"context"
	"errors"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

// describes reports whether the field is answered from the schema itself.
func (f *rootField) describes() bool { return f.described != nil }

// measureIntrospection rejects an operation whose introspection would be larger than a response may be. It counts what
// would be written and stops at the limit, so that neither calls nor JSON are made for nothing.
func (g *Graph) measureIntrospection(ctx context.Context, o *prepared) *gqlerror.Error {
	if o.plan.measured != nil {
		if known := o.plan.measured.Load(); known != nil && known.shown == o.shown {
			o.described = known.size
			return nil
		}
	}
	in := introspector{ctx: ctx, variables: o.variables, limit: g.options.ResponseBytes, measuring: true}
	for _, f := range o.plan.fields {
		if !f.describes() {
			continue
		}
		g.introspect(&in, o, f)
		if errors.Is(in.err, wire.ErrTooLarge) {
			err := gqlerror.ErrorPosf(f.at, "the operation selects more than %d bytes of the schema", g.options.ResponseBytes)
			return withCode(err, codeValidation)
		}
	}
	o.described = in.size
	if o.plan.measured != nil && in.err == nil {
		o.plan.measured.Store(&measuredSchema{o.shown, in.size})
	}
	return nil
}

// measuredSchema is the size of what a plan selects of a schema.
type measuredSchema struct {
	shown *shownSchema
	size  int
}

// describe writes the value of a __schema, __type or _service field.
func (x *execution) describe(ctx context.Context, dst []byte, f *rootField, room int) ([]byte, error) {
	in := introspector{ctx: ctx, variables: x.operation.variables, limit: room, dst: dst}
	x.graph.introspect(&in, x.operation, f)
	return in.dst, in.err
}

func (g *Graph) introspect(in *introspector, o *prepared, f *rootField) {
	in.schema = o.shown
	switch f.kind {
	case rootSchema:
		in.schemaObject(f.described)
	case rootType:
		v, _ := in.variables.resolve(value{literal: f.typeName})
		name, _ := v.text()
		in.definition(f.described, in.schema.Types[name])
	case rootService:
		in.object(f.described, func(*describedField) { in.text(g.SubgraphSDL()) })
	}
}

// introspector writes what a selection asks of a schema, or counts the bytes: at least so many as would be written, since
// escapes are not counted. Once it has an error it does nothing more.
type introspector struct {
	ctx       context.Context
	schema    *shownSchema
	variables variables
	measuring bool
	limit     int // of size
	size      int // bytes so far
	objects   int // so far
	dst       []byte
	known     map[typeKey]span
	err       error
}

// objectsBetweenChecks is how many objects are written between two looks at the context.
const objectsBetweenChecks = 256

// raw appends JSON.
func (in *introspector) raw(text string) {
	in.size += len(text)
	if !in.measuring {
		in.dst = append(in.dst, text...)
	}
}

// name appends a text that needs no escapes.
func (in *introspector) name(text string) {
	in.size += len(text) + 2
	if !in.measuring {
		in.dst = append(append(append(in.dst, '"'), text...), '"')
	}
}

func (in *introspector) text(text string) {
	in.size += len(text) + 2
	if !in.measuring {
		in.dst = wire.AppendQuoted(in.dst, text)
	}
}

// optional appends a text that is null if it is empty.
func (in *introspector) optional(text string) {
	if text == "" {
		in.raw("null")
		return
	}
	in.text(text)
}

func (in *introspector) truth(b bool) {
	if b {
		in.raw("true")
	} else {
		in.raw("false")
	}
}

// object appends the selected fields of an object, whose values field appends.
func (in *introspector) object(o *describedObject, field func(*describedField)) {
	if !in.proceeds() {
		return
	}
	if o.constant != "" {
		in.raw(o.constant)
		return
	}
	for i := range o.fields {
		f := &o.fields[i]
		in.raw(f.key)
		if f.kind == describeTypename {
			in.name(o.typeName)
		} else {
			field(f)
		}
		if in.err != nil {
			return
		}
	}
	in.raw("}")
	if in.size > in.limit {
		in.err = wire.ErrTooLarge
	}
}

// proceeds reports whether there is a client that waits for more.
func (in *introspector) proceeds() bool {
	if in.objects++; in.objects%objectsBetweenChecks == 1 && in.err == nil && in.ctx.Err() != nil {
		in.err = rpc.ContextError(in.ctx)
	}
	return in.err == nil
}

// elements appends a list. One appends an element.
func elements[T any](in *introspector, list []T, shown func(T) bool, one func(T)) {
	separator := "["
	for _, e := range list {
		if !shown(e) {
			continue
		}
		in.raw(separator)
		if one(e); in.err != nil {
			return
		}
		separator = ","
	}
	if separator == "[" {
		in.raw("[")
	}
	in.raw("]")
}

func all[T any](T) bool { return true }

func (in *introspector) schemaObject(o *describedObject) {
	s := in.schema
	in.object(o, func(f *describedField) {
		switch f.kind {
		case describeDescription:
			in.optional(s.Description)
		case describeTypes:
			elements(in, s.types(), all, func(def *ast.Definition) { in.definition(f.object, def) })
		case describeQueryType:
			in.definition(f.object, s.Query)
		case describeMutationType:
			in.definition(f.object, s.Mutation)
		case describeSubscriptionType:
			in.definition(f.object, s.Subscription)
		case describeDirectives:
			elements(in, s.directives(), all, func(def *ast.DirectiveDefinition) { in.directive(f.object, def) })
		}
	})
}

// definition appends a named type, null for none.
func (in *introspector) definition(o *describedObject, def *ast.Definition) {
	if def == nil {
		in.raw("null")
		return
	}
	in.object(o, func(f *describedField) { in.definitionField(f, def) })
}

func (in *introspector) definitionField(f *describedField, def *ast.Definition) {
	switch f.kind {
	case describeKind:
		in.name(string(def.Kind))
	case describeName:
		in.name(def.Name)
	case describeDescription:
		in.optional(def.Description)
	default:
		in.definitionFieldOfKind(f, def)
	}
}

// definitionFieldOfKind appends a field that only types of one kind have. It is null for all others.
func (in *introspector) definitionFieldOfKind(f *describedField, def *ast.Definition) {
	composite := def.Kind == ast.Object || def.Kind == ast.Interface
	switch {
	case f.kind == describeFields && composite:
		elements(in, def.Fields, in.shownField(f), func(e *ast.FieldDefinition) { in.field(f.object, e) })
	case f.kind == describeInterfaces && composite:
		elements(in, def.Interfaces, all, func(name string) { in.definition(f.object, in.schema.Types[name]) })
	case f.kind == describePossibleTypes && def.IsAbstractType():
		elements(in, in.schema.PossibleTypes[def.Name], all, func(e *ast.Definition) { in.definition(f.object, e) })
	case f.kind == describeEnumValues && def.Kind == ast.Enum:
		deprecated := in.includesDeprecated(f)
		shown := func(e *ast.EnumValueDefinition) bool { return deprecated || deprecation(e.Directives) == nil }
		elements(in, def.EnumValues, shown, func(e *ast.EnumValueDefinition) { in.enumValue(f.object, e) })
	case f.kind == describeInputFields && def.Kind == ast.InputObject:
		elements(in, def.Fields, in.shownField(f), func(e *ast.FieldDefinition) {
			in.inputValue(f.object, &inputValue{e.Name, e.Description, e.Type, e.DefaultValue, e.Directives})
		})
	case f.kind == describeIsOneOf && def.Kind == ast.InputObject:
		in.truth(def.Directives.ForName("oneOf") != nil)
	case f.kind == describeSpecifiedByURL && def.Kind == ast.Scalar:
		in.optional(argumentOfDirective(def.Directives.ForName("specifiedBy"), "url"))
	default:
		in.raw("null")
	}
}

// shownField returns which fields of a type or an input object a list has.
func (in *introspector) shownField(f *describedField) func(*ast.FieldDefinition) bool {
	deprecated := in.includesDeprecated(f)
	return func(e *ast.FieldDefinition) bool {
		return !isIntrospection(e.Name) && (deprecated || deprecation(e.Directives) == nil)
	}
}

func isIntrospection(name string) bool { return len(name) > 2 && name[0] == '_' && name[1] == '_' }

// typeOf appends the type of a field, an argument or an input field. There are many of each type, so what is selected of it
// is worked out once.
func (in *introspector) typeOf(o *describedObject, t *ast.Type) {
	key, ok := typeKeyOf(o, t)
	if !ok || o.constant != "" {
		in.wrapped(o, t)
		return
	}
	if known, ok := in.known[key]; ok {
		in.again(known)
		return
	}
	start := span{in.size, len(in.dst)}
	in.wrapped(o, t)
	in.remember(key, start)
}

// typeKey is a selection and a type.
type typeKey struct {
	object *describedObject
	name   string
	form   uint8 // non-null, a list, a list of non-null elements
}

// typeKeyOf returns the key of a type. Lists of lists, which few schemas have, have none.
func typeKeyOf(o *describedObject, t *ast.Type) (key typeKey, ok bool) {
	key.object = o
	if t.NonNull {
		key.form = 1
	}
	if t.Elem != nil {
		key.form |= 2
		if t = t.Elem; t.NonNull {
			key.form |= 4
		}
	}
	key.name = t.NamedType
	return key, t.Elem == nil
}

// span is what was written of a type: its size and where in dst it stands.
type span struct{ size, start int }

func (in *introspector) again(known span) {
	if in.size += known.size; in.size > in.limit {
		in.err = wire.ErrTooLarge
	} else if !in.measuring {
		in.dst = append(in.dst, in.dst[known.start:known.start+known.size]...)
	}
}

// remember notes what was written since a start.
func (in *introspector) remember(key typeKey, start span) {
	if in.known == nil {
		in.known = make(map[typeKey]span)
	}
	if !in.measuring {
		in.known[key] = span{len(in.dst) - start.start, start.start}
		return
	}
	in.known[key] = span{in.size - start.size, 0}
}

// wrapped appends a type as it is written, such as `[Book!]!`: what wraps it are types in their own right.
func (in *introspector) wrapped(o *describedObject, t *ast.Type) {
	if t.NonNull {
		in.wrapper(o, "NON_NULL", func(inner *describedObject) { in.nullableType(inner, t) })
		return
	}
	in.nullableType(o, t)
}

func (in *introspector) nullableType(o *describedObject, t *ast.Type) {
	if t.Elem != nil {
		in.wrapper(o, "LIST", func(inner *describedObject) { in.wrapped(inner, t.Elem) })
		return
	}
	in.definition(o, in.schema.Types[t.NamedType])
}

func (in *introspector) wrapper(o *describedObject, kind string, inner func(*describedObject)) {
	in.object(o, func(f *describedField) {
		switch f.kind {
		case describeKind:
			in.name(kind)
		case describeOfType:
			inner(f.object)
		default:
			in.raw("null")
		}
	})
}

func (in *introspector) field(o *describedObject, e *ast.FieldDefinition) {
	in.object(o, func(f *describedField) {
		switch f.kind {
		case describeName:
			in.name(e.Name)
		case describeDescription:
			in.optional(e.Description)
		case describeArgs:
			in.arguments(f, e.Arguments)
		case describeType:
			in.typeOf(f.object, e.Type)
		default:
			in.deprecation(f, e.Directives)
		}
	})
}

func (in *introspector) arguments(f *describedField, list ast.ArgumentDefinitionList) {
	deprecated := in.includesDeprecated(f)
	shown := func(e *ast.ArgumentDefinition) bool { return deprecated || deprecation(e.Directives) == nil }
	elements(in, list, shown, func(e *ast.ArgumentDefinition) {
		in.inputValue(f.object, &inputValue{e.Name, e.Description, e.Type, e.DefaultValue, e.Directives})
	})
}

// inputValue is an argument or a field of an input object.
type inputValue struct {
	name, description string
	typ               *ast.Type
	byDefault         *ast.Value
	directives        ast.DirectiveList
}

func (in *introspector) inputValue(o *describedObject, e *inputValue) {
	in.object(o, func(f *describedField) {
		switch f.kind {
		case describeName:
			in.name(e.name)
		case describeDescription:
			in.optional(e.description)
		case describeType:
			in.typeOf(f.object, e.typ)
		case describeDefaultValue:
			if e.byDefault == nil {
				in.raw("null")
			} else {
				in.text(e.byDefault.String())
			}
		default:
			in.deprecation(f, e.directives)
		}
	})
}

func (in *introspector) enumValue(o *describedObject, e *ast.EnumValueDefinition) {
	in.object(o, func(f *describedField) {
		switch f.kind {
		case describeName:
			in.name(e.Name)
		case describeDescription:
			in.optional(e.Description)
		default:
			in.deprecation(f, e.Directives)
		}
	})
}

func (in *introspector) directive(o *describedObject, e *ast.DirectiveDefinition) {
	in.object(o, func(f *describedField) {
		switch f.kind {
		case describeName:
			in.name(e.Name)
		case describeDescription:
			in.optional(e.Description)
		case describeIsRepeatable:
			in.truth(e.IsRepeatable)
		case describeLocations:
			elements(in, e.Locations, all, func(l ast.DirectiveLocation) { in.name(string(l)) })
		case describeArgs:
			in.arguments(f, e.Arguments)
		}
	})
}

// deprecation appends isDeprecated or deprecationReason.
func (in *introspector) deprecation(f *describedField, list ast.DirectiveList) {
	d := deprecation(list)
	switch {
	case f.kind == describeIsDeprecated:
		in.truth(d != nil)
	case d == nil:
		in.raw("null")
	default:
		in.text(cmp.Or(argumentOfDirective(d, "reason"), noLongerSupported))
	}
}

func deprecation(list ast.DirectiveList) *ast.Directive {
	if len(list) == 0 {
		return nil
	}
	return list.ForName("deprecated")
}

// argumentOfDirective returns the text of an argument, empty for none.
func argumentOfDirective(d *ast.Directive, name string) string {
	if d == nil {
		return ""
	}
	if arg := d.Arguments.ForName(name); arg != nil {
		return arg.Value.Raw
	}
	return ""
}

// includesDeprecated is the argument includeDeprecated, which is false by default.
func (in *introspector) includesDeprecated(f *describedField) bool {
	return f.deprecated != nil && in.variables.boolean(f.deprecated)
}
