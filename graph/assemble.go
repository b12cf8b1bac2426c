package graph

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/validator"
)

// prelude is what every schema has: GraphQL's own scalars and directives, and introspection. All schemas share it,
// and nobody changes it.
var prelude = sync.OnceValue(func() *ast.Schema {
	doc := validator.PreludeDocument()
	doc.Directives = slices.DeleteFunc(doc.Directives, func(d *ast.DirectiveDefinition) bool {
		return d.Name == "defer" // not executed here
	})
	s, err := validator.ValidateSchemaDocument(doc)
	if err != nil {
		panic("graph: the prelude of every schema is invalid: " + err.Error())
	}
	return s
})

// assemble makes a schema of types, which it keeps. It comes to what gqlparser's validator does with a document of them
// and checks the same, but in linear time: that one compares each field of a type with each other
// one, and a root type may have ten thousand. Those that were checked are not looked at again. The error says what does
// not hold together.
func assemble(checked, others []*ast.Definition) (*ast.Schema, error) {
	a := newAssembly(len(checked) + len(others))
	if err := a.enter(others); err != nil {
		return nil, err
	}
	if err := a.enter(checked); err != nil {
		return nil, err
	}
	if err := a.checkAll(others); err != nil {
		return nil, err
	}
	for _, def := range slices.Concat(others, checked) {
		a.relate(def)
	}
	a.Query, a.Mutation, a.Subscription = a.Types["Query"], a.Types["Mutation"], a.Types["Subscription"]
	for _, root := range []*ast.Definition{a.Query, a.Mutation, a.Subscription} {
		if root != nil && root.Kind != ast.Object {
			return nil, fmt.Errorf("%s is of kind %s", root.Name, root.Kind)
		}
	}
	if a.Query == nil {
		return nil, errors.New("there is no type Query")
	}
	a.Query.Fields = append(a.Query.Fields, validator.QueryIntrospectionFields()...)
	return a.Schema, nil
}

// checkTypes checks types that refer to none but each other and those of the prelude.
func checkTypes(definitions []*ast.Definition) error {
	a := newAssembly(len(definitions))
	if err := a.enter(definitions); err != nil {
		return err
	}
	return a.checkAll(definitions)
}

func (a *assembly) enter(definitions []*ast.Definition) error {
	for _, def := range definitions {
		if a.Types[def.Name] != nil {
			return fmt.Errorf("the type %s is defined twice", def.Name)
		}
		a.Types[def.Name] = def
	}
	return nil
}

func (a *assembly) checkAll(definitions []*ast.Definition) error {
	for _, def := range definitions {
		if err := a.check(def); err != nil {
			return fmt.Errorf("%s: %w", def.Name, err)
		}
	}
	for _, def := range definitions {
		if err := a.checkEndless(def); err != nil {
			return err
		}
	}
	return nil
}

// assembly is a schema on its way.
type assembly struct {
	*ast.Schema
	seen    onlyOnce
	endless map[string]endlessness // by input object
}

// newAssembly returns an assembly with the prelude and room for some types.
func newAssembly(types int) *assembly {
	common := prelude()
	s := &ast.Schema{
		Types:         make(map[string]*ast.Definition, len(common.Types)+types),
		Directives:    common.Directives,
		PossibleTypes: make(map[string][]*ast.Definition, len(common.PossibleTypes)+types),
		Implements:    maps.Clone(common.Implements),
	}
	maps.Copy(s.Types, common.Types)
	maps.Copy(s.PossibleTypes, common.PossibleTypes)
	return &assembly{Schema: s, seen: onlyOnce{at: make(map[string]int)}, endless: make(map[string]endlessness)}
}

// relate enters a type where others of which it is one are looked up.
func (a *assembly) relate(def *ast.Definition) {
	for _, member := range def.Types {
		a.AddPossibleType(def.Name, a.Types[member])
		a.AddImplements(member, def)
	}
	for _, name := range def.Interfaces {
		a.AddPossibleType(name, def)
		a.AddImplements(def.Name, a.Types[name])
	}
	if def.Kind == ast.Object || def.Kind == ast.InputObject {
		a.AddPossibleType(def.Name, def)
	}
}

// check says what is wrong with one type.
func (a *assembly) check(def *ast.Definition) error {
	if !validName(def.Name) {
		return errors.New("this is no name")
	}
	var err error
	switch def.Kind {
	case ast.Object, ast.Interface:
		err = a.fields(def, isOutput, ast.LocationFieldDefinition)
	case ast.InputObject:
		err = a.fields(def, (*ast.Definition).IsInputType, ast.LocationInputFieldDefinition)
	case ast.Enum:
		err = a.values(def)
	case ast.Union:
		err = a.members(def)
	}
	if err != nil {
		return err
	}
	for i, name := range def.Interfaces {
		if slices.Contains(def.Interfaces[:i], name) {
			return fmt.Errorf("it implements %s twice", name)
		}
		if err := a.implements(def, name); err != nil {
			return err
		}
	}
	return a.directives(def.Directives, ast.DirectiveLocation(def.Kind))
}

func isOutput(def *ast.Definition) bool { return def.IsLeafType() || def.IsCompositeType() }

