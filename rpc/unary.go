package rpc

import (
	"context"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// Response is what a unary call returned.
type Response struct {
	Header, Trailer metadata.MD
	Message         []byte
}

// Unary carries out a call of a method without streams and returns its one
// response. No response or more than one is an INTERNAL error. Header and
// Trailer are set for a failed call too, as far as they came.
func Unary(ctx context.Context, h Handler, c *Call) (Response, error) {
	var s single
	err := h(ctx, c, &s)
	if err == nil && s.sent != 1 {
		err = status.Error(codes.Internal, "the backend did not answer with exactly one message")
	}
	if err != nil {
		s.response.Message = nil
	}
	return s.response, err
}

// single is the stream of a unary call whose answer is kept.
type single struct {
	response Response
	sent     int
}

// Recv: the request is in the call.
func (*single) Recv() ([]byte, error) { return nil, io.EOF }

func (s *single) SendHeader(md metadata.MD) error {
	s.response.Header = md
	return nil
}

func (s *single) Send(m []byte) error {
	s.sent++
	s.response.Message = m
	return nil
}

func (s *single) SetTrailer(md metadata.MD) {
	s.response.Trailer = metadata.Join(s.response.Trailer, md)
}
