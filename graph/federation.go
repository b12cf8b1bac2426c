package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// What Apollo Federation 2 asks of a subgraph (its subgraph specification).

const (
	serviceField  = "_service"
	serviceType   = "_Service"
	entitiesField = "_entities"
	entityType    = "_Entity"
	anyType       = "_Any"
)

// federationDirectives are the directives of Federation, each with the minor version that brought it.
var federationDirectives = map[string]int{
	"key": 0, "requires": 0, "provides": 0, "external": 0, "tag": 0, "extends": 0,
	"shareable": 0, "inaccessible": 0, "override": 0,
	"composeDirective": 1, "interfaceObject": 3, "authenticated": 5, "requiresScopes": 5,
	"policy": 6, "context": 8, "fromContext": 8, "cost": 9, "listSize": 9,
}

// subgraph is what those who compose a supergraph are told beyond the schema.
type subgraph struct {
	directives  []string            // of the schema
	definitions []string            // of directives
	applied     map[string][]string // directives by type, or by type and field with a dot between
	used        map[string]bool     // names of directives
}

func newSubgraph() *subgraph {
	return &subgraph{applied: make(map[string][]string), used: make(map[string]bool)}
}

// apply notes a directive, once.
func (s *subgraph) apply(to, text, name string) {
	s.used[name] = true
	if !slices.Contains(s.applied[to], text) {
		s.applied[to] = append(s.applied[to], text)
	}
}

func (s *subgraph) has(to, name string) bool {
	return slices.ContainsFunc(s.applied[to], func(text string) bool {
		rest, ok := strings.CutPrefix(text, "@"+name)
		return ok && (rest == "" || !validName(rest[:1]))
	})
}

// annotate puts the directives of an option on a type, or on its field.
func (b *builder) annotate(d protoreflect.Descriptor, typeName, field string, texts []string) {
	if b.subgraph == nil {
		return
	}
	to := typeName
	if field != "" {
		to += "." + field
	}
	for _, text := range texts {
		names, err := directiveNames(text)
		if err != nil {
			b.refuse(d, "the directives %q cannot be read: %s", text, asError(err).Message)
			continue
		}
		for _, name := range names {
			b.subgraph.apply(to, strings.TrimSpace(text), name)
		}
	}
}

// directiveNames reads applied directives, such as `@tag(name: "a") @shareable`.
func directiveNames(text string) ([]string, error) {
	doc, err := parser.ParseSchema(&ast.Source{Input: "scalar X " + text})
	if err != nil {
		return nil, err
	}
	if len(doc.Definitions) != 1 || len(doc.Definitions[0].Directives) == 0 || strings.Contains(text, "#") {
		return nil, gqlerror.Errorf("expected @name or @name(argument: value)")
	}
	var names []string
	for _, d := range doc.Definitions[0].Directives {
		names = append(names, d.Name)
	}
	return names, nil
}

// buildSubgraph adds what a subgraph has: its own types, and the directives of all others.
func (b *builder) buildSubgraph() {
	if b.subgraph == nil {
		return
	}
	b.readFileOptions()
	b.annotateShapes()
	b.addKeys()
	b.define(&ast.Definition{
		Kind: ast.Object, Name: serviceType,
		Description: "What this subgraph tells those who compose a supergraph.",
		Fields:      ast.FieldList{{Name: "sdl", Type: ast.NonNullNamedType("String", nil)}},
	})
	if len(b.entityOrder) > 0 {
		b.define(&ast.Definition{Kind: ast.Scalar, Name: anyType, Description: "An object with a __typename and the fields of a key."})
		b.define(&ast.Definition{Kind: ast.Union, Name: entityType, Types: slices.Sorted(slices.Values(b.entityOrder))})
	}
}

// readFileOptions takes in what files say of the schema.
func (b *builder) readFileOptions() {
	for _, backend := range b.snap.Backends {
		if b.omitted[backend] {
			continue
		}
		b.backend = backend.Name
		var files []protoreflect.FileDescriptor
		backend.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
			files = append(files, f)
			return true
		})
		slices.SortFunc(files, func(x, y protoreflect.FileDescriptor) int { return strings.Compare(x.Path(), y.Path()) })
		for _, f := range files {
			b.readFile(f)
		}
	}
	b.backend = ""
}

