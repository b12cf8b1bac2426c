package translate

import (
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// Prefixes of backends' metadata in headers of REST answers. They are
// grpc-gateway's, so that clients of it find what they know.
const (
	headerPrefix  = runtime.MetadataHeaderPrefix
	trailerPrefix = runtime.MetadataTrailerPrefix
)

// httpCodeKey is the metadata with which a backend sets the HTTP status of a
// success, such as 201.
const httpCodeKey = "x-http-code"

// unaryStream takes the one answer of a call. It belongs to one call at a time.
type unaryStream struct {
	x               *exchange
	header, trailer metadata.MD
	message         []byte
	sent            bool
}

func (s *unaryStream) Recv() ([]byte, error) { return s.x.recv() }

func (s *unaryStream) SendHeader(md metadata.MD) error {
	s.header = md
	return nil
}

func (s *unaryStream) Send(msg []byte) error {
	if s.sent {
		return status.Error(codes.Internal, "the backend sent more than one answer")
	}
	s.message, s.sent = msg, true
	return nil
}

func (s *unaryStream) SetTrailer(md metadata.MD) { s.trailer = metadata.Join(s.trailer, md) }

// callUnary carries out a call and writes its answer. Where it returns an error
// nothing was written.
func (x *exchange) callUnary(ctx context.Context, r *http.Request, call *rpc.Call, p *wire.Projection) error {
	s := &x.unary
	s.x = x
	err := x.rest.handler(ctx, call, s)
	x.in.closeUnread(x.writer.Header())
	copyHeader(x.rest.headers, x.writer.Header(), s.header)
	if err != nil {
		x.trailer = s.trailer
		return x.unmatched(err)
	}
	if !s.sent {
		return status.Error(codes.Internal, "the backend sent no answer")
	}
	if x.answer.raw() {
		return x.writeRaw(r, s)
	}
	x.json, err = x.answer.appendJSON(x.json[:0], s.message, p, x.newSink())
	if err != nil {
		return err
	}
	if isRead(r.Method) {
		transport.AddVary(x.writer.Header(), transport.VaryAccept)
	}
	coding := x.coding(len(x.json))
	if done, err := x.answerCondition(r, s, x.json); done || err != nil {
		return err
	}
	x.writer.Header()["Content-Type"] = contentTypeJSON
	x.writeAnswer(s, coding)
	return nil
}

// writeRaw writes a google.api.HttpBody as what it holds.
func (x *exchange) writeRaw(r *http.Request, s *unaryStream) error {
	contentType, data, err := x.answer.rawBody(s.message)
	if err != nil {
		return answerFault(x.route.method, err)
	}
	if isRead(r.Method) {
		if done, err := x.answerCondition(r, s, []byte(data)); done || err != nil {
			return err
		}
	}
	x.writer.Header()["Content-Type"] = []string{contentType}
	code := httpCode(s.header)
	write := func() { _, _ = io.WriteString(x.writer, data) } // a client that is gone needs no answer
	if x.sendsTrailers(s.trailer, code) {
		x.writeTrailed(s.trailer, code, write)
	} else if writeHead(x.writer, code, len(data)) {
		write()
	}
	return nil
}

// writeAnswer writes a success in a coding.
func (x *exchange) writeAnswer(s *unaryStream, coding transport.Coding) {
	code, body := httpCode(s.header), x.json
	if bodyAllowed(code) {
		body = x.compressed(coding, body)
	}
	if x.sendsTrailers(s.trailer, code) {
		x.writeTrailed(s.trailer, code, func() { _, _ = x.writer.Write(body) })
	} else {
		writeWhole(x.writer, code, body)
	}
}

// sendsTrailers reports whether trailers are written. They need a body without a stated length, so
// only clients that ask for them get them.
func (x *exchange) sendsTrailers(md metadata.MD, code int) bool {
	return len(md) > 0 && acceptsTrailers(x.headers.te) && bodyAllowed(code)
}

// writeTrailed writes an answer with trailers behind its body.
func (x *exchange) writeTrailed(md metadata.MD, code int, body func()) {
	h := x.writer.Header()
	h["X-Content-Type-Options"] = noSniff
	trailers := make(http.Header, len(md))
	x.rest.headers.CopyResponse(trailers, trailerPrefix, md)
	h["Trailer"] = slices.Sorted(maps.Keys(trailers))
	x.writer.WriteHeader(code)
	body()
	_ = http.NewResponseController(x.writer).Flush() // so that the body is not given a length
	maps.Copy(h, trailers)
}

// writeError answers with an error, and with the trailers of a call that failed.
func (x *exchange) writeError(r *http.Request, err error) {
	code, body := x.rest.errors.prepare(x.writer.Header(), r, err, x.pointers())
	transport.CopyChallenge(x.writer.Header(), x.trailer)
	x.writeFailure(code, body)
}

// writeFailure writes an answer whose headers, but for its length, are set.
func (x *exchange) writeFailure(code int, body []byte) {
	if x.sendsTrailers(x.trailer, code) {
		x.writeTrailed(x.trailer, code, func() { _, _ = x.writer.Write(body) }) // a client that is gone needs no answer
		return
	}
	writeWhole(x.writer, code, body)
}

// endWithTrailers has the trailers of a stream that failed follow its body, of which nothing is written afterwards. A stream
// that went well has them in its last frame.
func (x *exchange) endWithTrailers(md metadata.MD, err error) {
	if err != nil && acceptsTrailers(x.headers.te) {
		x.rest.headers.CopyResponse(x.writer.Header(), http.TrailerPrefix+trailerPrefix, md)
	}
}

// acceptsTrailers reports whether the client said `TE: trailers`.
func acceptsTrailers(lines []string) bool {
	for _, te := range lines {
		if strings.Contains(strings.ToLower(te), "trailers") {
			return true
		}
	}
	return false
}

// httpCode returns the HTTP status that a backend chose, or 200. What is no
// final status is ignored.
func httpCode(md metadata.MD) int {
	if values := md[httpCodeKey]; len(values) == 1 {
		if code, err := strconv.Atoi(values[0]); err == nil && code >= 200 && code <= 599 {
			return code
		}
	}
	return http.StatusOK
}
