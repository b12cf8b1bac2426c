package translate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// route is a binding placed in the trie, with all that can be decided about its
// requests and answers before there is one. It is immutable but for its memos,
// which are safe for concurrent use.
type route struct {
	method    *schema.Method
	binding   *schema.Binding
	verb      string // the HTTP method, or anyMethod
	template  *template
	variables []boundVariable

	wholeBody bool       // the body is the request message
	body      *wire.Path // the field that the body is, or nil
	rawBody   bool       // the body is a google.api.HttpBody: any content, no JSON
	mask      *wire.Path // the update_mask that a PATCH may derive, or nil

	ignoreUnknown  bool // of query parameters
	grpcGateway    bool // requests are read as grpc-gateway reads them
	parameters     memo[*parameter]
	formParameters memo[*parameter]
	system         map[string]systemParameter // by name

	streams streamFormat // how streams are written where a client names no form
	answer  *answer      // with the options of the service
	answers sync.Map     // those with options that clients asked for, by wire.Options

	tag     *wire.Path // the etag of the answer, or nil
	ifMatch *wire.Path // the etag that a request may name, or nil
}

// boundVariable is a template variable with the field it sets.
type boundVariable struct {
	variable
	path *wire.Path
	// parts are the scalars that a message-typed variable such as a Timestamp
	// consists of. A scalar variable is its own only part.
	parts  []*wire.Path
	rivals []*wire.Path // fields that exclude it, being of one oneof
}

// newRoute compiles a binding. The error says what is wrong with it.
func newRoute(b *schema.Binding) (*route, error) {
	t, err := parseTemplate(b.Template)
	if err != nil {
		return nil, err
	}
	r := &route{
		method:         b.Method,
		binding:        b,
		verb:           strings.ToUpper(b.Verb),
		template:       t,
		ignoreUnknown:  ignoresUnknown(b.Method.Service.Options.GetRest()),
		parameters:     memo[*parameter]{limit: maxParameterMemo},
		formParameters: memo[*parameter]{limit: maxParameterMemo},
		system:         systemParametersOf(b.Method.Input),
		streams:        formatFor(b.Method.Service.Options.GetRest()),
	}
	if !validMethod(r.verb) {
		return nil, fmt.Errorf("%q is no HTTP method", b.Verb)
	}
	if err := r.bindVariables(); err != nil {
		return nil, err
	}
	if err := r.bindBody(b.Body); err != nil {
		return nil, err
	}
	r.answer, err = newAnswer(b.Method, b.ResponseBody, jsonOptions(b.Method.Service.Options.GetRest().GetJson()))
	if err != nil {
		return nil, err
	}
	if r.answer.raw() {
		r.streams = formatRaw
	}
	r.bindTags()
	return r, nil
}

// answerWith returns how answers are written under the options that a client asks for.
func (r *route) answerWith(o wire.Options) *answer {
	if o == r.answer.options {
		return r.answer
	}
	if a, ok := r.answers.Load(o); ok {
		return a.(*answer)
	}
	a, err := newAnswer(r.method, r.binding.ResponseBody, o)
	if err != nil {
		return r.answer // what is wrong with a response_body is wrong whatever the options
	}
	kept, _ := r.answers.LoadOrStore(o, a)
	return kept.(*answer)
}

// hasBody reports whether the binding takes a body.
func (r *route) hasBody() bool { return r.wholeBody || r.body != nil }

func ignoresUnknown(o *optionsv1.RESTService) bool {
	return o.GetUnknownParameters() == optionsv1.RESTService_UNKNOWN_PARAMETERS_IGNORE
}

// validMethod reports whether a name can be an HTTP method, or is `*`.
func validMethod(verb string) bool {
	return verb == anyMethod || verb != "" && strings.Trim(verb, "ABCDEFGHIJKLMNOPQRSTUVWXYZ-") == ""
}

func (r *route) bindVariables() error {
	for _, v := range r.template.variables {
		p, err := r.method.Input.Path(v.field)
		if err != nil {
			return &templateError{v.column, err.Error()}
		}
		f := p.Field()
		if f.IsMap() {
			return &templateError{v.column, fmt.Sprintf("map %s cannot be a path variable", v.field)}
		}
		others, err := rivalsOf(r.method.Input, p)
		if err != nil {
			return &templateError{v.column, err.Error()}
		}
		for _, o := range r.variables {
			if rivals(choices(o.path.Fields()), choices(p.Fields())) {
				return &templateError{v.column, fmt.Sprintf("%s and %s are of one oneof", o.field, v.field)}
			}
		}
		r.variables = append(r.variables, boundVariable{v, p, scalarParts(r.method.Input, p, v.field), others})
	}
	return nil
}

