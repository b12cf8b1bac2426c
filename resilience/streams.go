package resilience

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
)

// boundError ends a stream that is over one of its method's limits. It is not the
// backend's fault, whatever its code.
type boundError struct{ status *status.Status }

func (e *boundError) Error() string              { return e.status.Message() }
func (e *boundError) GRPCStatus() *status.Status { return e.status }

func isOfBounds(err error) bool {
	var e *boundError
	return errors.As(err, &e)
}

func newBoundError(c codes.Code, text string) error { return &boundError{status.New(c, text)} }

var (
	errIdle            = newBoundError(codes.DeadlineExceeded, "the stream was silent for too long")
	errMaxLife         = newBoundError(codes.Unavailable, "the stream has lived as long as it may; open another")
	errTooManyMessages = newBoundError(codes.ResourceExhausted, "the stream has more messages than it may")
	errTooManyBytes    = newBoundError(codes.ResourceExhausted, "the stream has more bytes than it may")
)

// Streams ends streams that are silent for too long, live too long, or carry too much,
// as their methods' limits say. It does nothing to unary calls.
func Streams(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		l := &c.Method.Limits
		if !c.Method.Streams() || (l.Idle == 0 && l.MaxLife == 0 && l.StreamMessages == 0 && l.StreamBytes == 0) {
			return next(ctx, c, s)
		}
		ctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if l.MaxLife > 0 {
			defer time.AfterFunc(l.MaxLife, func() { cancel(errMaxLife) }).Stop()
		}
		b := &bounded{Stream: s, messages: l.StreamMessages, bytes: l.StreamBytes}
		if l.Idle > 0 {
			b.silence = newSilence(l.Idle, cancel)
			defer b.silence.timer.Stop()
		}
		return next(ctx, c, b)
	}
}

// bounded counts what a stream carries.
type bounded struct {
	rpc.Stream
	messages, bytes uint64
	silence         *silence
	in, out         carried // by the goroutines of Recv and of Send
}

type carried struct{ messages, bytes uint64 }

func (b *bounded) Recv() ([]byte, error) {
	m, err := b.Stream.Recv()
	if err != nil {
		return nil, err
	}
	b.silence.broken()
	return m, b.count(&b.in, m)
}

func (b *bounded) Send(m []byte) error {
	if err := b.count(&b.out, m); err != nil {
		return err
	}
	b.silence.pause() // the time that the client takes is not silence
	err := b.Stream.Send(m)
	b.silence.broken()
	return err
}

func (b *bounded) count(c *carried, m []byte) error {
	c.messages++
	c.bytes += uint64(len(m))
	switch {
	case b.messages > 0 && c.messages > b.messages:
		return errTooManyMessages
	case b.bytes > 0 && c.bytes > b.bytes:
		return errTooManyBytes
	}
	return nil
}

// silence ends a stream after a time without messages. A message only notes its time;
// the timer looks whether there was one.
type silence struct {
	bound time.Duration
	since atomic.Int64 // nanoseconds after start; paused while a message is on its way
	start time.Time
	timer *time.Timer
	end   context.CancelCauseFunc
}

func newSilence(bound time.Duration, end context.CancelCauseFunc) *silence {
	s := &silence{bound: bound, start: time.Now(), end: end}
	ready := make(chan struct{})
	s.timer = time.AfterFunc(bound, func() {
		<-ready
		s.look()
	})
	close(ready)
	return s
}

const paused = -1

func (s *silence) pause() {
	if s != nil {
		s.since.Store(paused)
	}
}

func (s *silence) broken() {
	if s != nil {
		s.since.Store(int64(time.Since(s.start)))
	}
}

func (s *silence) look() {
	since := s.since.Load()
	if since == paused {
		s.timer.Reset(s.bound)
		return
	}
	quiet := time.Since(s.start) - time.Duration(since)
	if quiet >= s.bound {
		s.end(errIdle)
		return
	}
	s.timer.Reset(s.bound - quiet)
}
