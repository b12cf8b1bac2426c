package rpc_test

import (
	"testing"

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
	b.ReportAllocs()
	for b.Loop() {
		if _, err := rpc.Unary(b.Context(), pool.Handle, c); err != nil {
			b.Fatal(err)
		}
	}
}
