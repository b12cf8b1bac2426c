package translate

import (
	"net/http"
	"strings"

	"github.com/protean-gateway/protean/wire"
)

// Media types of bodies that HTML forms send.
const (
	typeForm      = "application/x-www-form-urlencoded"
	typeMultipart = "multipart/form-data"
	typeOctets    = "application/octet-stream"
)

// looksLikeJSON reports whether a body that says it is a form is JSON: `curl -d` says so of
// whatever it sends, and grpc-gateway reads it as JSON. Browsers send forms across
// origins without asking first, so that the type alone would be no protection: the edge
// refuses what comes from another origin (http.CrossOriginProtection).
func looksLikeJSON(body []byte) bool {
	body = trimSpace(body)
	return len(body) > 0 && (body[0] == '{' || body[0] == '[')
}

// newForm prepares to read a form into the body of a request. The names of its fields are
// those of query parameters, from the field on that is the body. It fails for a body that
// has no fields to name.
func (r *route) newForm(seen []seenParameter) (*query, error) {
	if r.body != nil {
		if f := r.body.Field(); f.Message() == nil || f.IsList() || f.IsMap() {
			return nil, refuse(http.StatusUnsupportedMediaType, "the body has no fields that a form could set; it must be "+typeJSON)
		}
	}
	return &query{route: r, form: true, seen: seen}, nil
}

func (r *route) compileFormParameter(name string) (*parameter, error) {
	if r.body != nil {
		name = r.binding.Body + "." + name
	}
	p, err := r.parameterPath(name)
	if err != nil {
		return nil, err
	}
	return &parameter{path: p, name: p.String(), id: protoPath(p), mask: r.maskPath(p), choices: choices(p.Fields())}, nil
}

// maskPath returns a path as a field mask of the body names it.
func (r *route) maskPath(p *wire.Path) string {
	fields := p.Fields()
	if r.body != nil {
		fields = fields[len(r.body.Fields()):]
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = string(f.Descriptor().Name())
	}
	return strings.Join(names, ".")
}

// encodeForm returns what a form sets in the request message.
func (x *exchange) encodeForm() ([]byte, error) {
	form, err := x.route.newForm(x.seen[:0])
	if err != nil {
		return nil, err
	}
	if err := form.read(string(trimSpace(x.body)), x.rest.queryParameters); err != nil {
		return nil, err
	}
	x.form = form
	return form.wire, nil
}

// readFormAsQuery reads the form of a binding that has no body, the fields of which
// are further query parameters. Any other body of such a binding means nothing.
func (x *exchange) readFormAsQuery(r *http.Request) error {
	if x.headers.mediaType() != typeForm || r.Method == http.MethodGet || r.Method == http.MethodHead {
		return x.drain(r)
	}
	if err := x.readBody(r); err != nil {
		return err
	}
	if !looksLikeJSON(x.body) {
		x.moreQuery = string(trimSpace(x.body))
	}
	return nil
}
