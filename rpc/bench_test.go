package rpc_test

import (
	"context"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// BenchmarkUnary counts the backend's side too: both are in this process.
func BenchmarkUnary(b *testing.B) {
	snap := compile(b)
	backend := rpctest.Start(b, map[string]rpctest.Handler{get: rpctest.Echo})
	pool := connect(b, backend.Endpoint(rpctest.BackendName))
	c := call(b, snap, get, "a note of some forty bytes, as notes are")
	c.Metadata = metadata.Pairs("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	for name, within := range map[string]func() (context.Context, func()){
		"without-deadline": func() (context.Context, func()) { return b.Context(), func() {} },
		"context-deadline": func() (context.Context, func()) {
			ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
			return ctx, cancel
		},
		"deadline": func() (context.Context, func()) {
			d := rpc.WithDeadline(b.Context(), time.Now().Add(time.Minute))
			return d, d.Release
		},
		"deadline-in-scope": func() (context.Context, func()) {
			s := &scopedContext{Context: b.Context()}
			s.Open(b.Context(), true)
			d := rpc.WithDeadline(s, time.Now().Add(time.Minute))
			return d, d.Release
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				ctx, end := within()
				if _, err := rpc.Unary(ctx, pool.Handle, c); err != nil {
					b.Fatal(err)
				}
				end()
			}
		})
	}
}
