package rpc_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

// slowReader is a client that reads some messages of a stream and then stops, until its call ends.
type slowReader struct {
	ctx  context.Context
	left int
}

func (*slowReader) Recv() ([]byte, error)        { panic("the request is in the call") }
func (*slowReader) SendHeader(metadata.MD) error { return nil }
func (*slowReader) SetTrailer(metadata.MD)       {}
func (r *slowReader) Send([]byte) error {
	if r.left--; r.left < 0 {
		<-r.ctx.Done()
		return context.Cause(r.ctx)
	}
	return nil
}

// TestSlowReaderHoldsLittle has a backend send without end to a client that stops reading after 64 MiB, by which grpc-go
// would have raised the stream's window. What the backend can send from then on is what the gateway holds.
func TestSlowReaderHoldsLittle(t *testing.T) {
	const size, read, most = 16 << 10, 64 << 20, 1 << 20
	snap := compile(t)
	var sent atomic.Int64
	message := make([]byte, size)
	b := rpctest.Start(t, map[string]rpctest.Handler{watch: func(s *rpctest.Stream) error {
		for {
			if err := s.Send(message); err != nil {
				return err
			}
			sent.Add(size)
		}
	}})
	pool := connect(t, b.Endpoint(rpctest.BackendName))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- pool.Handle(ctx, call(t, snap, watch, "m"), &slowReader{ctx: ctx, left: read / size}) }()
	for before := int64(-1); sent.Load() < read || sent.Load() != before; time.Sleep(200 * time.Millisecond) {
		before = sent.Load()
	}
	if held := sent.Load() - read; held > most {
		t.Errorf("%d bytes are held for a client that does not read", held)
	}
	cancel()
	<-ended
}
