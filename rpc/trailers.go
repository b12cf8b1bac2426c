package rpc

import (
	"context"

	"google.golang.org/grpc/stats"
)

// trailerWatch notes on an exchange that the backend's trailers arrived.
//
// grpc-go returns the status a backend sent and the statuses it makes itself as
// one type. What tells them apart is whether well-formed trailers came, and
// that only a stats handler is told: the trailer metadata of a call is empty
// both for a failed connection and for trailers with nothing but a status.
type trailerWatch struct{}

type exchangeKey struct{}

func (trailerWatch) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.InTrailer); !ok {
		return
	}
	if x, ok := ctx.Value(exchangeKey{}).(*exchange); ok {
		x.ended.Store(true)
	}
}

func (trailerWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (trailerWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (trailerWatch) HandleConn(context.Context, stats.ConnStats)                       {}
