package translate

import (
	"bytes"
	"io"
	"net/http"
	"strconv"
	"sync"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

// exchange is one request and its answer: what the stages share, and buffers
// that the next request uses again. Nothing that a handler may keep is in it.
type exchange struct {
	rest     *REST
	route    *route
	writer   http.ResponseWriter
	headers  requestHeaders
	path     path
	accepted accepted
	answer   *answer
	lasting  *lasting // from the time that there is a route; not of a WebSocket

	buffer bytes.Buffer // holds body
	body   []byte       // the request's body
	json   []byte       // scratch for the answer
	coded  bytes.Buffer // the answer in a content coding
	seen   []seenParameter
	in     *requestStream // of a client stream, or nil

	trailer metadata.MD // of a call that failed before anything was written

	form      *query // that the body was, or nil
	moreQuery string // parameters that came as body of a binding that has none
	matched   bool   // If-Match went to the backend as a field
	sink      wire.Sink
	denied    *rpc.Denied // what the caller may not see; nil where absent fields are not written
	unary     unaryStream
}

// lasting is what others may keep of a request, and what is therefore never used again: one piece of
// memory in place of several small ones.
type lasting struct {
	call   rpc.Call
	tag    [1]string // the value of the header Etag
	digest digestTag // what it is where the backend says no etag
	room   [56]byte  // for the request message, if it is short
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// maxPooled is the largest buffer, in bytes, that is kept for the next request.
const maxPooled = 64 << 10

// release gives an exchange back. What came from the client or the backend is let go.
func (x *exchange) release() {
	x.rest, x.route, x.writer, x.body = nil, nil, nil, nil
	x.headers, x.accepted, x.answer, x.lasting = requestHeaders{}, accepted{}, nil, nil
	x.form, x.moreQuery, x.matched = nil, "", false
	x.trailer = nil
	x.unary = unaryStream{}
	x.sink, x.denied = wire.Sink{}, nil
	x.path = path{parts: emptied(x.path.parts)}
	x.seen = emptied(x.seen)
	for _, b := range [...]*bytes.Buffer{&x.buffer, &x.coded} {
		if b.Reset(); b.Cap() > maxPooled {
			*b = bytes.Buffer{}
		}
	}
	if cap(x.json) > maxPooled {
		x.json = nil
	}
	exchanges.Put(x)
}

// maxPooledItems is the longest list that is kept for the next request.
const maxPooledItems = 256

// emptied returns an empty list that still has the room of a short one.
func emptied[T any](list []T) []T {
	if cap(list) > maxPooledItems {
		return nil
	}
	clear(list[:cap(list)])
	return list[:0]
}

// recv returns the next message of a client stream.
func (x *exchange) recv() ([]byte, error) {
	if x.in == nil {
		return nil, io.EOF
	}
	return x.in.Recv()
}

// watchDenied returns what is to be told which fields the caller may not see.
func (x *exchange) watchDenied() *rpc.Denied {
	if x.answer.options.EmitDefaults {
		x.denied = new(rpc.Denied)
	}
	return x.denied
}

// newSink bounds what is written for one message.
func (x *exchange) newSink() *wire.Sink {
	x.sink = wire.Sink{MaxBytes: x.route.method.Limits.JSONBytes}
	if x.denied != nil && !x.denied.Empty() {
		x.sink.Denied = x.denied.Has
	}
	return &x.sink
}

// shortBody is a length, in bytes, up to which net/http finds out the length of a body by
// itself: it has the whole in a buffer before it writes the head.
const shortBody = 2000

// writeWhole writes an answer whose headers, but for its length, are set.
func writeWhole(w http.ResponseWriter, status int, body []byte) {
	if n := len(body); n > 0 && n <= shortBody && bodyAllowed(status) {
		w.Header()["X-Content-Type-Options"] = noSniff
		w.WriteHeader(status)
	} else if !writeHead(w, status, n) {
		return
	}
	_, _ = w.Write(body) // a client that is gone needs no answer
}

// writeHead writes the head of an answer and reports whether it may have a body.
func writeHead(w http.ResponseWriter, status, length int) bool {
	h := w.Header()
	h["X-Content-Type-Options"] = noSniff
	allowed := bodyAllowed(status)
	if allowed {
		h["Content-Length"] = []string{strconv.Itoa(length)}
	} else {
		delete(h, "Content-Type")
	}
	w.WriteHeader(status)
	return allowed
}

// bodyAllowed reports whether a status may come with a body (RFC 9110, sections 6.4.1 and 15.3.6).
func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusResetContent && status != http.StatusNotModified
}
