package gateway

import (
	"context"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

// usageHorizon is how long what a client used counts.
const usageHorizon = 7 * 24 * time.Hour

// ran notes which client runs which document.
func (m *viewMaker) ran(ctx context.Context, document string) {
	m.policies.usage.Ran(clientOf(ctx), document)
}

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
