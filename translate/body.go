package translate

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"

	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// encodeBody reads the request's body and returns what it sets in the request
// message, with room for what query and path add.
func (x *exchange) encodeBody(r *http.Request) ([]byte, error) {
	route := x.route
	if !route.hasBody() {
		return nil, x.readFormAsQuery(r)
	}
	if err := x.readBody(r); err != nil {
		return nil, err
	}
	if route.rawBody {
		return route.appendRaw(nil, x.body, x.headers.contentType), nil
	}
	if len(bytes.TrimSpace(x.body)) == 0 {
		return nil, nil // like {}: clients of methods without arguments send nothing
	}
	switch kind := x.headers.mediaType(); {
	case kind == typeMultipart:
		return x.encodeParts(r.Header)
	case kind != typeForm:
		return x.encodeJSON(jsonContent(x.headers.contentType))
	case looksLikeJSON(x.body):
		return x.encodeJSON(nil)
	default:
		return x.encodeForm()
	}
}

// encodeJSON returns what a body in JSON sets in the request message, unless refused says
// that it is none.
func (x *exchange) encodeJSON(refused error) ([]byte, error) {
	if refused != nil {
		return nil, refused
	}
	out, err := x.route.decodeBody(make([]byte, 0, len(x.body)+len(x.path.escaped)), x.body)
	if err != nil {
		return nil, invalidInput("body", x.route.binding.Body, err)
	}
	return out, nil
}

func (r *route) decodeBody(dst, json []byte) ([]byte, error) {
	// Required fields may still come from the path.
	o := wire.DecodeOptions{AllowPartial: len(r.variables) > 0, IgnoreUnknown: r.grpcGateway}
	if r.wholeBody {
		return r.method.Input.AppendWire(dst, json, o)
	}
	return r.body.AppendJSON(dst, json, o)
}

// readBody reads the whole body into x.body. The limit holds for what comes over the
// network, and for what it comes to.
func (x *exchange) readBody(r *http.Request) error {
	limit := x.route.method.Limits.RequestBytes
	if r.ContentLength > int64(limit) {
		return tooLarge(limit)
	}
	if r.ContentLength >= 0 && !x.headers.coded {
		return x.readAll(r.Body, int(r.ContentLength), limit) // net/http lets no more come than was told
	}
	content, ok := transport.Decode(http.MaxBytesReader(x.writer, r.Body, int64(limit)), r.Header)
	if !ok {
		return errCoding
	}
	defer content.Close()
	return x.readAll(io.LimitReader(content, int64(limit)+1), max(0, int(r.ContentLength)), limit)
}

// maxClaimedBody bounds the bytes that are allocated because a client announces them. A longer body has its room as it arrives.
const maxClaimedBody = 64 << 10

// readAll reads into x.body what is about as long as expected.
func (x *exchange) readAll(content io.Reader, expected, limit int) error {
	x.buffer.Grow(min(expected, maxClaimedBody) + bytes.MinRead)
	_, err := x.buffer.ReadFrom(content)
	if x.body = x.buffer.Bytes(); len(x.body) > limit {
		return tooLarge(limit)
	}
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
	switch _, known := status.FromError(err); {
	case known: // also no error at all
		return err
	case errors.As(err, new(*http.MaxBytesError)):
		return tooLarge(limit)
	default:
		return refuse(http.StatusBadRequest, "the body ended too early")
	}
}

func tooLarge(limit int) error {
	return refuse(http.StatusRequestEntityTooLarge, transport.TooLarge(limit))
}

// errCoding refuses a Content-Encoding, and says which there are (RFC 9110, section 15.5.16).
var errCoding error = &refusal{
	http:    http.StatusUnsupportedMediaType,
	message: transport.UnsupportedCoding,
	header:  "Accept-Encoding",
	value:   transport.Codings,
}

// jsonContent refuses a body that does not say it is JSON in UTF-8. One that
// says nothing is taken for it.
func jsonContent(contentType string) error {
	if contentType == "" || contentType == "application/json" {
		return nil
	}
	kind, params, err := mime.ParseMediaType(contentType)
	if err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json")) && transport.IsUTF8(params["charset"]) {
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
	if r.wholeBody {
		return appendHTTPBody(dst, body, contentType)
	}
	return appendNested(dst, r.body.Fields(), appendHTTPBody(nil, body, contentType))
}

func appendHTTPBody(dst, body []byte, contentType string) []byte {
	dst = protowire.AppendTag(dst, httpBodyContentType, protowire.BytesType)
	dst = protowire.AppendString(dst, strings.ToValidUTF8(contentType, ""))
	dst = protowire.AppendTag(dst, httpBodyData, protowire.BytesType)
	return protowire.AppendBytes(dst, body)
}

// appendNested appends a message as the last of fields, each within the one before.
func appendNested(dst []byte, fields []*wire.Field, msg []byte) []byte {
	for i := len(fields) - 1; i > 0; i-- {
		msg = fields[i].AppendWireMessage(nil, msg)
	}
	return fields[0].AppendWireMessage(dst, msg)
}
