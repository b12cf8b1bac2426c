package translate

import (
	"maps"
	"slices"
	"strings"

	v2 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	v3 "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3/options"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/protean-gateway/protean/wire"
)

// operationWords are what is said about a method.
type operationWords struct {
	id, summary, description string
	tags                     []string
	deprecated               bool
	docs                     *object
	extensions               map[string]*structpb.Value
	headers                  []*v2.HeaderParameter
	responses                map[string]*v2.Response
	security                 []any // requirements; nil: nothing is said
}

func operationWordsOf(r *route) operationWords {
	md := r.method.Descriptor
	old := extensionOf[*v2.Operation](md, v2.E_Openapiv2Operation)
	recent := extensionOf[*v3.Operation](md, v3.E_Openapiv3Operation)
	summary, description := splitSummary(commentOf(md))
	w := operationWords{
		id:          firstText(recent.GetOperationId(), old.GetOperationId()),
		summary:     firstText(recent.GetSummary(), old.GetSummary(), summary, inWords(string(md.Name()))),
		description: firstText(recent.GetDescription(), old.GetDescription(), description),
		tags:        recent.GetTags(),
		deprecated:  isDeprecated(md) || recent.GetDeprecated() || old.GetDeprecated(),
		docs:        docsObject(old.GetExternalDocs()),
		extensions:  maps.Clone(old.GetExtensions()),
		headers:     old.GetParameters().GetHeaders(),
		responses:   old.GetResponses(),
		security:    saidSecurity(md.ParentFile(), old, recent),
	}
	if len(w.tags) == 0 {
		w.tags = old.GetTags()
	}
	if recent.GetExternalDocs().GetUrl() != "" {
		w.docs = docsObject(recent.GetExternalDocs())
	}
	if w.extensions == nil {
		w.extensions = make(map[string]*structpb.Value)
	}
	maps.Copy(w.extensions, recent.GetExtensions())
	return w
}

// operation describes a route. Slots are the parameters of its path, under the
// names of the path item.
func (b *openBuilder) operation(r *route, id string, path openPath, names []string) *object {
	words := operationWordsOf(r)
	form := formOf(r)
	p := &parameters{route: r, form: form, schemas: b.schemas, masks: b.masks, depth: b.options.QueryDepth}
	p.addPath(path.slots, names)
	p.addQuery()
	p.addMask()
	p.addHeaders(words.headers)
	tags := words.tags
	if len(tags) == 0 {
		tags = []string{b.tags.of(r.method.Service)}
	}
	for _, tag := range tags {
		b.tagged[tag] = true
	}
	o := newObject(member{"operationId", id}, member{"tags", texts(tags)}, member{"summary", words.summary})
	o.setText("description", paragraphs(append([]string{words.description, streamNote(r)}, p.notes()...)...))
	o.setObject("externalDocs", words.docs)
	o.setList("parameters", p.list)
	o.setObject("requestBody", b.requestBody(r, form))
	o.set("responses", b.responses(r, form, words.responses))
	if security := b.security(r.method, words.security); security != nil {
		o.set("security", security)
	}
	o.setTrue("deprecated", words.deprecated)
	setExtensions(o, words.extensions)
	return o
}

func formOf(r *route) jsonForm {
	return jsonForm{protoNames: r.answer.options.ProtoNames, enumNumbers: r.answer.options.EnumNumbers}
}

// addHeaders describes the headers that openapiv2_operation names.
func (p *parameters) addHeaders(headers []*v2.HeaderParameter) {
	for _, h := range headers {
		if h.GetName() == "" {
			continue
		}
		kind := strings.ToLower(h.GetType().String())
		if h.GetType() == v2.HeaderParameter_UNKNOWN {
			kind = "string"
		}
		schema := newObject(member{"type", kind})
		schema.setText("format", h.GetFormat())
		o := newObject(member{"name", h.GetName()}, member{"in", "header"})
		o.setText("description", h.GetDescription())
		o.setTrue("required", h.GetRequired())
		o.set("schema", schema)
		p.list = append(p.list, o)
	}
}

// requestBody describes the body of a request, or returns nil where there is none.
func (b *openBuilder) requestBody(r *route, form jsonForm) *object {
	if !r.hasBody() || r.bodyRival() != nil {
		return nil
	}
	if r.rawBody {
		return bodyObject("Any content. Its type is what Content-Type says.", "*/*", binarySchema())
	}
	schema, required := b.bodySchema(r, form)
	contentType, description := typeJSON, ""
	if r.method.ClientStreams {
		contentType, description = typeNDJSON, "A message on each line."
	}
	o := bodyObject(description, contentType, schema)
	b.addUpload(o, r, form)
	o.setTrue("required", required)
	return o
}

// addUpload describes the body as a form with files, where it has a field for one.
func (b *openBuilder) addUpload(body *object, r *route, form jsonForm) {
	m := r.method.Input
	if r.body != nil {
		m = r.body.Field().Message()
	}
	if m == nil || m.HasOwnForm() || r.method.ClientStreams || r.body != nil && !isSingular(r.body.Field()) {
		return
	}
	schema := b.schemas.uploadSchema(m, form, objectShape{without: boundInBody(r), partial: r.mask != nil})
	if contents, ok := body.get("content").(*object); ok && schema != nil {
		contents.set(typeMultipart, newObject(member{"schema", schema}))
	}
}