// fields checks the fields of a type: those of an input object must fit as inputs.
func (a *assembly) fields(def *ast.Definition, fits func(*ast.Definition) bool, at ast.DirectiveLocation) error {
	if len(def.Fields) == 0 {
		return errors.New("it has no fields")
	}
	turn := a.seen.begin()
	for _, f := range def.Fields {
		if !validName(f.Name) || !a.seen.first(turn, f.Name) {
			return fmt.Errorf("the name of the field %q is no name, or is taken", f.Name)
		}
		if err := a.refers(f.Type, fits); err != nil {
			return fmt.Errorf("the field %s: %w", f.Name, err)
		}
		if err := a.directives(f.Directives, at); err != nil {
			return fmt.Errorf("the field %s: %w", f.Name, err)
		}
	}
	for _, f := range def.Fields {
		if err := a.arguments(f.Arguments); err != nil {
			return fmt.Errorf("the field %s: %w", f.Name, err)
		}
	}
	return nil
}

func (a *assembly) arguments(list ast.ArgumentDefinitionList) error {
	turn := a.seen.begin()
	for _, arg := range list {
		if !validName(arg.Name) || !a.seen.first(turn, arg.Name) {
			return fmt.Errorf("the name of the argument %q is no name, or is taken", arg.Name)
		}
		if err := a.refers(arg.Type, (*ast.Definition).IsInputType); err != nil {
			return fmt.Errorf("the argument %s: %w", arg.Name, err)
		}
		if err := a.directives(arg.Directives, ast.LocationArgumentDefinition); err != nil {
			return fmt.Errorf("the argument %s: %w", arg.Name, err)
		}
	}
	return nil
}

// refers checks that what a type is made of is there, and fits.
func (a *assembly) refers(t *ast.Type, fits func(*ast.Definition) bool) error {
	def := a.Types[t.Name()]
	switch {
	case def == nil:
		return fmt.Errorf("there is no type %s", t.Name())
	case !fits(def):
		return fmt.Errorf("it cannot be of type %s, which is of kind %s", t, def.Kind)
	}
	return nil
}

func (a *assembly) values(def *ast.Definition) error {
	if len(def.EnumValues) == 0 {
		return errors.New("it has no values")
	}
	turn := a.seen.begin()
	for _, v := range def.EnumValues {
		if !validValue(v.Name) || !a.seen.first(turn, v.Name) {
			return fmt.Errorf("the name of the value %q is no name, or is taken", v.Name)
		}
		if err := a.directives(v.Directives, ast.LocationEnumValue); err != nil {
			return fmt.Errorf("the value %s: %w", v.Name, err)
		}
	}
	return nil
}

func (a *assembly) members(def *ast.Definition) error {
	if len(def.Types) == 0 {
		return errors.New("it has no members")
	}
	turn := a.seen.begin()
	for _, name := range def.Types {
		if member := a.Types[name]; member == nil || member.Kind != ast.Object || !a.seen.first(turn, name) {
			return fmt.Errorf("the member %s is no object, or is one already", name)
		}
	}
	return nil
}

// implements checks that a type has the fields of an interface. Ours have no arguments, and are of the very type.
func (a *assembly) implements(def *ast.Definition, name string) error {
	i := a.Types[name]
	if i == nil || i.Kind != ast.Interface || i == def {
		return fmt.Errorf("it implements %s, which is no interface for it", name)
	}
	for _, want := range i.Fields {
		have := def.Fields.ForName(want.Name)
		if have == nil || have.Type.String() != want.Type.String() || len(have.Arguments)+len(want.Arguments) > 0 {
			return fmt.Errorf("it does not have the field %s of %s", want.Name, name)
		}
	}
	return nil
}

// directives checks directives, and links them to what defines them. Those of a root field may be linked, and read by
// others, already.
func (a *assembly) directives(list ast.DirectiveList, at ast.DirectiveLocation) error {
	for i, d := range list {
		def := a.Directives[d.Name]
		if def == nil || !slices.Contains(def.Locations, at) || list[:i].ForName(d.Name) != nil {
			return fmt.Errorf("the directive %s cannot stand here", d.Name)
		}
		for _, arg := range d.Arguments {
			if def.Arguments.ForName(arg.Name) == nil {
				return fmt.Errorf("the directive %s has no argument %s", d.Name, arg.Name)
			}
		}
		for _, want := range def.Arguments {
			if want.Type.NonNull && want.DefaultValue == nil && d.Arguments.ForName(want.Name) == nil {
				return fmt.Errorf("the directive %s lacks the argument %s", d.Name, want.Name)
			}
		}
		if d.Definition != def {
			d.Definition = def
		}
	}
	return nil
}

// endlessness is what is known of whether nobody could ever give an input object.
type endlessness uint8

const (
	endlessUnknown endlessness = iota
	endlessAsked               // on the way from it to itself
	endlessNot
)

// checkEndless refuses input objects that must hold themselves.
func (a *assembly) checkEndless(def *ast.Definition) error {
	if def.Kind != ast.InputObject || a.endless[def.Name] == endlessNot {
		return nil
	}
	if a.endless[def.Name] == endlessAsked {
		return fmt.Errorf("%s must hold itself", def.Name)
	}
	a.endless[def.Name] = endlessAsked
	for _, f := range def.Fields {
		if f.Type.NonNull && f.Type.Elem == nil {
			if err := a.checkEndless(a.Types[f.Type.NamedType]); err != nil {
				return err
			}
		}
	}
	a.endless[def.Name] = endlessNot
	return nil
}

// onlyOnce tells names that were seen before in the same list. It goes from list to list without being cleared.
type onlyOnce struct {
	at   map[string]int
	turn int
}

// begin starts another list.
func (o *onlyOnce) begin() (turn int) {
	o.turn++
	return o.turn
}

// first reports whether a name is new in a list.
func (o *onlyOnce) first(turn int, name string) bool {
	if o.at[name] == turn {
		return false
	}
	o.at[name] = turn
	return true
}
