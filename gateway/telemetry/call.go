package telemetry

import (
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

// CallEnded measures a call, which ended with a status.
func (m *Metrics) CallEnded(c *rpc.Call, err error, took time.Duration) {
	if m != nil {
		m.calls.observe(callLabels{c.Method.Path, c.Method.Service.Backend.Name, c.Door, status.Code(err)}, took)
	}
}
