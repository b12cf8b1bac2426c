package translate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// requestStream reads the messages of a client stream from a body, each completed by
// query and path as a single request is. It belongs to one call. A Recv may outlast the
// handler of the call, but not the release of the stream, and then finds nothing.
type requestStream struct {
	ctx   context.Context //nolint:containedctx // of this one call
	route *route
	path  *path
	query []byte      // what the query parameters set in each message
	ended atomic.Bool // the body was read to its end
	http1 bool

	mu       sync.Mutex // held while the body is read
	body     io.ReadCloser
	messages bodyMessages
	released bool
}

// bodyMessages cuts a body into messages. What it returns is new. After the last it
// returns io.EOF; other errors are statuses or those of the body.
type bodyMessages interface {
	next() ([]byte, error)
}

// openRequests prepares to read a client stream, and returns the field mask for the
// answer. Release ends reading: it must be called before the handler of HTTP returns.
func (x *exchange) openRequests(ctx context.Context, r *http.Request) (in *requestStream, mask string, release func(), err error) {
	if err := x.checkConditions(r); err != nil {
		return nil, "", nil, err
	}
	q := query{route: x.route, accepted: &x.accepted}
	if err := q.read(r.URL.RawQuery, x.rest.queryParameters); err != nil {
		return nil, "", nil, err
	}
	x.chooseAnswer()
	in = &requestStream{ctx: ctx, route: x.route, path: &x.path, query: q.wire, http1: r.ProtoMajor == 1}
	if isNDJSON(x.headers.mediaType()) {
		transport.MayStall(r.Body)
	}
	content, ok := transport.Decode(watchedBody{r.Body, &in.ended}, r.Header)
	if !ok {
		return nil, "", nil, errCoding
	}
	in.body = content
	if in.messages, err = x.route.messagesOf(content, r.Header, x.rest.queryParameters); err != nil {
		return nil, "", nil, err
	}
	return in, q.mask, in.watch(http.NewResponseController(x.writer)), nil
}

// messagesOf chooses how a body is cut into messages.
func (r *route) messagesOf(body io.Reader, h http.Header, parts int) (bodyMessages, error) {
	switch kind := mediaType(h); {
	case r.rawBody:
		return newChunks(r, body, h.Get("Content-Type")), nil
	case kind == typeMultipart:
		return newPartMessages(r, body, h, parts)
	case kind == "", kind == typeForm, isNDJSON(kind):
		// curl says that what it sends is a form, which JSON cannot be.
		return newJSONMessages(r, body), nil
	case kind == typeJSON || strings.HasSuffix(kind, "+json"):
		return newJSONMessages(r, body), jsonContent(h.Get("Content-Type"))
	default:
		return nil, refuse(http.StatusUnsupportedMediaType, "a stream of messages must be "+typeNDJSON+" or "+typeJSON)
	}
}

// isNDJSON reports whether a media type is one of JSON documents, one a line.
func isNDJSON(kind string) bool {
	switch kind {
	case typeNDJSON, "application/ndjson", "application/jsonl", "application/x-jsonlines":
		return true
	default:
		return false
	}
}

// watchedBody notes that a body was read to its end.
type watchedBody struct {
	io.Reader
	ended *atomic.Bool
}

func (b watchedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		b.ended.Store(true)
	}
	return n, err
}

// watch makes a blocked read of the body come back when the context is done, and
// lets answers be written before the body is at its end.
func (s *requestStream) watch(control *http.ResponseController) (release func()) {
	_ = control.EnableFullDuplex() // HTTP/2 has it always
	interrupted := make(chan struct{})
	interrupt := func() {
		defer close(interrupted)
		// Behind the end of the body net/http itself watches an HTTP/1 connection, and
		// would take this for the client's going away.
		if !s.ended.Load() {
			_ = control.SetReadDeadline(time.Unix(1, 0)) // closing the body does not unblock a read
		}
	}
	stop := context.AfterFunc(s.ctx, interrupt)
	return func() {
		if stop() {
			interrupt() // net/http would wait for the rest of the body
		}
		<-interrupted
		s.mu.Lock()
		defer s.mu.Unlock()
		s.released = true
		_ = s.body.Close() // it has no errors
	}
}

// closeUnread announces that an HTTP/1 connection ends with this answer: what is
// left of the body stands in the way of a next request. Net/http announces it itself only
// where it does not read and write at once.
func (s *requestStream) closeUnread(h http.Header) {
	if s != nil && s.http1 && !s.ended.Load() {
		h["Connection"] = connectionClose
	}
}

// Recv returns the next message. See [rpc.Stream].
func (s *requestStream) Recv() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.released {
		return nil, status.Error(codes.Canceled, "the call is over")
	}
	body, err := s.messages.next()
	if err != nil {
		return nil, s.readError(err)
	}
	return s.route.appendPath(append(body, s.query...), len(body), s.path)
}

// readError gives an error of reading our own words. Behind the last message there may be
// more of the body: that is read too, as far as it is little, or else net/http would not
// look for the client's going away.
func (s *requestStream) readError(err error) error {
	if errors.Is(err, io.EOF) {
		_, _ = io.CopyN(io.Discard, s.body, maxBehindLast)
		return io.EOF
	}
	switch _, known := status.FromError(err); {
	case s.ctx.Err() != nil:
		return rpc.ContextError(s.ctx)
	case known:
		return err
	default:
		return status.Error(codes.Canceled, "the client broke off the request")
	}
}

// maxBehindLast is how much of a body is read behind its last message, in bytes.
const maxBehindLast = 4 << 10
