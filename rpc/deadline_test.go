package rpc_test

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

type contextKey string

// deadlines are the two ways to a context with a deadline, which must look alike.
var deadlines = map[string]func(context.Context, time.Time) (context.Context, func()){
	"plain": func(ctx context.Context, at time.Time) (context.Context, func()) {
		ctx, cancel := context.WithDeadline(ctx, at)
		return ctx, cancel
	},
	"lazy": func(ctx context.Context, at time.Time) (context.Context, func()) {
		d := rpc.WithDeadline(ctx, at)
		return d, d.Release
	},
}

func TestDeadlineContexts(t *testing.T) {
	errTold := errors.New("told")
	tests := []struct {
		name  string
		after func(cancel context.CancelCauseFunc, release func())
		err   error
		cause error
	}{
		{"under way", func(context.CancelCauseFunc, func()) {}, nil, nil},
		{"its time is over", func(context.CancelCauseFunc, func()) { time.Sleep(time.Minute) }, context.DeadlineExceeded, context.DeadlineExceeded},
		{"its caller is gone", func(cancel context.CancelCauseFunc, _ func()) { cancel(errTold) }, context.Canceled, errTold},
		{"its call is over", func(_ context.CancelCauseFunc, release func()) { release() }, context.Canceled, context.Canceled},
		{"its call is over, then its time", func(_ context.CancelCauseFunc, release func()) { release(); time.Sleep(time.Minute) }, context.Canceled, context.Canceled},
	}
	for kind, within := range deadlines {
		for _, test := range tests {
			for _, waited := range []bool{false, true} {
				t.Run(kind+"/"+test.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						caller, cancel := context.WithCancelCause(context.WithValue(t.Context(), contextKey("who"), "alice"))
						defer cancel(nil)
						at := time.Now().Add(time.Minute)
						ctx, release := within(caller, at)
						defer release()
						var child context.Context
						if waited {
							var stop func()
							child, stop = context.WithCancel(ctx)
							defer stop()
						}
						test.after(cancel, release)
						synctest.Wait()
						if got, ok := ctx.Deadline(); !ok || !got.Equal(at) {
							t.Errorf("deadline %v, want %v", got, at)
						}
						if who := ctx.Value(contextKey("who")); who != "alice" {
							t.Errorf("value %v", who)
						}
						checkEnd(t, ctx, test.err, test.cause)
						if waited {
							checkEnd(t, child, test.err, test.cause)
						}
					})
				})
			}
		}
	}
}

func checkEnd(t *testing.T, ctx context.Context, err, cause error) {
	t.Helper()
	if !errors.Is(ctx.Err(), err) || (err == nil) != (ctx.Err() == nil) {
		t.Errorf("err %v, want %v", ctx.Err(), err)
	}
	select {
	case <-ctx.Done():
		if err == nil {
			t.Error("it is done")
		}
	default:
		if err != nil {
			t.Error("it is not done")
		}
	}
	if got := context.Cause(ctx); !errors.Is(got, cause) {
		t.Errorf("cause %v, want %v", got, cause)
	}
}

// TestDeadlineAtOnce waits, derives and ends at once, and looks at the context after its call, as
// grpc does. Derived contexts have no goroutines.
func TestDeadlineAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	for range 200 {
		d := rpc.WithDeadline(t.Context(), time.Now().Add(time.Hour))
		var users sync.WaitGroup
		for range 4 {
			users.Go(func() {
				child, cancel := context.WithCancel(d)
				defer cancel()
				<-child.Done()
				if child.Err() == nil || d.Err() == nil || d.Value(contextKey("none")) != nil {
					t.Error("the end of the context does not show")
				}
			})
		}
		d.Release()
		users.Wait()
		<-d.Done()
	}
	if after := runtime.NumGoroutine(); after > before+2 {
		t.Errorf("%d goroutines, and %d before", after, before)
	}
}