// scalarParts returns the paths of the scalars in a variable's field.
func scalarParts(m *wire.Message, p *wire.Path, field string) []*wire.Path {
	if p.Field().Message() == nil {
		return []*wire.Path{p}
	}
	var parts []*wire.Path
	for _, f := range p.Field().Message().Fields() {
		if part, err := m.Path(field + "." + f.JSONName()); err == nil && f.Message() == nil {
			parts = append(parts, part)
		}
	}
	return parts
}

func (r *route) bindBody(body string) error {
	input := r.method.Input
	switch body {
	case "":
		return nil
	case "*":
		r.wholeBody = true
		r.rawBody = isHTTPBody(input)
		return nil
	}
	p, err := input.Path(body)
	if err != nil {
		return fmt.Errorf("body %q: %w", body, err)
	}
	r.body = p
	f := p.Field()
	if f.Message() == nil || f.IsList() || f.IsMap() {
		return nil
	}
	r.rawBody = isHTTPBody(f.Message())
	if r.verb == "PATCH" && !r.rawBody {
		r.mask = maskField(input)
	}
	return nil
}

// maskField returns the path of the request's field mask: update_mask by
// AIP-134, or else the only one there is.
func maskField(m *wire.Message) *wire.Path {
	var masks []string
	for _, f := range m.Fields() {
		if f.Message() == nil || f.IsList() || f.Message().FullName() != "google.protobuf.FieldMask" {
			continue
		}
		if f.JSONName() == "updateMask" {
			masks = []string{f.JSONName()}
			break
		}
		masks = append(masks, f.JSONName())
	}
	if len(masks) != 1 {
		return nil
	}
	p, err := m.Path(masks[0])
	if err != nil {
		return nil
	}
	return p
}

// Why a field cannot come from the query: something else sets it.
const (
	boundByPath = "comes from the path"
	boundByBody = "comes from the body"
)

// bound returns why a field cannot come from the query, because the path or the
// body has it or another of its oneof, or nothing.
func (r *route) bound(p *wire.Path) string {
	for _, v := range r.variables {
		switch {
		case within(p, v.path) || within(v.path, p):
			return boundByPath
		case rivals(choices(p.Fields()), choices(v.path.Fields())):
			return "is excluded by " + v.field + ", which comes from the path"
		}
	}
	switch {
	case r.wholeBody || r.body != nil && (within(p, r.body) || within(r.body, p)):
		return boundByBody
	case r.body != nil && rivals(choices(p.Fields()), choices(r.body.Fields())):
		return "is excluded by " + r.binding.Body + ", which comes from the body"
	default:
		return ""
	}
}

// bodyRival returns the path variable that the body can only repeat or contradict: it sets the body's field or another one of
// its oneof. It returns nil if there is none.
func (r *route) bodyRival() *boundVariable {
	if r.body == nil {
		return nil
	}
	for i := range r.variables {
		v := &r.variables[i]
		if within(r.body, v.path) || rivals(choices(r.body.Fields()), choices(v.path.Fields())) {
			return v
		}
	}
	return nil
}

// within reports whether p is outer or a field inside it.
func within(p, outer *wire.Path) bool {
	return len(p.Fields()) >= len(outer.Fields()) &&
		slices.Equal(p.Fields()[:len(outer.Fields())], outer.Fields())
}

// same reports whether two routes in one place treat requests alike, so that it
// does not matter which of them serves.
func (r *route) same(o *route) bool {
	fields := func(r *route) (names []string) {
		for _, v := range r.variables {
			names = append(names, v.path.String())
		}
		return names
	}
	return r.method == o.method &&
		r.binding.Body == o.binding.Body &&
		r.binding.ResponseBody == o.binding.ResponseBody &&
		slices.Equal(fields(r), fields(o))
}

// servable refuses what a binding cannot carry over HTTP.
func (r *route) servable() error {
	if r.method.ClientStreams && !r.hasBody() {
		return refuse(http.StatusNotImplemented,
			r.method.FullName()+" takes a stream of messages, and this path has no body; open a WebSocket here")
	}
	return nil
}

func isHTTPBody(m *wire.Message) bool { return m.FullName() == "google.api.HttpBody" }
