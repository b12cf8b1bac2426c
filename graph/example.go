package graph

import (
	"context"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// The bounds of the example query.
const (
	exampleDepth      = 5 // objects within objects
	exampleLeaves     = 4 // scalars of one object
	exampleObjects    = 2 // objects of one object
	exampleCandidates = 200
	exampleElements   = "3" // of a list whose length an argument bounds
)

// exampleQuery returns a query that the caller of ctx can run, for GraphiQL to start with: the root field that reaches the
// most joins without required arguments, or else the first root field, with variables. It is empty if the caller may not
// introspect, or if nothing can be queried.
func (g *Graph) exampleQuery(ctx context.Context) string {
	if g.options.IntrospectionDisabled || g.options.MayIntrospect != nil && g.options.MayIntrospect(ctx) != nil {
		return ""
	}
	schema := g.shownTo(ctx)
	if schema.Query == nil {
		return ""
	}
	e := &exampleWriter{schema: schema.Schema, joined: make(map[string]bool, len(g.joined)), leading: make(map[leadingKey]bool)}
	for _, j := range g.joined {
		e.joined[j.typeName+"."+j.field] = true
	}
	best, most := "", -1
	for i, f := range schema.Query.Fields {
		if i == exampleCandidates {
			break
		}
		if strings.HasPrefix(f.Name, "_") || isDeprecated(f) || len(requiredArguments(f)) > 0 && (best != "" || i > 0) {
			continue
		}
		text, joins := e.query(f)
		if len(requiredArguments(f)) > 0 {
			joins = -1 // whatever runs as it is, is better
		}
		if best == "" || joins > most {
			best, most = text, joins
		}
	}
	return best
}

// exampleWriter writes one query at a time.
type exampleWriter struct {
	schema  *ast.Schema
	joined  map[string]bool // `Type.field`
	leading map[leadingKey]bool

	text  strings.Builder
	joins int
}

type leadingKey struct {
	typeName string
	depth    int
}

// query returns a query of one root field, and how many joins are in it.
func (e *exampleWriter) query(f *ast.FieldDefinition) (text string, joins int) {
	e.text.Reset()
	e.joins = 0
	e.text.WriteString("query Example")
	var arguments []string
	if required := requiredArguments(f); len(required) > 0 {
		var variables []string
		for _, a := range required {
			variables = append(variables, "$"+a.Name+": "+a.Type.String())
			arguments = append(arguments, a.Name+": $"+a.Name)
		}
		e.text.WriteString("(" + strings.Join(variables, ", ") + ")")
	}
	if a := lengthArgument(f); a != nil {
		arguments = append(arguments, a.Name+": "+exampleElements)
	}
	e.text.WriteString(" {\n  " + f.Name)
	if len(arguments) > 0 {
		e.text.WriteString("(" + strings.Join(arguments, ", ") + ")")
	}
	e.selection(e.schema.Types[f.Type.Name()], exampleDepth, "  ")
	e.text.WriteString("\n}\n")
	return e.text.String(), e.joins
}

// selection writes the selection of an object, and nothing for a scalar.
func (e *exampleWriter) selection(def *ast.Definition, depth int, indent string) {
	if def == nil || def.IsLeafType() {
		return
	}
	e.text.WriteString(" {")
	inner := indent + "  "
	selected := 0
	if def.Kind == ast.Object {
		for _, f := range e.leaves(def) {
			e.text.WriteString("\n" + inner + f.Name)
			selected++
		}
		for _, f := range e.objects(def, depth) {
			e.text.WriteString("\n" + inner + f.Name)
			if e.joined[def.Name+"."+f.Name] {
				e.joins++
			}
			e.selection(e.schema.Types[f.Type.Name()], depth-1, inner)
			selected++
		}
	}
	if selected == 0 {
		e.text.WriteString("\n" + inner + "__typename")
	}
	e.text.WriteString("\n" + indent + "}")
}

func (e *exampleWriter) leaves(def *ast.Definition) (fields []*ast.FieldDefinition) {
	for _, f := range def.Fields {
		if t := e.schema.Types[f.Type.Name()]; t != nil && t.IsLeafType() && plainField(f) && len(fields) < exampleLeaves {
			fields = append(fields, f)
		}
	}
	return fields
}

// objects returns the fields that are joins or lead to one, or else the first object.
func (e *exampleWriter) objects(def *ast.Definition, depth int) []*ast.FieldDefinition {
	var leading, others []*ast.FieldDefinition
	for _, f := range def.Fields {
		t := e.schema.Types[f.Type.Name()]
		switch {
		case depth <= 1 || t == nil || t.Kind != ast.Object || !plainField(f):
		case e.joined[def.Name+"."+f.Name] || e.leads(t, depth-1):
			leading = append(leading, f)
		default:
			others = append(others, f)
		}
	}
	if len(leading) == 0 {
		return others[:min(1, len(others))]
	}
	return leading[:min(exampleObjects, len(leading))]
}

// leads reports whether an object leads to a join within so many levels.
func (e *exampleWriter) leads(def *ast.Definition, depth int) bool {
	if depth <= 1 {
		return false
	}
	key := leadingKey{def.Name, depth}
	if known, ok := e.leading[key]; ok {
		return known
	}
	found := false
	for _, f := range def.Fields {
		if t := e.schema.Types[f.Type.Name()]; t != nil && t.Kind == ast.Object && plainField(f) &&
			(e.joined[def.Name+"."+f.Name] || e.leads(t, depth-1)) {
			found = true
			break
		}
	}
	e.leading[key] = found
	return found
}

// plainField reports whether a field can be selected as it is.
func plainField(f *ast.FieldDefinition) bool {
	return !strings.HasPrefix(f.Name, "_") && len(requiredArguments(f)) == 0 && !isDeprecated(f)
}

func isDeprecated(f *ast.FieldDefinition) bool { return f.Directives.ForName("deprecated") != nil }

func requiredArguments(f *ast.FieldDefinition) (required []*ast.ArgumentDefinition) {
	for _, a := range f.Arguments {
		if a.Type.NonNull && a.DefaultValue == nil {
			required = append(required, a)
		}
	}
	return required
}

// lengthArgument returns the optional argument that bounds how many elements a list has, or nil.
func lengthArgument(f *ast.FieldDefinition) *ast.ArgumentDefinition {
	for _, name := range []string{"first", "pageSize", "limit", "maxResults"} {
		a := f.Arguments.ForName(name)
		if a != nil && !a.Type.NonNull && (a.Type.NamedType == "Int" || a.Type.NamedType == "UInt32") {
			return a
		}
	}
	return nil
}
