package translate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// client ties a client's request and answer to the context of its call: once
// that is done, a read of the body or a write that blocks comes back. net/http does the
// same only when the client is gone.
type client struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	method  *schema.Method
	http1   bool
	rest    io.Reader // what is read after the call, or nil

	ctx         context.Context //nolint:containedctx // of this one call; nil before start
	cancel      context.CancelFunc
	unwatch     func() bool
	interrupted chan struct{} // closed when interrupt has run
	patience    patience

	receiving sync.Mutex // held while the body is read
	mu        sync.Mutex
	sending   bool // a write may be blocked
	read      bool // the request was read as far as it will be
	broken    bool // a read may have been interrupted
}

// start begins the call of a method. Every client that was made must be stopped,
// whether it was started or not.
func (c *client) start(m *schema.Method, r *http.Request) error {
	ctx, cancel, err := callContext(m, r)
	if err != nil {
		return err
	}
	c.method, c.cancel = m, cancel
	c.patience, c.ctx = newPatience(ctx, m)
	c.http1 = r.ProtoMajor == 1
	if m.ClientStreams {
		transport.MayStall(r.Body)
	}
	if m.ClientStreams && c.http1 {
		c.duplex(r.Body)
	}
	c.interrupted = make(chan struct{})
	c.unwatch = context.AfterFunc(c.ctx, c.interrupt)
	return nil
}

// duplex lets answers be written before an HTTP/1.1 body is at its end. net/http
// would then take what the client still sends for its next request, should the call end
// first; so there is none on this connection.
func (c *client) duplex(body io.Reader) {
	_ = c.control.EnableFullDuplex() // what cannot do it answers when the body ends
	c.writer.Header()["Connection"] = connectionClose
	c.rest = body
}

var connectionClose = []string{"close"}

// How long the rest of a body is read after its call, and how long for the next of it.
const (
	lingerTime = 500 * time.Millisecond
	lingerIdle = 50 * time.Millisecond
)

// linger reads what an HTTP/1.1 client was still sending when its call ended. A
// connection that is closed with bytes unread is reset, and the client would lose its answer.
func (c *client) linger() {
	if c.rest == nil || c.control.Flush() != nil {
		return
	}
	var scratch [4 << 10]byte
	for end := time.Now().Add(lingerTime); time.Now().Before(end); {
		_ = c.control.SetReadDeadline(time.Now().Add(lingerIdle))
		if _, err := c.rest.Read(scratch[:]); err != nil {
			return
		}
	}
}

func (c *client) interrupt() {
	defer close(c.interrupted)
	c.mu.Lock()
	defer c.mu.Unlock()
	past := time.Unix(1, 0)
	if !c.read {
		c.broken = true
		_ = c.control.SetReadDeadline(past) // connections of net/http always have deadlines
	}
	if c.sending {
		// This breaks the answer off; a client that does not read has no use for a status.
		_ = c.control.SetWriteDeadline(past)
	} else {
		_ = c.control.SetWriteDeadline(time.Now().Add(lastFrameTime))
	}
}

// endReading says that nothing will be read any more. It is for methods that have
// one request. An interrupted read would make net/http think that the client of an HTTP/1.1
// connection is gone, for all requests to come.
func (c *client) endReading() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read = true
	if c.broken && c.http1 {
		c.writer.Header()["Connection"] = connectionClose
	}
}

// stop ends the call. A read that outlasts the handler returns before stop does.
func (c *client) stop() {
	if c.ctx == nil {
		return
	}
	defer c.cancel()
	if !c.method.ClientStreams && c.unwatch() {
		return
	}
	c.cancel()
	<-c.interrupted
	c.receiving.Lock() // waits for the read; all later ones find the context done
	defer c.receiving.Unlock()
	c.linger()
}

// receive reads from the body, one call of read at a time. Its errors are
// statuses, but for io.EOF.
func (c *client) receive(read func() ([]byte, error)) ([]byte, error) {
	c.receiving.Lock()
	defer c.receiving.Unlock()
	if c.ctx.Err() != nil {
		return nil, rpc.ContextError(c.ctx)
	}
	m, err := read()
	if err != nil {
		return nil, c.readError(err)
	}
	return m, nil
}

func (c *client) readError(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	if c.ctx.Err() != nil {
		return rpc.ContextError(c.ctx)
	}
	switch _, known := status.FromError(err); {
	case known:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return status.Error(codes.InvalidArgument, "the request ends within a message")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the request took too long to arrive")
	default:
		return status.Error(codes.Canceled, "the client broke off the request")
	}
}

// boundReading begins to read the one request of a method. A call that may last
// for ever does not wait so long for it.
func (c *client) boundReading() (end func()) {
	if _, bounded := c.ctx.Deadline(); bounded {
		return c.endReading
	}
	_ = c.control.SetReadDeadline(time.Now().Add(schema.DefaultTimeout))
	return func() {
		_ = c.control.SetReadDeadline(time.Time{})
		c.endReading()
	}
}

// send writes to the client, which may block until the context is done.
func (c *client) send(write func() error) error {
	if !c.setSending(true) {
		return rpc.ContextError(c.ctx)
	}
	defer c.setSending(false)
	c.patience.begin()
	defer c.patience.done()
	return c.sent(write())
}

// setSending reports whether the call goes on. Only a write that began before the
// context was done is interrupted, so that the status can still be written.
func (c *client) setSending(on bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if on && c.ctx.Err() != nil {
		return false
	}
	c.sending = on
	return true
}

// sent gives our own words to an error of the network.
func (c *client) sent(err error) error {
	switch {
	case err == nil:
		return nil
	case c.ctx.Err() != nil:
		return rpc.ContextError(c.ctx)
	default:
		return status.Error(codes.Canceled, "the client is gone")
	}
}
