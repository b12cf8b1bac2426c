package rpctest

import (
	"context"
	"io"
	"sync"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// Client is the client's side of a call: an [rpc.Stream] that a test reads and writes.
type Client struct {
	// Requests are returned by Recv until the channel is closed. Nil blocks.
	Requests chan []byte
	// Responses receives what is sent. Send blocks while it is full.
	Responses chan []byte

	ctx             context.Context
	mu              sync.Mutex
	header, trailer metadata.MD
	headerSent      chan struct{}
}

var _ rpc.Stream = (*Client)(nil)

// NewClient returns a client whose call ends with ctx, and that has room for some messages.
func NewClient(ctx context.Context) *Client {
	return &Client{
		Requests:   make(chan []byte, 100),
		Responses:  make(chan []byte, 100),
		ctx:        ctx,
		headerSent: make(chan struct{}),
	}
}

// Recv implements [rpc.Stream].
func (c *Client) Recv() ([]byte, error) {
	select {
	case m, ok := <-c.Requests:
		if !ok {
			return nil, io.EOF
		}
		return m, nil
	case <-c.ctx.Done():
		return nil, rpc.ContextError(c.ctx)
	}
}

// SendHeader implements [rpc.Stream].
func (c *Client) SendHeader(md metadata.MD) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.header = md
	close(c.headerSent) // a second time is a fault of the handler and panics
	return nil
}

// Send implements [rpc.Stream].
func (c *Client) Send(m []byte) error {
	select {
	case c.Responses <- m:
		return nil
	case <-c.ctx.Done():
		return rpc.ContextError(c.ctx)
	}
}

// SetTrailer implements [rpc.Stream].
func (c *Client) SetTrailer(md metadata.MD) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trailer = metadata.Join(c.trailer, md)
}

// HeaderSent is closed when headers were sent.
func (c *Client) HeaderSent() <-chan struct{} { return c.headerSent }

// Header returns the headers that were sent.
func (c *Client) Header() metadata.MD {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.header
}

// Trailer returns the trailers that were set.
func (c *Client) Trailer() metadata.MD {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.trailer
}
