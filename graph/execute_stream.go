package graph

import (
	"context"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/schema"
)

// stream makes a call of a method that takes a stream of messages, all of which are
// known before, and answers once.
func (x *execution) stream(ctx context.Context, m *schema.Method, messages [][]byte) ([]byte, error) {
	if err := x.enter(ctx); err != nil {
		return nil, err
	}
	defer x.leave()
	s := &listStream{messages: messages}
	err := x.graph.handler(ctx, x.callOf(m, nil), s)
	if err == nil && s.answers != 1 {
		err = status.Error(codes.Internal, "the backend did not answer with exactly one message")
	}
	if err != nil {
		return nil, err
	}
	return s.answer, nil
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

// Headers and trailers have no place in a GraphQL response.

func (*listStream) SendHeader(metadata.MD) error { return nil }
func (*listStream) SetTrailer(metadata.MD)       {}
