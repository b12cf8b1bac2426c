package test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc/codes"

	"github.com/protean-gateway/protean/translate/transport"
)

// graphOperation is the operation that calls a method.
func (c *matrixCall) graphOperation() map[string]any {
	kind := map[shape]string{shapeRead: "query", shapeWrite: "mutation", shapeWatch: "subscription"}[c.shape]
	arguments := "text: $t"
	if kind == "mutation" {
		arguments = "input: {text: $t}"
	}
	return map[string]any{
		"query":     fmt.Sprintf(`%s($t: String) { note: %s(%s) { text } }`, kind, strings.ToLower(c.shape.name), arguments),
		"variables": map[string]any{"t": c.text},
	}
}

// addResponse takes a response of GraphQL into account.
func (v *verdict) addResponse(text []byte) error {
	var r struct {
		Data   struct{ Note json.RawMessage }
		Errors []struct {
			Message    string
			Extensions struct {
				Code string
				GRPC struct{ Details []restDetail }
			}
		}
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	if len(r.Errors) == 0 {
		return v.addMessage(r.Data.Note, true)
	}
	first := r.Errors[0]
	for c := codes.Canceled; c <= codes.Unauthenticated; c++ {
		if transport.CodeName(c) == first.Extensions.Code {
			v.code = c
		}
	}
	if v.code == codes.OK || len(r.Errors) > 1 {
		return fmt.Errorf("%q", text)
	}
	v.message = first.Message
	for _, d := range first.Extensions.GRPC.Details {
		v.addRESTDetail(d)
	}
	return nil
}

// graphDoor sends an operation over HTTP.
func graphDoor(method, accept string) func(*matrixCall) (verdict, error) {
	return func(c *matrixCall) (v verdict, err error) {
		header := http.Header{"Accept": {accept}, "Graphql-Preflight": {"1"}}
		if c.timeout > 0 {
			header.Set("X-Request-Timeout", c.milliseconds()+"ms")
		}
		operation, err := json.Marshal(c.graphOperation())
		if err != nil {
			return v, err
		}
		target := "http://" + c.address + "/graphql"
		if method == http.MethodGet {
			variables := fmt.Sprintf(`{"t":%q}`, c.text)
			target += "?" + url.Values{"query": {c.graphOperation()["query"].(string)}, "variables": {variables}}.Encode()
			operation = nil
		} else {
			header.Set("Content-Type", "application/json")
		}
		res, answer, err := c.exchange(method, target, operation, header)
		if err != nil {
			return v, err
		}
		if res.Header.Get("Content-Type") == "text/event-stream" {
			return v, v.addEvents(answer)
		}
		return v, v.addWhole(accept, res, answer)
	}
}

// graphType is the media type of GraphQL over HTTP.
const graphType = "application/graphql-response+json"

// addWhole takes an answer that is one response, in the type that the client likes best of those
// that one response can have.
func (v *verdict) addWhole(accept string, res *http.Response, answer []byte) error {
	want := "application/json"
	if strings.HasPrefix(accept, graphType) {
		want = graphType
	}
	if kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";"); kind != want {
		return fmt.Errorf("%s of type %q: %q", res.Status, kind, answer)
	}
	return v.addResponse(answer)
}

// addEvents takes the events of a whole operation.
func (v *verdict) addEvents(answer []byte) error {
	if !strings.Contains(string(answer), "event: complete\n") {
		return fmt.Errorf("%q has no end", answer)
	}
	for _, data := range eventData(answer) {
		if len(data) <= 1 { // that of complete
			continue
		}
		if err := v.addResponse(data); err != nil {
			return err
		}
	}
	return nil
}

// callGraphSocket sends an operation over graphql-transport-ws.
func callGraphSocket(c *matrixCall) (v verdict, err error) {
	conn, leave, refused, err := c.dial("/graphql", "graphql-transport-ws", make(http.Header))
	if err != nil {
		return v, err
	}
	if conn == nil {
		return v, v.addResponse(refused)
	}
	defer leave()
	// A send that fails leaves the reason to the close code.
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"connection_init"}`))
	_ = conn.WriteJSON(map[string]any{"type": "subscribe", "id": "1", "payload": c.graphOperation()})
	for {
		var m struct {
			Type    string
			Payload json.RawMessage
		}
		err := conn.ReadJSON(&m)
		switch {
		case websocket.IsCloseError(err, websocket.CloseMessageTooBig):
			return verdict{code: codes.ResourceExhausted}, nil
		case err != nil:
			return v, err
		case m.Type == "next":
			err = v.addResponse(m.Payload)
		case m.Type == "error":
			err = v.addResponse(fmt.Appendf(nil, `{"errors":%s}`, m.Payload))
		}
		if err != nil || m.Type == "complete" || m.Type == "error" {
			return v, err
		}
	}
}
