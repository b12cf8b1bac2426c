package translate

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// maxOpenParameters bounds the query parameters that are described for one operation.
const maxOpenParameters = 256

// maxOpenVisits bounds the fields that are looked at for them: messages within
// messages can be more than anyone could read.
const maxOpenVisits = 2 << 10

// parameters describes what stands in the path and in the query.
type parameters struct {
	route   *route
	form    jsonForm
	schemas *schemas
	masks   *object // of the document
	depth   int     // of the fields that are described; 1: those of the request alone
	list    []any
	named   map[string]bool // of the query; fields may have the same JSON name
	queries int
	visits  int // of fields, to whatever end
	// recursive and more say why not every parameter is described.
	recursive, more bool
}

// addPath describes the parameters of a path, under the names that its path item has.
func (p *parameters) addPath(slots []pathSlot, names []string) {
	for i, slot := range slots {
		o := newObject(member{"name", names[i]}, member{"in", "path"})
		o.setText("description", p.slotDescription(slot, names[i]))
		o.set("required", true)
		o.set("schema", p.slotSchema(slot))
		p.list = append(p.list, o)
	}
}

func (p *parameters) slotSchema(slot pathSlot) *object {
	if slot.variable == nil || !slot.whole {
		return newObject(member{"type", "string"})
	}
	f := slot.variable.path.Field()
	return withoutNull(p.schemas.fieldValue(f, p.form))
}

// withoutNull takes null away from what a wrapper can be: text has no null.
func withoutNull(s *object) *object {
	if kinds, ok := s.get("type").([]any); ok && len(kinds) == 2 {
		s.set("type", kinds[0])
	}
	return s
}

func (p *parameters) slotDescription(slot pathSlot, name string) string {
	if slot.variable == nil {
		return "Any text."
	}
	field := "`" + fieldPath(slot.variable.path.Fields(), p.form) + "`"
	var notes []string
	switch {
	case !slot.whole:
		notes = append(notes, "Part of "+field+", which is `"+variablePattern(p.route.template, slot.variable)+"`.")
	case slot.name != name: // another operation gave the parameter its name
		notes = append(notes, "The field "+field+".")
	}
	if slot.deep {
		notes = append(notes, "It may contain slashes, which are not escaped.")
	}
	return paragraphs(fieldWordsOf(slot.variable.path.Field()).description, strings.Join(notes, " "))
}

// variablePattern writes the segments that a variable covers.
func variablePattern(t *template, v *boundVariable) string {
	var parts []string
	for _, s := range t.segments[v.from:v.to] {
		switch s.kind {
		case literal:
			parts = append(parts, s.text)
		case star:
			parts = append(parts, "*")
		default:
			parts = append(parts, "**")
		}
	}
	return strings.Join(parts, "/")
}

// fieldPath writes a path of fields as clients spell it.
func fieldPath(fields []*wire.Field, form jsonForm) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = form.name(f)
	}
	return strings.Join(names, ".")
}

// addQuery describes every field that may come from the query: those of query.go,
// less what only answers have.
func (p *parameters) addQuery() {
	if !p.route.wholeBody {
		p.addFields(p.route.method.Input, nil, true)
	}
}

func (p *parameters) addFields(m *wire.Message, outer []*wire.Field, required bool) {
	for _, f := range m.Fields() {
		if p.visits++; p.visits > maxOpenVisits {
			p.more = true
			return
		}
		path := append(outer[:len(outer):len(outer)], f)
		if p.comesFromElsewhere(path) || isOutputOnly(f) {
			continue
		}
		inner := f.Message()
		switch {
		case inner == nil || f.IsMap() || hasTextForm(inner):
			p.addField(f, path, required && isRequired(f))
		case f.IsList() || inner.HasOwnForm(): // no text stands for a list of messages
		case contains(outer, inner) || inner == p.route.method.Input:
			p.recursive = true
		case len(path) >= p.depth:
			p.more = true
		default:
			p.addFields(inner, path, required && isRequired(f))
		}
	}
}

