package graph

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

// params are what a request says of its operation.
type params struct {
	query         string
	operationName string
	// documentID names a document that the server knows already, where there is no query.
	documentID string
	// variables and extensions are objects, or null.
	variables, extensions value
	headers               http.Header
}

// decodeParams reads the parameters of a request from a JSON object, which nobody else may write to. An error says what is
// wrong, to the client.
func decodeParams(d *jsonText, document []byte) (params, error) {
	if !utf8.Valid(document) {
		return params{}, errors.New("the request is not UTF-8")
	}
	if err := d.read(document); err != nil {
		return params{}, err
	}
	return paramsOf(d.root())
}

var errNoObject = errors.New("the request is not a JSON object")

// paramsOf reads parameters from a value, of whose JSON nobody has a part yet. As the specification asks, what is
// unknown is ignored and null is the same as absent.
func paramsOf(v value) (p params, err error) {
	switch {
	case v.is(jsonList):
		return p, errors.New("batching is off: send one operation in a request")
	case !v.isObject():
		return p, errNoObject
	}
	for n, member := range v.json.members(v.at) {
		if member.isNull() {
			continue
		}
		switch v.json.string(n) {
		case "query":
			v.json.plain(member)
			p.query, err = member.mustBeText("query")
		case "operationName":
			p.operationName, err = member.mustBeText("operationName")
		case "documentId":
			p.documentID, err = member.mustBeText("documentId")
		case "variables":
			p.variables, err = member, member.mustBeObject("variables")
		case "extensions":
			p.extensions, err = member, member.mustBeObject("extensions")
		}
		if err != nil {
			return params{}, err
		}
	}
	return p, p.complete()
}

func (v value) mustBeText(name string) (string, error) {
	text, ok := v.text()
	if !ok {
		return "", fmt.Errorf("%s must be a JSON string", name)
	}
	return text, nil
}

func (v value) mustBeObject(name string) error {
	if !v.isObject() && !v.isNull() {
		return fmt.Errorf("%s must be a JSON object", name)
	}
	return nil
}

// paramsOfQuery reads the parameters of a request from a URL's query. The empty
// string is the same as absent.
func paramsOfQuery(q url.Values) (p params, err error) {
	p = params{query: q.Get("query"), operationName: q.Get("operationName"), documentID: q.Get("documentId")}
	for _, m := range []struct {
		name string
		into *value
	}{{"variables", &p.variables}, {"extensions", &p.extensions}} {
		if text := q.Get(m.name); text != "" {
			d := new(jsonText)
			if err := d.read([]byte(text)); err != nil {
				return p, fmt.Errorf("%s must be a JSON object", m.name)
			}
			if err := d.root().mustBeObject(m.name); err != nil {
				return p, err
			}
			*m.into = d.root()
		}
	}
	if !utf8.ValidString(p.query) || !utf8.ValidString(p.operationName) {
		return p, errors.New("the request is not UTF-8")
	}
	return p, p.complete()
}

// complete checks that there is something to execute. A document that the server knows
// already comes as its hash, or as an id, which is taken for one.
func (p *params) complete() error {
	_, persisted := p.extensions.field(persistedExtension)
	if p.query != "" || persisted {
		p.documentID = ""
		return nil
	}
	if p.documentID == "" {
		return errors.New("query is missing")
	}
	p.documentID = strings.TrimPrefix(p.documentID, "sha256:")
	return nil
}

// paramsOfRaw takes parameters over from a transport of gqlgen.
func paramsOfRaw(raw *graphql.RawParams) (p params, err error) {
	p = params{query: raw.Query, operationName: raw.OperationName, headers: raw.Headers}
	if len(raw.Variables) == 0 {
		return p, nil
	}
	text, err := json.Marshal(raw.Variables)
	if err != nil {
		return p, errNotJSON
	}
	d := new(jsonText)
	err = d.read(text)
	p.variables = d.root()
	return p, err
}

// raw returns the parameters as executors of gqlgen want them.
func (p *params) raw() *graphql.RawParams {
	return &graphql.RawParams{
		Query:         p.query,
		OperationName: p.operationName,
		Variables:     p.variables.object(),
		Extensions:    p.extensions.object(),
		Headers:       p.headers,
	}
}

// object returns an object of JSON, whose numbers stay text.
func (v value) object() (members map[string]any) {
	if v.isObject() && decodeJSON([]byte(v.written()), &members) != nil {
		return nil
	}
	return members
}