func (b *builder) readFile(f protoreflect.FileDescriptor) {
	o, _ := proto.GetExtension(f.Options(), optionsv1.E_File).(*optionsv1.FileOptions)
	for _, text := range o.GetGraphqlSchemaDirectives() {
		names, err := directiveNames(text)
		if err != nil {
			b.refuse(f, "graphql_schema_directives: %q cannot be read: %s", text, asError(err).Message)
			continue
		}
		for _, name := range names {
			b.subgraph.used[name] = true
		}
		b.subgraph.directives = appendNew(b.subgraph.directives, text)
	}
	for _, text := range o.GetGraphqlDirectiveDefinitions() {
		doc, err := parser.ParseSchema(&ast.Source{Input: text})
		if err != nil || len(doc.Directives) != 1 || len(doc.Definitions)+len(doc.Extensions)+len(doc.Schema) > 0 {
			b.refuse(f, "graphql_directive_definitions: %q is not the definition of a directive", text)
			continue
		}
		b.subgraph.definitions = appendNew(b.subgraph.definitions, text)
	}
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// annotateShapes puts the directives of options on types and fields.
func (b *builder) annotateShapes() {
	for _, s := range b.ordered {
		b.backend = s.backend
		md := s.message.Descriptor()
		if !md.IsMapEntry() {
			b.annotate(md, s.definition.Name, "", messageOptions(md).GetDirectives())
		}
		for _, f := range s.message.Fields() {
			fd := f.Descriptor()
			if s.fields[f.JSONName()] != nil && s.fields[f.JSONName()].selection.Field == f {
				b.annotate(fd, s.definition.Name, f.JSONName(), fieldOptions(fd).GetDirectives())
			}
		}
	}
	for _, o := range operations {
		for _, r := range b.rootOrder[o.ast] {
			b.backend = r.method.Service.Backend.Name
			b.annotate(r.method.Descriptor, o.name, r.definition.Name, r.method.Options.GetGraphql().GetDirectives())
		}
	}
	b.backend = ""
}

// addKeys says of each object type that it is an entity, with its keys, or that other subgraphs may
// have it too.
func (b *builder) addKeys() {
	for _, name := range b.entityOrder {
		for _, e := range b.entities[name] {
			b.subgraph.apply(name, fmt.Sprintf("@key(fields: %q)", e.fields), "key")
		}
	}
	b.shareNodes()
	for _, def := range b.order {
		if def.Kind != ast.Object || b.subgraph.has(def.Name, "key") || b.subgraph.has(def.Name, "shareable") {
			continue
		}
		b.subgraph.apply(def.Name, "@shareable", "shareable")
	}
}

// shareNodes lets other gateways have `node` and the ids of nodes too. An id is the same in all of them.
func (b *builder) shareNodes() {
	if len(b.nodes) == 0 {
		return
	}
	b.subgraph.apply("Query."+nodeField, "@shareable", "shareable")
	for name := range b.nodes {
		b.subgraph.apply(name+"."+idField, "@shareable", "shareable")
	}
}

// subgraphRoots are the fields that Query has in a subgraph.
func (b *builder) subgraphRoots() ast.FieldList {
	if b.subgraph == nil {
		return nil
	}
	fields := ast.FieldList{{Name: serviceField, Type: ast.NonNullNamedType(serviceType, nil)}}
	if len(b.entityOrder) == 0 {
		return fields
	}
	return append(fields, &ast.FieldDefinition{
		Name: entitiesField,
		Arguments: ast.ArgumentDefinitionList{{
			Name: "representations", Type: ast.NonNullListType(ast.NonNullNamedType(anyType, nil), nil),
		}},
		Type: ast.NonNullListType(ast.NamedType(entityType, nil), nil),
	})
}
