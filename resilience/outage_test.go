package resilience

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// TestBreakerChanges lasts through two outages: each is reported as it begins, is probed first and ends, however many
// probes fail within.
func TestBreakerChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var breaker Breaker
		var changes []string
		breaker.Changed = func(c BreakerChange) {
			changes = append(changes, fmt.Sprintf("%s %v %d", c.State, status.Code(c.Reason), c.Reopened))
		}
		backend := &failing{}
		h, c := breaker.Middleware(backend.handle), callOf(&policyv1.Policy{})
		for _, outage := range []struct {
			code   codes.Code
			probes int
		}{{codes.Unavailable, 3}, {codes.Internal, 1}} {
			backend.set(outage.code)
			callTimes(backend, h, c, 50)
			for range outage.probes {
				time.Sleep(6 * time.Second)
				callTimes(backend, h, c, 50)
			}
			backend.set(codes.OK)
			time.Sleep(6 * time.Second)
			callTimes(backend, h, c, 50)
		}
		want := []string{
			"open Unavailable 0", "half-open OK 0", "closed OK 3",
			"open Internal 0", "half-open OK 0", "closed OK 1",
		}
		if !slices.Equal(changes, want) {
			t.Errorf("reported were %q, want %q", changes, want)
		}
	})
}
