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
		usage.Called(clientOf(ctx), c.Method.Path)
		return next(ctx, c, s)
	}
}

// ran notes which client runs which document.
func (m *viewMaker) ran(ctx context.Context, document string) { m.usage.Ran(clientOf(ctx), document) }

// clientOf names the client to the gate.
func clientOf(ctx context.Context) string {
	if p := rpc.PrincipalFrom(ctx); p != nil {
		return p.Subject
	}
	return "anonymous"
}

// comparedDocuments bounds how many documents of clients a comparison looks at. Clients that
// write values into their documents have one for each.
const comparedDocuments = 2000
