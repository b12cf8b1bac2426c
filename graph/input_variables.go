package graph

import (
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// coerceVariables checks the values of an operation's variables against their
// types (GraphQL September 2025, 6.1.2) and appends them to vs. The values themselves stay as they were
// given: single values become lists, and text becomes numbers, where they are encoded.
//
// What is coerced here already is noted in given, so that it is not read again.
func (g *Graph) coerceVariables(c *checker, vs variables, op *ast.OperationDefinition, given value) (variables, gqlerror.List) {
	if len(op.VariableDefinitions) == 0 {
		return vs, nil
	}
	*c = checker{schema: g.schema, enums: g.enums, forms: g.forms, path: c.path}
	find := given.field
	if given.size()*len(op.VariableDefinitions) > manyLookups {
		find = given.index()
	}
	for _, def := range op.VariableDefinitions {
		c.variable, c.path = def, c.path[:0]
		v, ok := find(def.Variable)
		switch {
		case ok:
			c.check(def.Type, v)
		case def.DefaultValue != nil:
			v = value{literal: def.DefaultValue}
			c.check(def.Type, v)
		case def.Type.NonNull:
			c.fail("a value is required")
			continue
		default:
			continue
		}
		vs = append(vs, variable{def.Variable, v})
	}
	return vs, c.errors
}

// manyLookups is how many comparisons of names a map is worth.
const manyLookups = 10_000

// index returns field by way of a map.
func (v value) index() func(name string) (value, bool) {
	byName := make(map[string]value, v.size())
	for n, member := range v.json.members(v.at) {
		byName[v.json.string(n)] = member
	}
	return func(name string) (value, bool) {
		member, ok := byName[name]
		return member, ok
	}
}

// maxInputDepth bounds how deep the values of variables nest.
const maxInputDepth = 100

// checker checks one variable after the other.
type checker struct {
	schema   *ast.Schema
	enums    map[string]enumNames
	forms    forms
	variable *ast.VariableDefinition
	path     inputPath // from the variable
	errors   gqlerror.List
}

func (c *checker) fail(format string, args ...any) {
	if len(c.errors) >= maxErrors {
		return
	}
	err := gqlerror.ErrorPosf(c.variable.Position, "Variable $%s%s: %s.", c.variable.Variable, c.path, fmt.Sprintf(format, args...))
	c.errors = append(c.errors, withCode(err, codeInput))
}

// under checks something below the current value.
func (c *checker) under(step inputStep, t *ast.Type, v value) {
	c.path = append(c.path, step)
	c.check(t, v)
	c.path = c.path[:len(c.path)-1]
}

func (c *checker) check(t *ast.Type, v value) {
	switch {
	case len(c.errors) >= maxErrors:
	case len(c.path) > maxInputDepth:
		c.fail("the value nests too deep")
	case v.isNull():
		if t.NonNull {
			c.fail("%s cannot be null", t)
		}
	case t.Elem != nil:
		c.checkList(t.Elem, v)
	default:
		c.checkNamed(c.schema.Types[t.NamedType], v)
	}
}

// checkList checks the elements of a list; a value that is no list is its only element.
func (c *checker) checkList(elem *ast.Type, v value) {
	if _, ok := v.isList(); !ok {
		c.check(elem, v)
		return
	}
	for i, element := range v.elements() {
		c.under(inputStep{index: i}, elem, element)
	}
}

func (c *checker) checkNamed(def *ast.Definition, v value) {
	switch def.Kind {
	case ast.Enum:
		if _, err := c.enums[def.Name].read(v); err != nil {
			c.fail("%s", err.Error())
		}
	case ast.InputObject:
		c.checkObject(def, v)
	default:
		s, ok := scalarNamed(def.Name)
		if !ok || s == scalarJSON {
			return
		}
		if err := c.forms.coerce(s, v); err != nil {
			c.fail("%s", err.Error())
		}
	}
}

func (c *checker) checkObject(def *ast.Definition, v value) {
	if !v.isObject() {
		c.fail("%s must be an object, not %s", def.Name, v)
		return
	}
	if v.size() > len(def.Fields) {
		c.failUnknown(def, v)
		return
	}
	known := 0
	for _, f := range def.Fields {
		given, ok := v.field(f.Name)
		switch {
		case ok:
			known++
			c.under(inputStep{name: f.Name}, f.Type, given)
		case f.Type.NonNull:
			c.fail("field %q of type %s is required", f.Name, f.Type)
		}
	}
	if known < v.size() {
		c.failUnknown(def, v)
	}
	if def.Directives.ForName("oneOf") != nil {
		c.checkOneOf(def, v)
	}
}

func (c *checker) failUnknown(def *ast.Definition, v value) {
	if v.literal != nil {
		return // it has been validated
	}
	unknown := ""
	for n := range v.json.members(v.at) {
		if name := v.json.string(n); def.Fields.ForName(name) == nil && (unknown == "" || name < unknown) {
			unknown = name
		}
	}
	c.fail("%s has no field %s", def.Name, shortened(strconv.Quote(unknown)))
}

func (c *checker) checkOneOf(def *ast.Definition, v value) {
	if v.size() != 1 {
		c.fail("%s takes exactly one field, not %d", def.Name, v.size())
		return
	}
	for _, f := range def.Fields {
		if given, ok := v.field(f.Name); ok && given.isNull() {
			c.fail("field %q of %s cannot be null", f.Name, def.Name)
		}
	}
}
