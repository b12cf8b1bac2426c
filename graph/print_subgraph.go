package graph

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// defaultFederation is the minor version of Federation 2 that a subgraph links to where no
// directive asks for a later one.
const defaultFederation = 3

// printSubgraph writes a schema for those who compose a supergraph.
func printSubgraph(s *ast.Schema, sub *subgraph) string {
	if sub == nil {
		return ""
	}
	p := &printer{subgraph: sub}
	p.link()
	p.defineOneOf(s)
	for _, text := range sub.definitions {
		p.write("\n", strings.TrimSpace(text), "\n")
	}
	if slices.ContainsFunc(s.Query.Fields, func(f *ast.FieldDefinition) bool { return !ofSubgraph(f.Name) }) {
		p.definition(s.Query)
	}
	p.types(s)
	return p.String()
}

// ofSubgraph reports whether a type or field belongs to every subgraph, and is not told.
func ofSubgraph(name string) bool {
	switch name {
	case serviceField, entitiesField, serviceType, entityType, anyType:
		return true
	}
	return strings.HasPrefix(name, "__")
}

// link writes which version of Federation the directives are those of.
func (p *printer) link() {
	version := defaultFederation
	var names []string
	for _, name := range slices.Sorted(maps.Keys(p.subgraph.used)) {
		if since, ok := federationDirectives[name]; ok {
			version = max(version, since)
			names = append(names, strconv.Quote("@"+name))
		}
	}
	p.write(`extend schema @link(url: "https://specs.apollo.dev/federation/v2.`, strconv.Itoa(version),
		`", import: [`, strings.Join(names, ", "), "])")
	for _, text := range p.subgraph.directives {
		p.write(" ", strings.TrimSpace(text))
	}
	p.write("\n")
}

// applied writes the directives of a type, or of its field.
func (p *printer) applied(typeName, field string) {
	if p.subgraph == nil {
		return
	}
	if field != "" {
		typeName += "." + field
	}
	for _, text := range p.subgraph.applied[typeName] {
		p.write(" ", text)
	}
}
