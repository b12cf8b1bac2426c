package translate_test

import (
	"testing"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

// BenchmarkGRPCUnary counts client and backend too: all three are in this process.
func BenchmarkGRPCUnary(b *testing.B) {
	cc, _ := through(b, map[string]rpctest.Handler{get: rpctest.Echo})
	request, response := []byte("a note of some forty bytes, as notes are"), []byte(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := cc.Invoke(b.Context(), get, &request, &response); err != nil {
			b.Fatal(err)
		}
	}
}
