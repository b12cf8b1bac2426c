package translate

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

// A stream of answers is a stream of frames. Each frame is a JSON object with
// one member:
//
//	{"data":  <message>}                        a message, or its response_body
//	{"error": <google.rpc.Status>}              the stream failed; nothing follows
//	{"end":   {"trailers": {"name": ["…"]}}}    the stream is complete; nothing follows
//
// A stream that stops without an error or end frame was cut off. Trailers are
// left out where there are none. NDJSON (application/x-ndjson) writes a frame a line; every transport of
// JSON streams has the same frames.

// ndjsonStream writes the answers of a call as NDJSON. It belongs to one call.
type ndjsonStream struct {
	x          *exchange
	ctx        context.Context //nolint:containedctx // of this one call
	projection *wire.Projection
	control    *http.ResponseController
	header     metadata.MD
	trailer    metadata.MD
	started    bool
}

func (s *ndjsonStream) Recv() ([]byte, error) { return s.x.recv() }

// SendHeader keeps the headers until the first frame: an error before it is an
// HTTP error like any other.
func (s *ndjsonStream) SendHeader(md metadata.MD) error {
	s.header = md
	return nil
}

// Send writes a data frame and hands it to the client at once. It blocks while
// the client is slow, and that is the back-pressure.
func (s *ndjsonStream) Send(msg []byte) error {
	x := s.x
	buf := append(x.json[:0], `{"data":`...)
	buf, err := x.route.answer.appendJSON(buf, msg, s.projection, x.newSink())
	x.json = buf
	if err != nil {
		return err
	}
	x.json = append(buf, '}', '\n')
	return s.write(x.json)
}

func (s *ndjsonStream) SetTrailer(md metadata.MD) { s.trailer = metadata.Join(s.trailer, md) }

func (s *ndjsonStream) write(frame []byte) error {
	s.start()
	_, err := s.x.writer.Write(frame)
	if err == nil {
		err = s.control.Flush()
	}
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return rpc.ContextError(s.ctx)
	default:
		return status.Error(codes.Canceled, "the client is gone")
	}
}

// start writes the head of the response, once.
func (s *ndjsonStream) start() {
	if s.started {
		return
	}
	s.started = true
	h := s.x.writer.Header()
	s.x.in.closeUnread(h)
	copyHeader(s.x.rest.headers, h, s.header)
	h["Content-Type"] = contentTypeNDJSON
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = []string{"no-cache"}
	s.x.writer.WriteHeader(httpCode(s.header))
}

// callStream carries out a call and writes its answers. An error before the
// first answer is returned, and nothing was written then; a later one is a frame.
func (x *exchange) callStream(ctx context.Context, call *rpc.Call, p *wire.Projection) error {
	s := &ndjsonStream{x: x, ctx: ctx, projection: p, control: http.NewResponseController(x.writer)}
	defer s.boundWrites()()
	err := x.rest.handler(ctx, call, s)
	if err != nil && !s.started {
		x.in.closeUnread(x.writer.Header())
		copyHeader(x.rest.headers, x.writer.Header(), s.header)
		return err
	}
	x.json = s.appendLast(x.json[:0], err)
	_ = s.write(x.json) // a client that is gone needs no frame
	return nil
}

// lastFrameTime is how long a client has for the rest of a stream whose context
// is done.
const lastFrameTime = 5 * time.Second

// boundWrites sees to it that a client which does not read cannot hold a call
// whose context is done. After release the deadline of the connection is net/http's again,
// which clears it for the next request.
func (s *ndjsonStream) boundWrites() (release func()) {
	bounded := make(chan struct{})
	stop := context.AfterFunc(s.ctx, func() {
		_ = s.control.SetWriteDeadline(time.Now().Add(lastFrameTime))
		close(bounded)
	})
	return func() {
		if !stop() {
			<-bounded
		}
	}
}

// appendLast appends the frame that says how the stream ended.
func (s *ndjsonStream) appendLast(dst []byte, err error) []byte {
	if err != nil {
		dst = append(dst, `{"error":`...)
		dst = s.x.rest.errors.appendStatus(dst, statusOf(err).Proto())
		return append(dst, "}\n"...)
	}
	trailers := make(http.Header)
	s.x.rest.headers.CopyResponse(trailers, "", s.trailer)
	if len(trailers) == 0 {
		return append(dst, "{\"end\":{}}\n"...)
	}
	dst = append(dst, `{"end":{"trailers":{`...)
	for i, name := range slices.Sorted(maps.Keys(trailers)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, strings.ToLower(name))
		dst = append(dst, ':')
		dst = appendStrings(dst, trailers[name])
	}
	return append(dst, "}}}\n"...)
}

// appendStrings appends a JSON list of strings.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// acceptsNDJSON reports whether a client takes NDJSON. One that says nothing does.
func acceptsNDJSON(h http.Header) bool {
	if len(h["Accept"]) == 0 {
		return true
	}
	for _, line := range h["Accept"] {
		for _, accept := range strings.Split(line, ",") {
			kind, _, _ := strings.Cut(accept, ";")
			switch strings.ToLower(strings.TrimSpace(kind)) {
			case "*/*", "application/*", typeNDJSON:
				return true
			}
		}
	}
	return false
}
