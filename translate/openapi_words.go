package translate

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	v2 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	v3 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3/options"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/protean-gateway/protean/wire"
)

// What users of grpc-gateway wrote into their files for the documents of its two
// generators, protoc-gen-openapiv2 and -v3, holds here too. The newer options go before
// the older, and both before comments. Left out is what the gateway knows better: servers,
// hosts and media types, the JSON type of a field, and the responses' schemas.

// schemaWords are what is said about a message or a field.
type schemaWords struct {
	title, description string
	example            string
	defaultValue       string
	docs               *object
	deprecated         bool
	readOnly           bool
	required           []string
	extensions         map[string]*structpb.Value
	keywords           *v2.JSONSchema
	pathParameter      string
}

func messageWordsOf(m *wire.Message) schemaWords {
	md := m.Descriptor()
	old, _ := proto.GetExtension(md.Options(), v2.E_Openapiv2Schema).(*v2.Schema)
	w := schemaWordsOf(md, old.GetJsonSchema(), extensionOf[*v3.Schema](md, v3.E_Openapiv3Schema))
	if old.GetExample() != "" {
		w.example = old.GetExample()
	}
	w.readOnly = w.readOnly || old.GetReadOnly()
	w.docs = docsObject(old.GetExternalDocs())
	w.description = paragraphs(append([]string{w.description}, oneofNotes(m)...)...)
	w.keywords = nil // of an object, only the number of its members would make sense
	return w
}

func fieldWordsOf(f *wire.Field) schemaWords {
	fd := f.Descriptor()
	old := extensionOf[*v2.JSONSchema](fd, v2.E_Openapiv2Field)
	w := schemaWordsOf(fd, old, extensionOf[*v3.Schema](fd, v3.E_Openapiv3Field))
	w.deprecated = w.deprecated || old.GetFieldConfiguration().GetDeprecated()
	w.pathParameter = old.GetFieldConfiguration().GetPathParamName()
	return w
}

// extensionOf returns an option of a declaration, or its zero value.
func extensionOf[T any](d protoreflect.Descriptor, of protoreflect.ExtensionType) T {
	value, _ := proto.GetExtension(d.Options(), of).(T)
	return value
}

func schemaWordsOf(d protoreflect.Descriptor, old *v2.JSONSchema, recent *v3.Schema) schemaWords {
	w := schemaWords{
		title:        firstText(recent.GetTitle(), old.GetTitle()),
		description:  firstText(recent.GetDescription(), old.GetDescription(), commentOf(d)),
		example:      old.GetExample(),
		defaultValue: old.GetDefault(),
		deprecated:   isDeprecated(d) || recent.GetDeprecated(),
		readOnly:     old.GetReadOnly(),
		required:     old.GetRequired(),
		extensions:   maps.Clone(old.GetExtensions()),
		keywords:     old,
	}
	if w.extensions == nil {
		w.extensions = make(map[string]*structpb.Value)
	}
	maps.Copy(w.extensions, recent.GetExtensions())
	return w
}

func firstText(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

// requires reports whether the words of a message, or of the field itself, name a
// field among those that must be there.
func (w schemaWords) requires(f *wire.Field) bool {
	names := func(list []string) bool {
		return slices.Contains(list, string(f.Descriptor().Name())) || slices.Contains(list, f.JSONName())
	}
	return names(w.required) || names(fieldWordsOf(f).required)
}

// apply adds the words to a schema.
func (w schemaWords) apply(schema *object) {
	schema.setText("title", w.title)
	schema.setText("description", w.description)
	w.applyKeywords(schema)
	schema.setValue("default", jsonOrText(w.defaultValue))
	if example := jsonOrText(w.example); example != nil {
		schema.set("examples", []any{example})
	}
	schema.setTrue("deprecated", w.deprecated)
	schema.setTrue("readOnly", w.readOnly)
	schema.setObject("externalDocs", w.docs)
	setExtensions(schema, w.extensions)
}

// applyKeywords adds the keywords of an openapiv2_field. Those about values belong to
// the elements of a list.
func (w schemaWords) applyKeywords(schema *object) {
	k := w.keywords
	if k == nil {
		return
	}
	setCount(schema, "minItems", k.GetMinItems())
	setCount(schema, "maxItems", k.GetMaxItems())
	setCount(schema, "minProperties", k.GetMinProperties())
	setCount(schema, "maxProperties", k.GetMaxProperties())
	schema.setTrue("uniqueItems", k.GetUniqueItems())
	if items, ok := schema.get("items").(*object); ok {
		schema = items
	}
	schema.setText("format", k.GetFormat())
	if p, ok := ecmaPattern(k.GetPattern()); ok {
		schema.setText("pattern", p)
	}
	setCount(schema, "minLength", k.GetMinLength())
	setCount(schema, "maxLength", k.GetMaxLength())
	setBound(schema, "minimum", "exclusiveMinimum", k.GetMinimum(), k.GetExclusiveMinimum())
	setBound(schema, "maximum", "exclusiveMaximum", k.GetMaximum(), k.GetExclusiveMaximum())
	setBound(schema, "multipleOf", "", k.GetMultipleOf(), false)
	if len(k.GetEnum()) > 0 && schema.get("$ref") == nil {
		schema.set("enum", texts(k.GetEnum()))
	}
}

func setCount(schema *object, keyword string, n uint64) {
	if n > 0 {
		schema.set(keyword, count(n))
	}
}

// setBound adds a bound. Zero is said only by being exclusive: nothing else tells
// it from no bound.
func setBound(schema *object, keyword, exclusive string, n float64, isExclusive bool) {
	text := floatText(n, 64)
	switch {
	case text == "":
	case isExclusive:
		schema.set(exclusive, json.RawMessage(text))
	case n != 0:
		schema.set(keyword, json.RawMessage(text))
	}
}

// jsonOrText returns what a user wrote as JSON, or as a string where it is none.
func jsonOrText(text string) any {
	switch {
	case text == "":
		return nil
	case json.Valid([]byte(text)):
		return compacted(text)
	default:
		return strings.ToValidUTF8(text, "�")
	}
}

func setExtensions(o *object, extensions map[string]*structpb.Value) {
	for _, name := range slices.Sorted(maps.Keys(extensions)) {
		if text, err := json.Marshal(extensions[name].AsInterface()); err == nil && strings.HasPrefix(name, "x-") {
			o.set(name, json.RawMessage(text))
		}
	}
}

func applyEnumWords(schema *object, ed protoreflect.EnumDescriptor) {
	w := extensionOf[*v2.EnumSchema](ed, v2.E_Openapiv2Enum)
	schema.setText("title", w.GetTitle())
	schema.setText("description", w.GetDescription())
	schema.setValue("default", jsonOrText(w.GetDefault()))
	if example := jsonOrText(w.GetExample()); example != nil {
		schema.set("examples", []any{example})
	}
	schema.setObject("externalDocs", docsObject(w.GetExternalDocs()))
	setExtensions(schema, w.GetExtensions())
}

// docsLink is a link in the options of either generator.
type docsLink interface {
	GetDescription() string
	GetUrl() string
}

func docsObject(d docsLink) *object {
	o := newObject()
	if d.GetUrl() != "" {
		o.set("url", d.GetUrl())
		o.setText("description", d.GetDescription())
	}
	return o
}
