package translate

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/wire"
)

// encodeBody reads the request's body and returns what it sets in the request
// message, with room for what query and path add.
func (x *exchange) encodeBody(r *http.Request) ([]byte, error) {
	route := x.route
	if !route.wholeBody && route.body == nil {
		return nil, x.drain(r)
	}
	if err := x.readBody(r); err != nil {
		return nil, err
	}
	if route.rawBody {
		return route.appendRaw(nil, x.body, r.Header.Get("Content-Type")), nil
	}
	if len(bytes.TrimSpace(x.body)) == 0 {
		return nil, nil // like {}: clients of methods without arguments send nothing
	}
	if err := jsonContent(r.Header); err != nil {
		return nil, err
	}
	out, err := route.decodeBody(make([]byte, 0, len(x.body)+len(x.path.escaped)), x.body)
	if err != nil {
		return nil, invalidInput("body", route.binding.Body, err)
	}
	return out, nil
}

func (r *route) decodeBody(dst, json []byte) ([]byte, error) {
	if r.wholeBody {
		// Required fields may still come from the path; the backend has the last word.
		return r.method.Input.AppendWire(dst, json, wire.DecodeOptions{AllowPartial: len(r.variables) > 0})
	}
	return r.body.AppendJSON(dst, json, wire.DecodeOptions{AllowPartial: len(r.variables) > 0})
}

// readBody reads the whole body into x.body.
func (x *exchange) readBody(r *http.Request) error {
	limit := x.route.method.Limits.RequestBytes
	if r.ContentLength > int64(limit) {
		return tooLarge(limit)
	}
	if err := identityEncoding(r.Header); err != nil {
		return err
	}
	if r.ContentLength > 0 {
		x.buffer.Grow(int(r.ContentLength) + bytes.MinRead)
	}
	_, err := x.buffer.ReadFrom(http.MaxBytesReader(x.writer, r.Body, int64(limit)))
	x.body = x.buffer.Bytes()
	return bodyError(err, limit)
}

// drain reads a body that the method has no use for. Only after the body's end
// does net/http watch an HTTP/1 connection for the client's going away.
func (x *exchange) drain(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	limit := x.route.method.Limits.RequestBytes
	_, err := io.Copy(io.Discard, http.MaxBytesReader(x.writer, r.Body, int64(limit)))
	return bodyError(err, limit)
}

func bodyError(err error, limit int) error {
	switch {
	case err == nil:
		return nil
	case errors.As(err, new(*http.MaxBytesError)):
		return tooLarge(limit)
	default:
		return refuse(http.StatusBadRequest, "the body ended too early")
	}
}

func tooLarge(limit int) error {
	return refuse(http.StatusRequestEntityTooLarge,
		fmt.Sprintf("the body is larger than the limit of %d bytes (limits.request_bytes)", limit))
}

// identityEncoding refuses compressed bodies. What they unpack to would have to
// be bounded as well; no door unpacks them.
func identityEncoding(h http.Header) error {
	if e := h.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return refuse(http.StatusUnsupportedMediaType, "compressed bodies are not supported")
	}
	return nil
}

// jsonContent refuses a body that does not say it is JSON in UTF-8. One that
// says nothing is taken for it.
func jsonContent(h http.Header) error {
	contentType := h.Get("Content-Type")
	if contentType == "" || contentType == "application/json" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(contentType)
	charset := params["charset"]
	if err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) &&
		(charset == "" || strings.EqualFold(charset, "utf-8")) {
		return nil
	}
	return refuse(http.StatusUnsupportedMediaType, "the body must be application/json in UTF-8")
}

// The fields of google.api.HttpBody.
const (
	httpBodyContentType protowire.Number = 1
	httpBodyData        protowire.Number = 2
)

// appendRaw appends a body as google.api.HttpBody, at the field that takes it.
func (r *route) appendRaw(dst, body []byte, contentType string) []byte {
	var msg []byte
	msg = protowire.AppendTag(msg, httpBodyContentType, protowire.BytesType)
	msg = protowire.AppendString(msg, strings.ToValidUTF8(contentType, ""))
	msg = protowire.AppendTag(msg, httpBodyData, protowire.BytesType)
	msg = protowire.AppendBytes(msg, body)
	if r.wholeBody {
		return append(dst, msg...)
	}
	fields := r.body.Fields()
	for i := len(fields) - 1; i > 0; i-- {
		msg = fields[i].AppendWireMessage(nil, msg)
	}
	return fields[0].AppendWireMessage(dst, msg)
}
