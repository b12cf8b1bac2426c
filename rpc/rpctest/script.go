package rpctest

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"google.golang.org/grpc/status"
)

// Patience is how long a test waits for what must happen before it fails.
const Patience = 10 * time.Second

// Answer returns a handler that reads all requests and then sends messages.
func Answer(messages ...[]byte) Handler {
	return func(s *Stream) error {
		if err := drain(s); err != nil {
			return err
		}
		for _, m := range messages {
			if err := s.Send(m); err != nil {
				return err
			}
		}
		return nil
	}
}

// Echo answers each message with itself.
func Echo(s *Stream) error {
	for {
		m, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(m); err != nil {
			return err
		}
	}
}

// Fail returns a handler that ends calls with a status, without headers or messages.
func Fail(st *status.Status) Handler {
	return func(*Stream) error { return st.Err() }
}

func drain(s *Stream) error {
	for {
		if _, err := s.Recv(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Hang is a method that never answers and tells when it was called and when the
// call was cancelled.
type Hang struct{ started, cancelled chan struct{} }

// NewHang returns a method that waits for up to 100 calls to be cancelled.
func NewHang() *Hang {
	return &Hang{make(chan struct{}, 100), make(chan struct{}, 100)}
}

// afterDeadline is how long a [Hang] stays silent behind the deadline that it was told: its
// own word about that would otherwise race with its caller's.
const afterDeadline = 300 * time.Millisecond

// Handle is the [Handler].
func (h *Hang) Handle(s *Stream) error {
	h.started <- struct{}{}
	<-s.Context().Done()
	h.cancelled <- struct{}{}
	if errors.Is(s.Context().Err(), context.DeadlineExceeded) {
		time.Sleep(afterDeadline)
	}
	return status.FromContextError(s.Context().Err()).Err()
}

// WaitStarted returns when a further call has arrived.
func (h *Hang) WaitStarted(t testing.TB) {
	t.Helper()
	Wait(t, h.started, "the call to reach the backend")
}

// WaitCancelled returns when a further call was cancelled.
func (h *Hang) WaitCancelled(t testing.TB) {
	t.Helper()
	Wait(t, h.cancelled, "the cancellation to reach the backend")
}

// Wait receives from a channel, and fails the test if nothing comes for long.
func Wait[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(Patience):
		t.Fatalf("waited in vain for %s", what)
		panic("unreachable")
	}
}
