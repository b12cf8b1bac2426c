package graph

import (
	"context"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// eventSource pulls the messages that a backend's stream pushes for its one root field. Nothing is kept
// between: a message waits in Send until it is asked for, which holds the backend back.
type eventSource struct {
	ctx       context.Context // of the backend's call
	cancel    context.CancelFunc
	execution *execution
	call      rpc.Call
	answers   [1]answer
	// room is that of respond. Nil: responses may be kept.
	room    *[]byte
	started bool
	ended   bool
	events  chan []byte
	result  chan error // of the call, once
}

func newEventSource(ctx context.Context, x *execution) *eventSource {
	ctx, cancel := context.WithCancel(ctx)
	return &eventSource{
		ctx:       ctx,
		cancel:    cancel,
		execution: x,
		events:    make(chan []byte),
		result:    make(chan error, 1),
	}
}

// next is the ResponseHandler: it returns the response to the next event, one with the error
// if the stream ended with one, and then nil.
func (s *eventSource) next(ctx context.Context) *graphql.Response {
	if s.ended {
		return nil
	}
	if !s.started {
		s.started = true
		go s.run()
	}
	select {
	case message := <-s.events:
		return s.event(message)
	case err := <-s.result:
		if ctx.Err() != nil {
			err = nil // the call ended because its client has gone
		}
		return s.end(err)
	case <-ctx.Done():
		s.stop()
		return s.end(nil)
	case <-s.ctx.Done():
		s.stop()
		return s.end(nil)
	}
}

// stop resets the backend's stream and waits until its call is over.
func (s *eventSource) stop() {
	s.cancel()
	<-s.result //nolint:errcheck // nobody is there to be told
}

// end returns the last response: none where all went well.
func (s *eventSource) end(err error) *graphql.Response {
	s.ended = true
	s.cancel()
	if err == nil {
		return nil
	}
	f := s.execution.operation.plan.fields[0]
	return &graphql.Response{Errors: gqlerror.List{s.execution.graph.failure(err, f, nil)}}
}

// run makes the call. It ends when the call does, which is at once when the context is done.
func (s *eventSource) run() {
	x := s.execution
	s.result <- x.protect(s.ctx, func() error {
		x.callOf(&s.call, x.operation.plan.fields[0].root.method, x.operation.requests[0].message)
		return x.graph.handler(s.ctx, &s.call, s)
	})
}

// event answers one message: what is joined to it is fetched, under the bounds of
// an operation of its own.
func (s *eventSource) event(message []byte) *graphql.Response {
	x := s.execution
	s.answers[0] = answer{message: message}
	if out := x.operation.plan.fields[0].output; len(out.joins) > 0 {
		s.answers[0].join(out, [][]byte{message})
		x = s.join()
	}
	response := &s.execution.response
	if s.room == nil {
		response = new(graphql.Response)
	}
	return x.respond(s.ctx, response, s.room, s.answers[:])
}

// join fetches what is joined to an event.
func (s *eventSource) join() *execution {
	x := new(execution)
	x.begin(s.ctx, s.execution.graph, s.execution.operation)
	x.denied = s.execution.denied
	s.answers[0].err = x.protect(s.ctx, func() error {
		x.join(s.ctx, s.answers[0].sites)
		return nil
	})
	return x
}

// The backend's side.

var _ rpc.Stream = (*eventSource)(nil)

// Send hands a message over and blocks until it is taken.
func (s *eventSource) Send(message []byte) error {
	select {
	case s.events <- message:
		return nil
	case <-s.ctx.Done():
		return rpc.ContextError(s.ctx)
	}
}

// Recv: the request is in the call.
func (*eventSource) Recv() ([]byte, error) { return nil, io.EOF }

func (*eventSource) SendHeader(metadata.MD) error { return nil }
func (*eventSource) SetTrailer(metadata.MD)       {}
