package graph

import (
	"context"
	"fmt"
	"testing"

	"github.com/99designs/gqlgen/graphql"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const watchProto = `
syntax = "proto3";
package watch.v1;
service Watch { rpc WatchIt(It) returns (stream It); }
message It { int32 n = 1; }
`

// watch starts a subscription whose call is carried out by h.
func watch(t *testing.T, ctx context.Context, h rpc.Handler, o Options) graphql.ResponseHandler {
	t.Helper()
	snap := rpctest.Compile(t, map[string]string{"watch.proto": watchProto})
	g, _ := New(snap, h, o)
	params := &graphql.RawParams{Query: `subscription { watchIt(n: 1) { n } }`}
	op, errs := g.Executor().CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	next, _ := g.Executor().DispatchOperation(ctx, op)
	return next
}

// TestSilentSubscriptionEnds: a stream on which nothing comes ends with its client, and
// the handler has returned when the subscription has.
func TestSilentSubscriptionEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	called, over := make(chan struct{}), false
	next := watch(t, ctx, func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
		close(called)
		<-ctx.Done()
		over = true
		return rpc.ContextError(ctx)
	}, Options{})
	go func() {
		<-called
		cancel()
	}()
	if r := next(ctx); r != nil {
		t.Errorf("got %s, %v", r.Data, r.Errors)
	}
	if !over {
		t.Error("the call was still under way")
	}
	if r := next(ctx); r != nil {
		t.Errorf("got %s after the end", r.Data)
	}
}

// TestSubscriptionHoldsTheBackendBack: a message is taken from the backend when it is asked for.
func TestSubscriptionHoldsTheBackendBack(t *testing.T) {
	sent := make(chan int, 10)
	next := watch(t, t.Context(), func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		for n := range 3 {
			if err := s.Send([]byte{8, byte(n + 1)}); err != nil {
				return err
			}
			sent <- n
		}
		return nil
	}, Options{})
	for n := range 3 {
		if len(sent) > n {
			t.Errorf("%d messages were taken before message %d was asked for", len(sent), n)
		}
		if r := next(t.Context()); r == nil || string(r.Data) != fmt.Sprintf(`{"watchIt":{"n":%d}}`, n+1) {
			t.Fatalf("message %d: %v", n, r)
		}
	}
	if r := next(t.Context()); r != nil {
		t.Errorf("got %s after the end", r.Data)
	}
}

// TestSubscriptionPanic: a panic of the chain ends the subscription with INTERNAL, and is reported.
func TestSubscriptionPanic(t *testing.T) {
	var told any
	o := Options{HTTP: HTTPOptions{Panicked: func(_ context.Context, value any, stack []byte) {
		if len(stack) > 0 {
			told = value
		}
	}}}
	next := watch(t, t.Context(), func(context.Context, *rpc.Call, rpc.Stream) error { panic("oh") }, o)
	r := next(t.Context())
	if r == nil || len(r.Errors) != 1 || r.Errors[0].Extensions["code"] != "INTERNAL" || r.Errors[0].Message != "internal error" {
		t.Errorf("got %v", r)
	}
	if told != "oh" {
		t.Errorf("told of %v", told)
	}
	if r := next(t.Context()); r != nil {
		t.Errorf("got %s after the end", r.Data)
	}
}
