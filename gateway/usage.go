package gateway

import (
	"context"
	"time"

	"github.com/protean-gateway/protean/gateway/gate"
	"github.com/protean-gateway/protean/rpc"
)

// usageHorizon is how long what a client used counts.
const usageHorizon = 7 * 24 * time.Hour

// usedBy notes which client calls which method, so that the gate can say whom a change would hurt.
func usedBy(usage *gate.Usage, next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		client := "anonymous"
		if p := rpc.PrincipalFrom(ctx); p != nil {
			client = p.Subject
		}
		usage.Called(client, c.Method.Path)
		return next(ctx, c, s)
	}
}
