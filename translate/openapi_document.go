package translate

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	v2 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	v3 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3/options"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// openBuilder builds one document. What was described is turned into JSON at once,
// so that the size is known at every step and nothing is kept twice.
type openBuilder struct {
	snap    *schema.Snapshot
	shown   func(*schema.Method) bool // nil: all are
	options OpenAPIOptions
	schemas *schemas
	schemes *object // of security
	tags    *openTags
	tagged  map[string]bool // tags that operations have
	nouns   collections

	items   []*pathItem // in the order of the snapshot
	byShape map[string]*pathItem
	ids     map[string]bool
	streams bool     // a method answers with a stream
	masks   *object  // parameters for field masks that are referred to
	omitted []string // routes that OpenAPI has no place for
	size    int      // of what was described so far, in bytes of JSON
}

// pathItem is what is served at one path.
type pathItem struct {
	path       openPath
	names      []string // of its parameters; every operation must use the same
	operations []byte   // members of a JSON object
	verbs      map[string]bool
}

// newOpenBuilder begins a document of the methods that are shown; nil: of all.
func newOpenBuilder(snap *schema.Snapshot, o OpenAPIOptions, shown func(*schema.Method) bool) *openBuilder {
	b := &openBuilder{
		snap:    snap,
		shown:   shown,
		options: o,
		schemas: newSchemas(),
		tags:    newOpenTags(),
		tagged:  make(map[string]bool),
		nouns:   collectionsOf(snap),
		masks:   newObject(),
		byShape: make(map[string]*pathItem),
		ids:     make(map[string]bool),
	}
	b.schemes = b.securitySchemes()
	return b
}

// document builds the whole.
func (b *openBuilder) document(rest *REST) ([]byte, error) {
	if err := b.addRoutes(rest); err != nil {
		return nil, err
	}
	schemas, err := b.componentSchemas()
	if err != nil {
		return nil, err
	}
	doc := make([]byte, 0, b.size+b.size/8)
	doc = append(doc, `{"openapi":"3.1.0","info":`...)
	doc = appendObject(doc, b.info())
	doc = append(doc, `,"servers":[{"url":"/"}],"tags":`...)
	doc = appendValue(doc, b.tagList())
	doc = b.appendPaths(append(doc, `,"paths":`...))
	doc = append(doc, `,"components":{"schemas":`...)
	doc = appendRaw(doc, schemas)
	doc = append(doc, `,"responses":`...)
	doc = appendObject(doc, newObject(member{"Error", errorResponse()}))
	doc = append(doc, `,"parameters":`...)
	doc = appendObject(doc, b.masks)
	if len(b.schemes.members) > 0 {
		doc = appendObject(append(doc, `,"securitySchemes":`...), b.schemes)
	}
	doc = append(doc, '}')
	doc = b.appendRest(doc)
	return append(doc, "}\n"...), nil
}

// add counts bytes of the document, and refuses one that would be too large.
func (b *openBuilder) add(size int) error {
	if b.size += size; b.size > b.options.MaxBytes {
		return fmt.Errorf("the OpenAPI document of %d methods is larger than the limit of %d bytes",
			b.countShown(), b.options.MaxBytes)
	}
	return nil
}

func (b *openBuilder) shows(m *schema.Method) bool { return b.shown == nil || b.shown(m) }

func (b *openBuilder) countShown() (n int) {
	for _, m := range b.snap.Methods {
		if b.shows(m) {
			n++
		}
	}
	return n
}

// addRoutes describes every route, method after method.
func (b *openBuilder) addRoutes(rest *REST) error {
	routes := make(map[*schema.Method][]*route)
	for _, r := range rest.Routes() {
		routes[r.Method] = append(routes[r.Method], r.route)
	}
	for _, s := range b.snap.Services {
		for _, m := range s.Methods {
			if !b.shows(m) {
				continue
			}
			if err := b.addMethod(routes[m]); err != nil {
				return err
			}
		}
	}
	return nil
}

// addMethod describes the bindings among the routes of a method, and its default mapping where it has
// none or that is asked for.
func (b *openBuilder) addMethod(routes []*route) error {
	bound := slices.DeleteFunc(slices.Clone(routes), isDefault)
	for i, r := range bound {
		if err := b.addRoute(r, i); err != nil {
			return err
		}
	}
	if len(bound) > 0 && !b.options.AllMethods {
		return nil
	}
	for _, r := range routes {
		if isDefault(r) {
			return b.addRoute(r, len(bound))
		}
	}
	return nil
}

// isDefault reports whether a route is the default mapping of its method.
func isDefault(r *route) bool { return r.binding.Template == r.method.Path && r.verb == "POST" }

// openVerbs are the HTTP methods that OpenAPI 3.1 has a place for.
var openVerbs = map[string]bool{
	"GET": true, "PUT": true, "POST": true, "DELETE": true, "OPTIONS": true, "HEAD": true, "PATCH": true, "TRACE": true,
}

