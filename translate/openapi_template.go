package translate

import (
	"net/url"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// openPath is a path template in the form of OpenAPI, whose parameters are single
// wildcards: `/v1/{name=books/*}` is `/v1/books/{book}`.
type openPath struct {
	text  string // with the names of the parameters
	shape string // without: two paths of one shape are the same to OpenAPI
	slots []pathSlot
}

// pathSlot is a parameter of a path.
type pathSlot struct {
	name     string
	variable *boundVariable // nil for a wildcard that is bound to nothing
	whole    bool           // the parameter is all of its variable
	deep     bool           // it may contain slashes
}

// openTemplate expands the template of a route.
func openTemplate(r *route, form jsonForm, nouns collections) openPath {
	e := &templateExpansion{route: r, form: form, nouns: nouns}
	for i, s := range r.template.segments {
		if s.kind == literal {
			e.segments = append(e.segments, url.PathEscape(s.text))
			continue
		}
		e.slots = append(e.slots, e.slot(i, s))
		e.segments = append(e.segments, "")
	}
	return e.path()
}

type templateExpansion struct {
	route    *route
	form     jsonForm
	nouns    collections
	segments []string // escaped literals, and empty for parameters
	slots    []pathSlot
}

func (e *templateExpansion) path() openPath {
	var p openPath
	slot := 0
	for _, s := range e.segments {
		p.text += "/"
		p.shape += "/"
		if s == "" {
			p.text += "{" + e.slots[slot].name + "}"
			p.shape += "{}"
			slot++
			continue
		}
		p.text += s
		p.shape += s
	}
	if len(e.segments) == 0 {
		p.text, p.shape = "/", "/"
	}
	if verb := e.route.template.verb; verb != "" {
		verb = ":" + strings.ReplaceAll(url.PathEscape(verb), "%3A", ":")
		p.text += verb
		p.shape += verb
	}
	p.slots = e.slots
	return p
}

// slot makes the parameter for the wildcard at segment i.
func (e *templateExpansion) slot(i int, s segment) pathSlot {
	slot := pathSlot{deep: s.kind == deep}
	for j := range e.route.variables {
		if v := &e.route.variables[j]; v.from <= i && i < v.to {
			slot.variable = v
			slot.whole = v.to-v.from == 1
		}
	}
	slot.name = e.unused(e.slotName(i, slot))
	return slot
}

// slotName chooses a name: the field's where the parameter is all of it, else what
// one member of the collection before it is called.
func (e *templateExpansion) slotName(i int, slot pathSlot) string {
	if slot.variable == nil {
		return "wildcard"
	}
	fields := slot.variable.path.Fields()
	said := fieldWordsOf(fields[len(fields)-1]).pathParameter
	last := i == slot.variable.to-1
	switch {
	case said != "" && last && isParameterName(said):
		return said
	case slot.whole:
		return fieldPath(fields, e.form)
	case slot.deep || i == 0 || e.route.template.segments[i-1].kind != literal:
		return e.form.name(fields[len(fields)-1])
	default:
		return e.nouns.member(e.route.template.segments[i-1].text)
	}
}

// isParameterName reports whether a name can stand in a path between braces.
func isParameterName(s string) bool { return !strings.ContainsAny(s, "{}/?# ") }

func (e *templateExpansion) unused(name string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(e.slots, func(s pathSlot) bool { return s.name == name })
	}
	unique := name
	for n := 2; taken(unique); n++ {
		unique = name + strconv.Itoa(n)
	}
	return unique
}

// collections know what one member of a collection is called, from the patterns of
// google.api.resource: `books/{book}`.
type collections map[string]string

// member returns the name for one member of a collection.
func (c collections) member(collection string) string {
	if name := c[collection]; name != "" {
		return name
	}
	return singular(collection)
}

// singular is a guess for collections of which no resource pattern speaks.
func singular(noun string) string {
	switch {
	case strings.HasSuffix(noun, "ies") && len(noun) > 4:
		return strings.TrimSuffix(noun, "ies") + "y"
	case strings.HasSuffix(noun, "sses"), strings.HasSuffix(noun, "xes"), strings.HasSuffix(noun, "ches"), strings.HasSuffix(noun, "shes"):
		return strings.TrimSuffix(noun, "es")
	case strings.HasSuffix(noun, "s") && !strings.HasSuffix(noun, "ss") && len(noun) > 1:
		return strings.TrimSuffix(noun, "s")
	default:
		return noun + "Id"
	}
}

func collectionsOf(snap *schema.Snapshot) collections {
	c := make(collections)
	for _, b := range snap.Backends {
		b.Files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
			for _, r := range extensionOf[[]*annotations.ResourceDescriptor](fd, annotations.E_ResourceDefinition) {
				c.addPatterns(r)
			}
			c.addMessages(fd.Messages())
			return true
		})
	}
	return c
}

func (c collections) addMessages(messages protoreflect.MessageDescriptors) {
	for i := range messages.Len() {
		md := messages.Get(i)
		if proto.HasExtension(md.Options(), annotations.E_Resource) {
			c.addPatterns(extensionOf[*annotations.ResourceDescriptor](md, annotations.E_Resource))
		}
		c.addMessages(md.Messages())
	}
}

// addPatterns notes the `books/{book}` in each pattern. Files come in no order: of
// two names the lesser one is kept.
func (c collections) addPatterns(r *annotations.ResourceDescriptor) {
	for _, pattern := range r.GetPattern() {
		before := ""
		for s := range strings.SplitSeq(pattern, "/") {
			name, isName := strings.CutPrefix(s, "{")
			name, closed := strings.CutSuffix(name, "}")
			if isName && closed && before != "" && isParameterName(name) && (c[before] == "" || name < c[before]) {
				c[before] = name
			}
			before = ""
			if !strings.Contains(s, "{") {
				before = s
			}
		}
	}
}
