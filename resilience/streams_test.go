package resilience

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// every sends a message of ten bytes so often, until the call ends.
func every(d time.Duration) rpc.Handler {
	return func(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
		ticker := time.NewTicker(d)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				if err := s.Send([]byte("0123456789")); err != nil {
					return err
				}
			case <-ctx.Done():
				return rpc.ContextError(ctx)
			}
		}
	}
}

// reading reads messages until there is an error.
func reading(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
	for {
		if _, err := s.Recv(); err != nil {
			return err
		}
	}
}

func TestStreams(t *testing.T) {
	for _, c := range []struct {
		name    string
		limits  *policyv1.Limits
		backend rpc.Handler
		want    error
		took    time.Duration
	}{
		{"silence", &policyv1.Limits{Idle: seconds(5)}, every(time.Hour), errIdle, 5 * time.Second},
		{"no silence", &policyv1.Limits{Idle: seconds(5), MaxLife: seconds(60)}, every(3 * time.Second), errMaxLife, time.Minute},
		{"life", &policyv1.Limits{MaxLife: seconds(7)}, every(time.Second), errMaxLife, 7 * time.Second},
		{"messages", &policyv1.Limits{StreamMessages: new(uint64(3))}, every(time.Second), errTooManyMessages, 4 * time.Second},
		{"bytes", &policyv1.Limits{StreamBytes: new(uint64(35))}, every(time.Second), errTooManyBytes, 4 * time.Second},
		{"messages of the client", &policyv1.Limits{StreamMessages: new(uint64(2))}, reading, errTooManyMessages, 0},
		{"bytes of the client", &policyv1.Limits{StreamBytes: new(uint64(20))}, reading, errTooManyBytes, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			call := compiled(t, "Watch", &policyv1.Policy{Limits: c.limits})
			synctest.Test(t, func(t *testing.T) {
				client := rpctest.NewClient(t.Context())
				for range 5 {
					client.Requests <- []byte("0123456789")
				}
				start := time.Now()
				err := Streams(c.backend)(t.Context(), call, client)
				if err != c.want || time.Since(start) != c.took {
					t.Errorf("%v after %v", err, time.Since(start))
				}
			})
		})
	}
}

// TestStreamsWaitForTheClient does not take a client that is slow for silence.
func TestStreamsWaitForTheClient(t *testing.T) {
	call := compiled(t, "Watch", &policyv1.Policy{Limits: &policyv1.Limits{Idle: seconds(5)}})
	synctest.Test(t, func(t *testing.T) {
		client := rpctest.NewClient(t.Context())
		client.Responses = make(chan []byte)
		time.AfterFunc(20*time.Second, func() { <-client.Responses })
		start := time.Now()
		err := Streams(func(ctx context.Context, _ *rpc.Call, s rpc.Stream) error {
			if err := s.Send(nil); err != nil {
				return err
			}
			<-ctx.Done()
			return rpc.ContextError(ctx)
		})(t.Context(), call, client)
		if took := time.Since(start); err != errIdle || took < 25*time.Second || took > 30*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// TestStreamsAreNoFault keeps the breaker from counting what our own bounds ended.
func TestStreamsAreNoFault(t *testing.T) {
	for _, err := range []error{errIdle, errMaxLife, errTooManyBytes, errTooManyMessages} {
		if isBackendFailure(err) {
			t.Errorf("%v counts as a failure of the backend", err)
		}
	}
	if got := status.Code(errMaxLife); got != codes.Unavailable {
		t.Errorf("the end of a long life is %v, which clients do not try again", got)
	}
}

func TestStreamsLeaveUnaryCalls(t *testing.T) {
	call := compiled(t, "Read", &policyv1.Policy{Limits: &policyv1.Limits{Idle: seconds(1), StreamBytes: new(uint64(1))}})
	synctest.Test(t, func(t *testing.T) {
		err := Streams(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
			time.Sleep(schema.DefaultTimeout / 2)
			return s.Send(make([]byte, 100))
		})(t.Context(), call, discard{})
		if err != nil {
			t.Error(err)
		}
	})
}
