package rpc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
)

// showing is a credential that says what it is told to.
type showing struct {
	every time.Duration
	says  atomic.Pointer[status.Status]
	asked atomic.Int64
}

func (s *showing) Every() time.Duration { return s.every }

func (s *showing) Again(context.Context) error {
	s.asked.Add(1)
	return s.says.Load().Err()
}

func TestWatchCaller(t *testing.T) {
	const minute = time.Minute
	revoked, busy := status.New(codes.Unauthenticated, "revoked"), status.New(codes.Unavailable, "busy")
	for name, test := range map[string]struct {
		anonymous bool
		expires   time.Duration // 0: never
		every     time.Duration // 0: it is not checked again
		says      *status.Status
		forget    bool
		ends      bool
		by        time.Duration
	}{
		"anonymous":             {anonymous: true},
		"without an end":        {},
		"it expires":            {expires: 10 * minute, ends: true, by: 10 * minute},
		"it is forgotten":       {expires: 10 * minute, every: minute, says: revoked, forget: true},
		"it is good":            {every: minute},
		"it is good until then": {expires: 10 * minute, every: minute, ends: true, by: 10 * minute},
		"it is revoked":         {every: minute, says: revoked, ends: true, by: minute},
		"it cannot be checked":  {every: minute, says: busy},
		"nobody looks":          {says: revoked},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				shown := &showing{every: test.every}
				shown.says.Store(test.says)
				ctx := t.Context()
				if !test.anonymous {
					who := &rpc.Principal{Subject: "alice"}
					if test.expires > 0 {
						who.Expires = time.Now().Add(test.expires)
					}
					ctx = rpc.WithCaller(ctx, who, shown)
				}
				start := time.Now()
				var ended atomic.Pointer[time.Duration]
				forget := rpc.WatchCaller(ctx, func(err error) {
					took := time.Since(start)
					if !ended.CompareAndSwap(nil, &took) || status.Code(err) != codes.Unauthenticated {
						t.Errorf("ended with %v after %v", err, took)
					}
				})
				if test.forget {
					forget()
				}
				time.Sleep(time.Hour)
				took := ended.Load()
				if (took != nil) != test.ends || took != nil && *took > test.by {
					t.Errorf("ended after %v", took)
				}
				if n := shown.asked.Load(); !test.ends && !test.forget && test.every > 0 && n < 60 {
					t.Errorf("it was looked at %d times in an hour", n)
				}
				forget()
				forget()
			})
		})
	}
}

func TestCallerContext(t *testing.T) {
	type key struct{}
	who := &rpc.Principal{Subject: "alice"}
	ctx := rpc.WithCaller(context.WithValue(t.Context(), key{}, "x"), who, nil)
	if rpc.PrincipalFrom(ctx) != who || ctx.Value(key{}) != "x" {
		t.Error("values are lost")
	}
}
