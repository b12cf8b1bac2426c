package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/99designs/gqlgen/graphql"
)

// decodeParams reads the parameters of a request from a JSON object. As the
// specification asks, what is unknown is ignored and null is the same as absent. Numbers
// stay text, so that none loses digits. An error says what is wrong, to the client.
func decodeParams(document []byte) (*graphql.RawParams, error) {
	if !utf8.Valid(document) {
		return nil, errors.New("the request is not UTF-8")
	}
	if bytes.HasPrefix(bytes.TrimLeft(document, " \t\r\n"), []byte("[")) {
		return nil, errors.New("batching is off: send one operation in a request")
	}
	p := &graphql.RawParams{}
	if decodeQuery(document, p) {
		return p, nil
	}
	if err := checkValues(document); err != nil {
		return nil, err
	}
	var members map[string]json.RawMessage
	if err := decodeJSON(document, &members); err != nil || members == nil {
		return nil, errors.New("the request is not a JSON object")
	}
	var documentID string
	for _, m := range []struct {
		name, kind string
		into       any
	}{
		{"query", "string", &p.Query},
		{"operationName", "string", &p.OperationName},
		{"variables", "object", &p.Variables},
		{"extensions", "object", &p.Extensions},
		{"documentId", "string", &documentID},
	} {
		if value, ok := members[m.name]; ok && decodeJSON(value, m.into) != nil {
			return nil, fmt.Errorf("%s must be a JSON %s", m.name, m.kind)
		}
	}
	return p, complete(p, documentID)
}

// paramsOfQuery reads the parameters of a request from a URL's query. The empty
// string is the same as absent.
func paramsOfQuery(q url.Values) (*graphql.RawParams, error) {
	p := &graphql.RawParams{Query: q.Get("query"), OperationName: q.Get("operationName")}
	for _, m := range []struct {
		name string
		into *map[string]any
	}{{"variables", &p.Variables}, {"extensions", &p.Extensions}} {
		if text := q.Get(m.name); text != "" && decodeJSON([]byte(text), m.into) != nil {
			return nil, fmt.Errorf("%s must be a JSON object", m.name)
		}
	}
	if !utf8.ValidString(p.Query) || !utf8.ValidString(p.OperationName) {
		return nil, errors.New("the request is not UTF-8")
	}
	return p, complete(p, q.Get("documentId"))
}

// complete checks that there is something to execute. A document that the server knows
// already comes as its hash, or as an id, which is taken for one.
func complete(p *graphql.RawParams, documentID string) error {
	if p.Query != "" {
		return nil
	}
	if _, persisted := p.Extensions[persistedExtension]; persisted {
		return nil
	}
	if documentID == "" {
		return errors.New("query is missing")
	}
	if p.Extensions == nil {
		p.Extensions = make(map[string]any, 1)
	}
	p.Extensions[persistedExtension] = map[string]any{
		"version": json.Number("1"), "sha256Hash": strings.TrimPrefix(documentID, "sha256:"),
	}
	return nil
}

// decodeJSON decodes one whole value, whose numbers stay text wherever they are kept as any.
func decodeJSON(text []byte, into any) error {
	if _, numbers := into.(*map[string]any); !numbers {
		return json.Unmarshal(text, into) // without the buffer that a decoder has
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one value")
	}
	return nil
}
