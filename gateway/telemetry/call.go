package telemetry

import (
	"context"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// callLabels follow the semantic conventions for RPC metrics.
type callLabels struct {
	method, backend string
	door            rpc.Door
	code            codes.Code
}

func (l callLabels) values() []string {
	return []string{strings.TrimPrefix(l.method, "/"), l.backend, string(l.door), transport.CodeName(l.code)}
}

// Calls measures each call that goes through it, as one that ends.
func (m *Metrics) Calls(next rpc.Handler) rpc.Handler {
	if m == nil {
		return next
	}
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		start := time.Now()
		err := next(ctx, c, s)
		m.calls.observe(callLabels{c.Method.Path, c.Method.Service.Backend.Name, c.Door, status.Code(err)}, time.Since(start))
		return err
	}
}
