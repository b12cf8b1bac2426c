package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"sync"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/translate/transport"
)

// serveParams carries out an operation and answers in the form that the client
// accepts and the operation has.
func (d *door) serveParams(w http.ResponseWriter, r *http.Request, a acceptance, params params, s *scratch) {
	ctx, cancel, fault := d.timedRequest(r)
	if fault != nil {
		fault.write(w, a)
		return
	}
	defer cancel()
	op := d.prepareWithin(ctx, cancel, params, s)
	defer op.close()
	if fault := misplaced(op, r, a); fault != nil {
		fault.write(w, a)
		return
	}
	if op.kind == ast.Subscription || a.prefersEvents() || !a.single() {
		op.ctx, op.cancel = context.WithCancel(op.ctx)
		if fault := d.serveEvents(w, r, a, op); fault != nil {
			fault.write(w, a)
		}
		return
	}
	response := op.only()
	writeBody(w, httpStatusOf(response, a.media()), a, op.body(response))
}

// misplaced refuses an operation that cannot come by this request, or cannot be
// answered in any form that the client accepts.
func misplaced(op *operation, r *http.Request, a acceptance) *httpFault {
	switch {
	case r.Method == http.MethodGet && op.kind == ast.Mutation:
		return &httpFault{status: http.StatusMethodNotAllowed, message: "mutations are sent by POST", header: "Allow", value: http.MethodPost}
	case a.streams():
		return nil
	case op.kind == ast.Subscription:
		return &httpFault{status: http.StatusNotAcceptable, message: "responses to subscriptions are " + mediaEvents + " or " + mediaParts + ", or messages of a WebSocket"}
	case !a.single():
		return &httpFault{status: http.StatusNotAcceptable, message: "responses are " + mediaGraphQL + ", " + mediaJSON + ", " + mediaEvents + " or " + mediaParts}
	}
	return nil
}

// httpStatusOf returns the HTTP status of a response. With data it is always 200.
// Without, a document that is refused is 400 for those who accept the media type of
// GraphQL, and 200 for others, who take any other status for a failure of HTTP.
//
// The draft of late 2026 has 422 and 294 beside 400 and 200. Neither the clients
// in the field nor the audit suite know them yet.
func httpStatusOf(response *graphql.Response, media string) int {
	if response.Data != nil || len(response.Errors) == 0 {
		return http.StatusOK
	}
	code, _ := response.Errors[0].Extensions["code"].(string)
	switch status, ok := statusOfCode[code]; {
	case ok:
		return status
	case media == mediaGraphQL:
		return http.StatusBadRequest
	default:
		return http.StatusOK
	}
}

// statusOfCode has the codes that are not about the document.
var statusOfCode = map[string]int{
	"UNAUTHENTICATED":    http.StatusUnauthorized,
	"PERMISSION_DENIED":  http.StatusForbidden,
	"RESOURCE_EXHAUSTED": http.StatusTooManyRequests,
	"INTERNAL":           http.StatusInternalServerError,
	"UNAVAILABLE":        http.StatusServiceUnavailable,
	"DEADLINE_EXCEEDED":  http.StatusGatewayTimeout,
	"CANCELLED":          transport.StatusClientClosedRequest,
}

// Header values that all responses share. Nobody writes to them.
var (
	contentTypes = map[string][]string{
		mediaGraphQL: {mediaGraphQL + "; charset=utf-8"},
		mediaJSON:    {mediaJSON + "; charset=utf-8"},
	}
	noStore = []string{"no-store"}
	noSniff = []string{"nosniff"}
)

// shortBody is a length, in bytes, up to which net/http finds out the length of a body by itself.
const shortBody = 2000

func writeResponse(w http.ResponseWriter, status int, a acceptance, response *graphql.Response) {
	writeBody(w, status, a, appendResponse(nil, response))
}

// writeBody writes a response at once.
func writeBody(w http.ResponseWriter, status int, a acceptance, body []byte) {
	h := w.Header()
	h["Content-Type"] = contentTypes[a.media()]
	h["Cache-Control"] = noStore
	h["X-Content-Type-Options"] = noSniff
	transport.AddVary(h, transport.VaryAccept)
	if coding := a.coding(h, len(body)); coding != "" {
		h["Content-Encoding"] = []string{string(coding)}
		room := codedRoom.Get().(*bytes.Buffer)
		defer releaseCoded(room)
		coding.Compress(room, body)
		body = room.Bytes()
	}
	if len(body) > shortBody {
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // nobody is left to tell
}

// coding returns the coding that the client likes best for a body of so many bytes, and says in the headers what it
// depends on.
func (a acceptance) coding(h http.Header, size int) transport.Coding {
	if !a.compresses {
		return ""
	}
	return transport.AnswerCoding(h, a.codings, size)
}

// codedRoom has room for what is compressed.
var codedRoom = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func releaseCoded(room *bytes.Buffer) {
	if room.Cap() <= maxKeptBytes {
		room.Reset()
		codedRoom.Put(room)
	}
}

// appendResponse appends a response as JSON: errors first, so that nobody misses
// them, and no data entry where there is none, which is not the same as null.
func appendResponse(dst []byte, r *graphql.Response) []byte {
	dst = append(dst, '{')
	if len(r.Errors) > 0 {
		dst = appendMember(dst, "errors", r.Errors)
	}
	if r.Data != nil || len(r.Errors) == 0 {
		dst = appendName(dst, "data")
		if r.Data == nil {
			dst = append(dst, "null"...)
		}
		dst = append(dst, r.Data...)
	}
	if len(r.Extensions) > 0 {
		dst = appendMember(dst, "extensions", r.Extensions)
	}
	return append(dst, '}')
}

func appendName(dst []byte, name string) []byte {
	if dst[len(dst)-1] != '{' {
		dst = append(dst, ',')
	}
	return append(append(append(dst, '"'), name...), `":`...)
}

func appendMember(dst []byte, name string, value any) []byte {
	return appendJSONValue(appendName(dst, name), value)
}

// appendJSONValue appends a value of ours. One that is no JSON would be our own
// mistake, and must not take the response along.
func appendJSONValue(dst []byte, value any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return append(dst, "null"...)
	}
	return append(dst, bytes.TrimSpace(b.Bytes())...)
}