// addRoute describes a route; number counts those of its method.
func (b *openBuilder) addRoute(r *route, number int) error {
	verb := r.verb
	if verb == anyMethod { // described as what it most likely is called with
		verb = "GET"
		if r.wholeBody || r.body != nil {
			verb = "POST"
		}
	}
	path := openTemplate(r, formOf(r), b.nouns)
	item := b.byShape[path.shape]
	if !openVerbs[verb] || item != nil && item.verbs[verb] {
		b.omitted = append(b.omitted, r.verb+" "+r.binding.Template)
		return nil
	}
	if item == nil {
		item = b.newItem(path)
	}
	item.verbs[verb] = true
	start := len(item.operations)
	if start > 0 {
		item.operations = append(item.operations, ',')
	}
	item.operations = append(appendText(item.operations, strings.ToLower(verb)), ':')
	item.operations = appendObject(item.operations, b.operation(r, b.operationID(r, number), path, item.names))
	return b.add(len(item.operations) - start)
}

func (b *openBuilder) newItem(path openPath) *pathItem {
	item := &pathItem{path: path, verbs: make(map[string]bool)}
	for _, s := range path.slots {
		item.names = append(item.names, s.name)
	}
	b.items = append(b.items, item)
	b.byShape[path.shape] = item
	return item
}

// operationID names an operation: CatalogService_GetBook, with a number for what comes
// after the first binding, and with the package for a service whose name another has already.
func (b *openBuilder) operationID(r *route, number int) string {
	m := r.method
	method := string(m.Descriptor.Name())
	id := string(m.Service.Descriptor.Name()) + "_" + method
	if said := operationWordsOf(r).id; said != "" {
		id = said
	}
	suffix := ""
	if number > 0 {
		suffix = strconv.Itoa(number + 1)
	}
	if b.ids[id+suffix] {
		id = strings.ReplaceAll(m.Service.FullName(), ".", "_") + "_" + method
	}
	unique := id + suffix
	for n := number + 2; b.ids[unique]; n++ {
		unique = id + strconv.Itoa(n)
	}
	b.ids[unique] = true
	return unique
}

func (b *openBuilder) appendPaths(dst []byte) []byte {
	dst = append(dst, '{')
	for i, item := range b.items {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, item.path.text), ':', '{')
		dst = append(append(dst, item.operations...), '}')
	}
	return append(dst, '}')
}

// componentSchemas describes every type that was referred to, by name.
func (b *openBuilder) componentSchemas() (map[string][]byte, error) {
	all := make(map[string][]byte)
	fixed := fixedSchemas()
	if b.streams {
		fixed = append(fixed, streamSchemas()...)
	}
	for _, m := range fixed {
		all[m.name] = appendValue(nil, m.value)
	}
	for {
		name, schema, ok := b.schemas.next()
		if !ok {
			return all, nil
		}
		text := appendObject(nil, schema)
		if err := b.add(len(name) + len(text)); err != nil {
			return nil, err
		}
		all[name] = text
	}
}

// appendRaw appends an object of members that are JSON already, in the order of their names.
func appendRaw(dst []byte, members map[string][]byte) []byte {
	dst = append(dst, '{')
	for i, name := range slices.Sorted(maps.Keys(members)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, name), ':')
		dst = append(dst, members[name]...)
	}
	return append(dst, '}')
}

// appendRest appends what stands at the end: links, extensions, and the routes that
// OpenAPI cannot express, so that nobody takes the document for all there is.
func (b *openBuilder) appendRest(dst []byte) []byte {
	o := newObject()
	b.eachFile(func(_ protoreflect.FileDescriptor, old *v2.Swagger, recent *v3.Document) {
		if o.get("externalDocs") == nil {
			o.setObject("externalDocs", docsObject(old.GetExternalDocs()))
		}
		if recent.GetExternalDocs().GetUrl() != "" {
			o.setObject("externalDocs", docsObject(recent.GetExternalDocs()))
		}
		setExtensions(o, old.GetExtensions())
		setExtensions(o, recent.GetExtensions())
	})
	o.setList("x-protean-omitted", texts(b.omitted))
	for _, m := range o.members {
		dst = append(appendText(append(dst, ','), m.name), ':')
		dst = appendValue(dst, m.value)
	}
	return dst
}

// findMessage finds a message that an option names by its full name, or nil.
func (b *openBuilder) findMessage(name string) *wire.Message {
	if name == "" {
		return nil
	}
	return b.snap.FindMessage(protoreflect.FullName(name))
}

// eachFile visits the files that declare the services of which something is shown, once each, in the order of the
// snapshot, with what they say about the document.
func (b *openBuilder) eachFile(visit func(protoreflect.FileDescriptor, *v2.Swagger, *v3.Document)) {
	seen := make(map[protoreflect.FileDescriptor]bool)
	for _, s := range b.snap.Services {
		if b.shown != nil && !slices.ContainsFunc(s.Methods, b.shown) {
			continue
		}
		fd := s.Descriptor.ParentFile()
		if !seen[fd] {
			seen[fd] = true
			visit(fd, extensionOf[*v2.Swagger](fd, v2.E_Openapiv2Swagger), extensionOf[*v3.Document](fd, v3.E_Openapiv3Document))
		}
	}
}
