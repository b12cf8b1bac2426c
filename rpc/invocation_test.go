package rpc_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// scopedContext is a context with a scope, as that of a request is.
type scopedContext struct {
	context.Context
	rpc.Scope
}

// callers are the contexts that calls are made in, and how each of them ends.
var callers = map[string]func(context.Context) (_ context.Context, end func()){
	"plain": func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancel(ctx)
		return ctx, cancel
	},
	"values": func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancel(ctx)
		return rpc.WithPrincipal(context.WithValue(ctx, contextKey("who"), "alice"), &rpc.Principal{Subject: "alice"}), cancel
	},
	"scope that asks": func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancel(ctx)
		s := &scopedContext{Context: ctx}
		s.Open(ctx, false)
		return s, cancel
	},
	"scope that is told": func(ctx context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancel(ctx)
		s := &scopedContext{Context: ctx}
		s.Open(ctx, true)
		return rpc.WithPrincipal(s, &rpc.Principal{Subject: "alice"}), func() { cancel(); s.End() }
	},
}

// A backend that says nothing is left at the deadline, or when the caller goes, whatever context the
// caller has; so is one that nothing can be sent to yet.
func TestInvocationEnds(t *testing.T) {
	snap := compile(t)
	for name, caller := range callers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hang := rpctest.NewHang()
			silent := rpctest.Start(t, map[string]rpctest.Handler{get: hang.Handle})
			pool := connect(t, silent.Endpoint(rpctest.BackendName))
			for range 3 { // the timer is set again
				ctx, end := caller(t.Context())
				d := rpc.WithDeadline(ctx, time.Now().Add(500*time.Millisecond)) // the backend is reached before
				_, err := rpc.Unary(d, pool.Handle, call(t, snap, get, ""))
				wantMade(t, err, codes.DeadlineExceeded, "the deadline of the call passed")
				hang.WaitStarted(t)
				hang.WaitCancelled(t)
				d.Release()
				end()

				ctx, end = caller(t.Context())
				d = rpc.WithDeadline(ctx, time.Now().Add(time.Hour))
				done := make(chan error, 1)
				go func() {
					_, err := rpc.Unary(d, pool.Handle, call(t, snap, get, ""))
					done <- err
				}()
				hang.WaitStarted(t)
				end()
				wantMade(t, rpctest.Wait(t, done, "the call to end"), codes.Canceled, "the call was cancelled")
				hang.WaitCancelled(t)
				if _, err := rpc.Unary(d, pool.Handle, call(t, snap, get, "")); status.Code(err) != codes.Canceled {
					t.Errorf("after the end of its caller: %v", err)
				}
				d.Release()
			}
		})
	}
}

// The attempts of a call have one deadline and a context each.
func TestInvocationsOfOneCall(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{get: rpctest.Echo})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	d := rpc.WithDeadline(t.Context(), time.Now().Add(time.Hour))
	defer d.Release()
	var attempts sync.WaitGroup
	for range 8 {
		attempts.Go(func() {
			for range 20 {
				if r, err := rpc.Unary(d, pool.Handle, call(t, snap, get, "x")); err != nil || string(r.Message) != "x" {
					t.Errorf("%q, %v", r.Message, err)
				}
			}
		})
	}
	attempts.Wait()
}

// A deadline is kept behind later ones, before them, and after others have passed.
func TestDeadlinesInAnyOrder(t *testing.T) {
	snap := compile(t)
	hang := rpctest.NewHang()
	silent := rpctest.Start(t, map[string]rpctest.Handler{get: hang.Handle})
	pool := connect(t, silent.Endpoint(rpctest.BackendName))
	patient, leave := context.WithCancel(t.Context())
	defer leave()
	ended := make(chan error, 10)
	start := func(ctx context.Context, timeout time.Duration) {
		d := rpc.WithDeadline(ctx, time.Now().Add(timeout))
		go func() {
			defer d.Release()
			_, err := rpc.Unary(d, pool.Handle, call(t, snap, get, ""))
			ended <- err
		}()
		hang.WaitStarted(t)
	}
	start(patient, time.Hour)
	for _, milliseconds := range []int{600, 1200, 900, 300, 1000} {
		start(t.Context(), time.Duration(milliseconds)*time.Millisecond)
	}
	start(patient, 2*time.Hour)
	for range 5 {
		wantMade(t, rpctest.Wait(t, ended, "a deadline"), codes.DeadlineExceeded, "the deadline of the call passed")
	}
	leave()
	for range 2 {
		wantMade(t, rpctest.Wait(t, ended, "the call to end"), codes.Canceled, "the call was cancelled")
	}
}

