package translate

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/wire"
)

const typeNDJSON = "application/x-ndjson"

// ndjsonReader reads the messages of a client stream from a body in NDJSON: one
// JSON document a line, empty lines left out, each completed by query and path as a single
// request is. It belongs to one call. A Recv may outlast the handler of the call, but
// not the release of the reader, and then finds nothing.
type ndjsonReader struct {
	ctx    context.Context //nolint:containedctx // of this one call
	route  *route
	path   *path
	query  []byte // what the query parameters set in each message
	number int    // of the line, from 1
	line   []byte
	ended  atomic.Bool // the body was read to its end
	http1  bool

	mu       sync.Mutex // held while the body is read
	lines    *bufio.Reader
	released bool
}

// openLines prepares to read a client stream, and returns the field mask for the
// answer. Release ends reading: it must be called before the handler of HTTP returns.
func (x *exchange) openLines(ctx context.Context, r *http.Request) (in *ndjsonReader, mask string, release func(), err error) {
	if err := errors.Join(identityEncoding(r.Header), ndjsonContent(r.Header)); err != nil {
		return nil, "", nil, err
	}
	q := query{route: x.route}
	if err := q.read(r.URL.RawQuery, x.rest.queryParameters); err != nil {
		return nil, "", nil, err
	}
	in = &ndjsonReader{
		ctx: ctx, route: x.route, path: &x.path, query: q.wire,
		lines: bufio.NewReader(r.Body), http1: r.ProtoMajor == 1,
	}
	return in, q.mask, in.watch(http.NewResponseController(x.writer)), nil
}

// watch makes a blocked read of the body come back when the context is done, and
// lets answers be written before the body is at its end.
func (n *ndjsonReader) watch(control *http.ResponseController) (release func()) {
	_ = control.EnableFullDuplex() // HTTP/2 has it always
	interrupted := make(chan struct{})
	interrupt := func() {
		defer close(interrupted)
		// Behind the end of the body net/http itself watches an HTTP/1 connection, and
		// would take this for the client's going away.
		if !n.ended.Load() {
			_ = control.SetReadDeadline(time.Unix(1, 0)) // closing the body does not unblock a read
		}
	}
	stop := context.AfterFunc(n.ctx, interrupt)
	return func() {
		if stop() {
			interrupt() // net/http would wait for the rest of the body
		}
		<-interrupted
		n.mu.Lock()
		defer n.mu.Unlock()
		n.released = true
	}
}

// closeUnread announces that an HTTP/1 connection ends with this answer: what is
// left of the body stands in the way of a next request. Net/http announces it itself only
// where it does not read and write at once.
func (n *ndjsonReader) closeUnread(h http.Header) {
	if n != nil && n.http1 && !n.ended.Load() {
		h["Connection"] = []string{"close"}
	}
}

func ndjsonContent(h http.Header) error {
	contentType := h.Get("Content-Type")
	if contentType == "" {
		return nil
	}
	if kind, _, err := mime.ParseMediaType(contentType); err != nil || kind != typeNDJSON {
		return refuse(http.StatusUnsupportedMediaType, "a stream of messages must be "+typeNDJSON)
	}
	return nil
}

// Recv returns the next message. See [rpc.Stream].
func (n *ndjsonReader) Recv() ([]byte, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.released {
		return nil, status.Error(codes.Canceled, "the call is over")
	}
	for {
		line, err := n.readLine()
		if err != nil {
			return nil, n.readError(err)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return n.encode(line)
		}
	}
}

// readLine returns the next line. It is valid until the next call.
func (n *ndjsonReader) readLine() ([]byte, error) {
	n.line = n.line[:0]
	n.number++
	limit := n.route.method.Limits.RequestBytes
	for {
		chunk, err := n.lines.ReadSlice('\n')
		n.line = append(n.line, chunk...)
		switch {
		case len(n.line) > limit:
			return nil, refuse(http.StatusRequestEntityTooLarge,
				fmt.Sprintf("line %d is larger than the limit of %d bytes (limits.request_bytes)", n.number, limit))
		case err == nil, errors.Is(err, io.EOF) && len(n.line) > 0:
			return n.line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (n *ndjsonReader) readError(err error) error {
	switch _, known := status.FromError(err); {
	case errors.Is(err, io.EOF):
		n.ended.Store(true)
		return err
	case n.ctx.Err() != nil:
		return rpc.ContextError(n.ctx)
	case known:
		return err
	default:
		return status.Error(codes.Canceled, "the client broke off the request")
	}
}

// encode returns the message of a line: line ++ query ++ path.
func (n *ndjsonReader) encode(line []byte) ([]byte, error) {
	msg, err := n.route.decodeBody(nil, line)
	if err != nil {
		if fault, ok := errors.AsType[*wire.Error](err); ok && fault.Line > 0 {
			fault.Line = n.number
		}
		return nil, invalidInput("body", n.route.binding.Body, err)
	}
	body := len(msg)
	return n.route.appendPath(append(msg, n.query...), body, n.path)
}
