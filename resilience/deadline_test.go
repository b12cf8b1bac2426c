package resilience

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
)

// TestAttemptsWithinDeadline has a backend that never answers: each attempt ends by its own time, and the
// call by its own, also while it waits for the next attempt.
func TestAttemptsWithinDeadline(t *testing.T) {
	call := compiled(t, "Read", &policyv1.Policy{
		Timeout: &policyv1.Timeout{Call: durationpb.New(10 * time.Second), Attempt: durationpb.New(3 * time.Second)},
		Retry:   &policyv1.Retry{MaxAttempts: proto.Uint32(10), InitialBackoff: durationpb.New(time.Second)},
	})
	synctest.Test(t, func(t *testing.T) {
		var retry Retry
		var seen []time.Duration
		h := Deadline(retry.Middleware(AttemptTimeout(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
			deadline, _ := ctx.Deadline()
			seen = append(seen, time.Until(deadline))
			<-ctx.Done()
			return rpc.ContextError(ctx)
		})))
		start := time.Now()
		err := h(t.Context(), call, discard{})
		if took := time.Since(start); status.Code(err) != codes.DeadlineExceeded || took > 10*time.Second {
			t.Errorf("%v after %v", err, took)
		}
		for i, bound := range seen {
			if bound > 3*time.Second || i == 0 && bound != 3*time.Second {
				t.Errorf("attempt %d had %v", i+1, bound)
			}
		}
		if len(seen) < 3 {
			t.Errorf("%d attempts", len(seen))
		}
	})
}