// Calls end in every order with their answers, deadlines and callers, many in one scope.
func TestInvocationsAtOnce(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{get: func(s *rpctest.Stream) error {
		time.Sleep(rand.N(2 * time.Millisecond))
		return rpctest.Echo(s)
	}})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	for name, caller := range callers {
		t.Run(name, func(t *testing.T) {
			var calls sync.WaitGroup
			for range 50 {
				ctx, end := caller(t.Context())
				for range 4 {
					calls.Go(func() {
						d := rpc.WithDeadline(ctx, time.Now().Add(rand.N(4*time.Millisecond)))
						defer d.Release()
						r, err := rpc.Unary(d, pool.Handle, call(t, snap, get, "x"))
						switch status.Code(err) {
						case codes.OK:
							if string(r.Message) != "x" {
								t.Errorf("the answer is %q", r.Message)
							}
						case codes.DeadlineExceeded, codes.Canceled:
						default:
							t.Error(err)
						}
					})
				}
				time.AfterFunc(rand.N(4*time.Millisecond), end)
			}
			calls.Wait()
		})
	}
}

// Backends hear of the time that is left, at most a millisecond more, and mostly in the same words.
func TestTimeoutForBackends(t *testing.T) {
	snap := compile(t)
	const timeout = 20 * time.Second
	var said []string
	address := rpctest.StartHTTP(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		said = append(said, r.Header.Get("Grpc-Timeout"))
		w.Header().Set("Content-Type", "application/grpc")
		w.Header().Set("Grpc-Status", "0")
	}))
	pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: address})
	for range 20 {
		d := rpc.WithDeadline(t.Context(), time.Now().Add(timeout))
		_, _ = rpc.Unary(d, pool.Handle, call(t, snap, get, "")) // there is no message
		d.Release()
	}
	same := 0
	for _, text := range said {
		number, micros := strings.CutSuffix(text, "u")
		n, err := strconv.Atoi(number)
		if left := time.Duration(n) * time.Microsecond; !micros || err != nil || left > timeout || left < timeout-rpctest.Patience {
			t.Errorf("a backend was told %q", text)
		}
		if text == "20000000u" {
			same++
		}
	}
	if len(said) != 20 || same == 0 {
		t.Errorf("of %d backends %d were told the whole time: %v", len(said), same, said)
	}
}

// What grpc-go derives ends with the invocation, also where it asks when that has ended.
func TestInvocationAsParent(t *testing.T) {
	for name, early := range map[string]bool{"derived before": true, "derived after": false} {
		t.Run(name, func(t *testing.T) {
			d := rpc.WithDeadline(t.Context(), time.Now().Add(time.Hour))
			ctx, end := rpc.Invocation(d)
			var children []context.Context
			derive := func() {
				for range 3 {
					child, cancel := context.WithCancel(ctx)
					t.Cleanup(cancel)
					children = append(children, child)
				}
			}
			if early {
				derive()
			}
			end(context.DeadlineExceeded)
			end(context.Canceled) // too late
			if !early {
				derive()
			}
			for _, child := range append(children, ctx) {
				rpctest.Wait(t, child.Done(), "the end")
				if !errors.Is(child.Err(), context.DeadlineExceeded) {
					t.Errorf("it ended with %v", child.Err())
				}
			}
		})
	}
}
