package graph

import (
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// printSchema writes a schema. It defines @oneOf if a type has it: tools that read it may be older than that directive.
// All tools know the others.
func printSchema(s *ast.Schema) string {
	p := &printer{}
	p.defineOneOf(s)
	p.definition(s.Query)
	p.types(s)
	return p.String()
}

// printer writes type definitions.
type printer struct {
	strings.Builder
	subgraph *subgraph // whose directives are written too; may be nil
}

// defineOneOf writes the definition of @oneOf if a type has that directive.
func (p *printer) defineOneOf(s *ast.Schema) {
	for _, def := range s.Types {
		if !def.BuiltIn && def.Directives.ForName("oneOf") != nil {
			p.separate()
			p.write("directive @oneOf on INPUT_OBJECT\n")
			return
		}
	}
}

// separate writes an empty line unless nothing is written yet.
func (p *printer) separate() {
	if p.Len() > 0 {
		p.write("\n")
	}
}

// types writes the root types but Query, and then the others in order of their names.
func (p *printer) types(s *ast.Schema) {
	for _, root := range []*ast.Definition{s.Mutation, s.Subscription} {
		if root != nil {
			p.definition(root)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.Types)) {
		def := s.Types[name]
		root := def == s.Query || def == s.Mutation || def == s.Subscription
		if !def.BuiltIn && !root && (p.subgraph == nil || !ofSubgraph(name)) {
			p.definition(def)
		}
	}
}

func (p *printer) write(parts ...string) {
	for _, part := range parts {
		p.WriteString(part)
	}
}

var keywords = map[ast.DefinitionKind]string{
	ast.Scalar:      "scalar",
	ast.Object:      "type",
	ast.Enum:        "enum",
	ast.InputObject: "input",
	ast.Interface:   "interface",
	ast.Union:       "union",
}

func (p *printer) definition(def *ast.Definition) {
	p.separate()
	p.description(def.Description, "")
	p.write(keywords[def.Kind], " ", def.Name)
	if len(def.Interfaces) > 0 {
		p.write(" implements ", strings.Join(def.Interfaces, " & "))
	}
	p.directives(def.Directives)
	p.applied(def.Name, "")
	switch def.Kind {
	case ast.Scalar:
		p.write("\n")
	case ast.Union:
		p.write(" = ", strings.Join(def.Types, " | "), "\n")
	default:
		p.members(def)
	}
}

// members writes the fields or values of a type.
func (p *printer) members(def *ast.Definition) {
	p.write(" {\n")
	for _, f := range def.Fields {
		if !strings.HasPrefix(f.Name, "__") && (p.subgraph == nil || !ofSubgraph(f.Name)) {
			p.field(def.Name, f)
		}
	}
	for _, v := range def.EnumValues {
		p.description(v.Description, "  ")
		p.write("  ", v.Name)
		p.directives(v.Directives)
		p.write("\n")
	}
	p.write("}\n")
}

func (p *printer) field(typeName string, f *ast.FieldDefinition) {
	p.description(f.Description, "  ")
	p.write("  ", f.Name)
	p.arguments(f.Arguments)
	p.write(": ", f.Type.String())
	p.directives(f.Directives)
	p.applied(typeName, f.Name)
	p.write("\n")
}

// arguments writes the arguments on one line, or one a line where one has a description.
func (p *printer) arguments(list ast.ArgumentDefinitionList) {
	if len(list) == 0 {
		return
	}
	described := slices.ContainsFunc(list, func(a *ast.ArgumentDefinition) bool { return a.Description != "" })
	p.write("(")
	for i, a := range list {
		switch {
		case described:
			p.write("\n")
			p.description(a.Description, "    ")
			p.write("    ")
		case i > 0:
			p.write(", ")
		}
		p.write(a.Name, ": ", a.Type.String())
		p.directives(a.Directives)
	}
	if described {
		p.write("\n  ")
	}
	p.write(")")
}

func (p *printer) directives(list ast.DirectiveList) {
	for _, d := range list {
		p.write(" @", d.Name)
		for i, a := range d.Arguments {
			p.write([]string{"(", ", "}[min(i, 1)], a.Name, ": ", a.Value.String())
		}
		if len(d.Arguments) > 0 {
			p.write(")")
		}
	}
}

// description writes a block string: on one line where it has one.
func (p *printer) description(text, indent string) {
	if text == "" {
		return
	}
	text = strings.ReplaceAll(text, `"""`, `\"""`)
	oneLine := !strings.Contains(text, "\n") && !strings.HasSuffix(text, `"`) && !strings.HasSuffix(text, `\`)
	if oneLine {
		p.write(indent, `"""`, text, `"""`, "\n")
		return
	}
	p.write(indent, `"""`, "\n")
	for line := range strings.SplitSeq(text, "\n") {
		if line != "" {
			p.write(indent, line)
		}
		p.write("\n")
	}
	p.write(indent, `"""`, "\n")
}
