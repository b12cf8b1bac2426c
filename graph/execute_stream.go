package graph

import (
	"context"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// stream makes a call of a method that takes a stream of messages, all of which are
// known before, and answers once.
func (x *execution) stream(ctx context.Context, m *schema.Method, messages [][]byte) ([]byte, error) {
	u := &unary{listStream: listStream{messages: messages}}
	x.callOf(&u.call, m, nil)
	return x.exchange(ctx, u)
}

// listStream is the client's side of a stream whose messages are a list. Recv
// and the rest touch different fields, so one goroutine each may call them.
type listStream struct {
	messages [][]byte
	answer   []byte
	answers  int
}

func (s *listStream) Recv() ([]byte, error) {
	if len(s.messages) == 0 {
		return nil, io.EOF
	}
	next := s.messages[0]
	s.messages = s.messages[1:]
	return next, nil
}

func (s *listStream) Send(message []byte) error {
	s.answer = message
	s.answers++
	return nil
}

// collect calls a method that answers with a stream, and takes so many messages as the option says. Then
// the stream is cut off. A method without a time limit of its own has that of unary calls.
func (x *execution) collect(ctx context.Context, r *root, request []byte) ([][]byte, error) {
	if err := x.enter(ctx); err != nil {
		return nil, err
	}
	defer x.leave()
	timeout := r.method.Timeout
	if timeout == 0 {
		timeout = schema.DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	c := &collector{most: r.collect, room: r.method.Limits.ResponseBytes, cut: cancel}
	var call rpc.Call
	x.callOf(&call, r.method, request)
	err := x.graph.handler(ctx, &call, c)
	switch {
	case len(c.taken) == c.most:
		return c.taken, nil // an error is that of cutting the stream off
	case c.room < 0:
		return nil, rpc.ResponseTooLarge("the messages of the stream are larger than the limit of a response")
	}
	return c.taken, err
}

// collector keeps the messages of a stream. Send and the rest may be called by one goroutine each.
type collector struct {
	listStream
	taken [][]byte
	most  int
	room  int // bytes; negative: there were more
	cut   context.CancelFunc
}

func (c *collector) Send(message []byte) error {
	if len(c.taken) == c.most || c.room < 0 {
		return status.Error(codes.Canceled, "there are enough messages")
	}
	if c.room -= len(message); c.room >= 0 {
		c.taken = append(c.taken, message)
	}
	if len(c.taken) == c.most || c.room < 0 {
		c.cut()
	}
	return nil
}

// Headers and trailers have no place in a GraphQL response.

func (*listStream) SendHeader(metadata.MD) error { return nil }
func (*listStream) SetTrailer(metadata.MD)       {}