func isSingular(f *wire.Field) bool { return !f.IsList() && !f.IsMap() }

func bodyObject(description, contentType string, schema *object) *object {
	o := newObject()
	o.setText("description", description)
	o.set("content", contentObject(contentType, schema))
	return o
}

func contentObject(contentType string, schema *object) *object {
	return newObject(member{contentType, newObject(member{"schema", schema})})
}

// binarySchema describes bytes that are no JSON.
func binarySchema() *object { return formatted("string", "binary") }

// bodySchema describes the body without what the path says, and whether there must be one.
func (b *openBuilder) bodySchema(r *route, form jsonForm) (schema *object, required bool) {
	shape := objectShape{without: boundInBody(r), partial: r.mask != nil}
	if r.wholeBody {
		return b.shaped(r.method.Input, form, shape, len(shape.without) > 0)
	}
	f := r.body.Field()
	required = isRequired(f)
	if f.Message() == nil || !isSingular(f) {
		return b.schemas.field(f, form), required
	}
	schema, inner := b.shaped(f.Message(), form, shape, excludesInBody(r))
	schema.setText("description", fieldWordsOf(f).description)
	return schema, required || inner
}

// shaped refers to the schema of a message, or writes it anew where it must differ.
// Required says whether one of the fields must be there.
func (b *openBuilder) shaped(m *wire.Message, form jsonForm, shape objectShape, differs bool) (schema *object, required bool) {
	if m.HasOwnForm() {
		return ownForm(m), false
	}
	whole := b.schemas.requiredOf(m, objectShape{})
	left := b.schemas.requiredOf(m, shape)
	if differs || whole != left || shape.losesInside() {
		return b.schemas.objectSchema(m, form, shape), left > 0
	}
	return b.schemas.message(m, form), left > 0
}

// boundInBody returns the fields within the body that are path variables, or that path variables exclude as members of one
// oneof, counted from the body's message.
func boundInBody(r *route) (bound [][]*wire.Field) {
	add := func(fields []*wire.Field) {
		switch {
		case r.wholeBody:
			bound = append(bound, fields)
		case startsWith(fields, r.body.Fields()) && len(fields) > len(r.body.Fields()):
			bound = append(bound, fields[len(r.body.Fields()):])
		}
	}
	for _, v := range r.variables {
		add(v.path.Fields())
		for _, rival := range v.rivals {
			add(rival.Fields())
		}
	}
	return bound
}

// excludesInBody reports whether a path variable excludes a field within the body. The variables themselves may stand in a body
// that is a field, such as the name of a resource: it can repeat them.
func excludesInBody(r *route) bool {
	for _, v := range r.variables {
		for _, rival := range v.rivals {
			if within(rival, r.body) {
				return true
			}
		}
	}
	return false
}

// responses describes the answers of a route: a success, and one shape of error.
func (b *openBuilder) responses(r *route, form jsonForm, said map[string]*v2.Response) *object {
	success := newObject(member{"description", firstText(successText(r), "Success.")},
		member{"content", b.answerContent(r, form)})
	o := newObject(member{"200", success})
	for _, code := range slices.Sorted(maps.Keys(said)) {
		if code == "200" && said[code].GetDescription() != "" {
			success.set("description", said[code].GetDescription())
		} else if isStatusCode(code) && code != "200" {
			o.set(code, b.saidResponse(said[code]))
		}
	}
	o.set("default", reference("responses", "Error"))
	return o
}

// saidResponse describes a response that openapiv2_operation names.
func (b *openBuilder) saidResponse(said *v2.Response) *object {
	o := newObject(member{"description", firstText(said.GetDescription(), "See the method.")})
	name := strings.TrimPrefix(said.GetSchema().GetJsonSchema().GetRef(), ".")
	if m := b.findMessage(name); m != nil {
		o.set("content", contentObject(typeJSON, b.schemas.message(m, jsonForm{})))
	}
	setExtensions(o, said.GetExtensions())
	return o
}

func isStatusCode(code string) bool {
	return len(code) == 3 && code[0] >= '1' && code[0] <= '5' &&
		(code[1:] == "XX" || strings.Trim(code[1:], "0123456789") == "")
}

// answerContent describes the answers to a success by their media types.
func (b *openBuilder) answerContent(r *route, form jsonForm) *object {
	if r.answer.raw() {
		return contentObject("*/*", binarySchema())
	}
	schema := b.answerSchema(r, form)
	if r.method.ServerStreams {
		b.streams = true
		return streamContent(r, schema)
	}
	return contentObject(typeJSON, schema)
}

// answerSchema describes one message, or the response_body in it.
func (b *openBuilder) answerSchema(r *route, form jsonForm) *object {
	m := r.method.Output
	if r.answer.body == "" {
		schema, _ := b.shaped(m, form, objectShape{}, false)
		return schema
	}
	p, err := m.Path(r.answer.body)
	if err != nil { // newRoute found the path
		return newObject()
	}
	return b.schemas.fieldValue(p.Field(), form)
}

func successText(r *route) string {
	if r.method.ServerStreams {
		return "A stream of messages."
	}
	return commentOf(r.method.Output.Descriptor())
}