// comesFromElsewhere reports whether the path or the body has all of a field, or another field of its oneof: what
// [route.bound] rejects.
func (p *parameters) comesFromElsewhere(path []*wire.Field) bool {
	set := choices(path)
	has := func(other []*wire.Field) bool { return startsWith(path, other) || rivals(set, choices(other)) }
	for _, v := range p.route.variables {
		if has(v.path.Fields()) {
			return true
		}
	}
	return p.route.body != nil && has(p.route.body.Fields())
}

// readable reports whether a parameter of the name of a field sets that field. It does not if the path or the body sets a part
// of it, or if the name stands for another field, whose json_name has dots.
func (p *parameters) readable(path []*wire.Field) bool {
	for _, v := range p.route.variables {
		if startsWith(v.path.Fields(), path) {
			return false
		}
	}
	if p.route.body != nil && startsWith(p.route.body.Fields(), path) {
		return false
	}
	found, err := p.route.method.Input.Path(fieldPath(path, p.form))
	return err == nil && slices.Equal(found.Fields(), path)
}

func startsWith(path, prefix []*wire.Field) bool {
	return len(path) >= len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// contains reports whether one of the fields is of the message m.
func contains(fields []*wire.Field, m *wire.Message) bool {
	for _, f := range fields {
		if f.Message() == m {
			return true
		}
	}
	return false
}

// hasTextForm reports whether a message can be read from the text of a parameter.
func hasTextForm(m *wire.Message) bool {
	if !m.HasOwnForm() {
		return false
	}
	switch m.FullName() {
	case anyName, "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return false
	}
	return true
}

func (p *parameters) addField(f *wire.Field, path []*wire.Field, required bool) {
	if f.IsMap() && !isTextValue(f.Message().FieldByNumber(2)) || !p.readable(path) {
		return
	}
	name := fieldPath(path, p.form)
	if p.named[name] {
		return
	}
	if p.queries++; p.queries > maxOpenParameters {
		p.more = true
		return
	}
	if p.named == nil {
		p.named = make(map[string]bool)
	}
	p.named[name] = true
	words := fieldWordsOf(f)
	o := newObject(member{"name", name}, member{"in", "query"})
	o.setText("description", paragraphs(words.description, p.derived(f, path)))
	o.setTrue("required", required || len(path) == 1 && words.requires(f))
	o.setTrue("deprecated", words.deprecated)
	if f.IsMap() {
		o.set("style", "deepObject") // name[key]=value
		o.set("explode", true)
	}
	value := withoutNull(p.schemas.fieldValue(f, p.form))
	words.applyKeywords(value)
	value.setValue("default", jsonOrText(words.defaultValue))
	if example := jsonOrText(words.example); example != nil {
		value.set("examples", []any{example})
	}
	o.set("schema", value)
	p.list = append(p.list, o)
}

// derived says what a PATCH does without the field mask.
func (p *parameters) derived(f *wire.Field, path []*wire.Field) string {
	if mask := p.route.mask; mask == nil || mask.Field() != f || len(path) != len(mask.Fields()) {
		return ""
	}
	return "Where it is left out, the fields that the body has are changed."
}

// isTextValue reports whether the value of a map can be read from text.
func isTextValue(f *wire.Field) bool {
	if f.Kind() == protoreflect.MessageKind || f.Kind() == protoreflect.GroupKind {
		return hasTextForm(f.Message())
	}
	return true
}

// addMask refers to the parameter that chooses fields of the answer.
func (p *parameters) addMask() {
	a := p.route.answer
	if a.raw() || !a.messageField {
		return
	}
	name, spelled := "fields", "fields"
	if p.route.system["fields"] == nil { // the request has a field of that name
		name, spelled = "dollarFields", "$fields"
	}
	p.masks.set(name, maskParameter(spelled))
	p.list = append(p.list, reference("parameters", name))
}

// notes say what is not described one by one.
func (p *parameters) notes() []string {
	var notes []string
	if p.route.verb == anyMethod {
		notes = append(notes, "Any HTTP method is served here.")
	}
	if p.recursive {
		notes = append(notes, "Query parameters of messages within themselves can be as deep as wanted, such as `a.a.b`; "+
			"the first level is described.")
	}
	if p.more {
		notes = append(notes, "There are more query parameters than are described here: every field of the request is one.")
	}
	return notes
}
