package telemetry

import (
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
)

// callLabels follow the semantic conventions for RPC metrics.
type callLabels struct {
	method, backend string
	door            rpc.Door
	code            codes.Code
}

func (l callLabels) values() []string {
	return []string{strings.TrimPrefix(l.method, "/"), l.backend, string(l.door), nameOf(l.code)}
}

// nameOf spells a code as gRPC's specification does, such as NOT_FOUND.
func nameOf(c codes.Code) string {
	if name, known := codeNames[c]; known {
		return name
	}
	return "CODE_" + strconv.Itoa(int(c))
}

var codeNames = map[codes.Code]string{
	codes.OK:                 "OK",
	codes.Canceled:           "CANCELLED",
	codes.Unknown:            "UNKNOWN",
	codes.InvalidArgument:    "INVALID_ARGUMENT",
	codes.DeadlineExceeded:   "DEADLINE_EXCEEDED",
	codes.NotFound:           "NOT_FOUND",
	codes.AlreadyExists:      "ALREADY_EXISTS",
	codes.PermissionDenied:   "PERMISSION_DENIED",
	codes.ResourceExhausted:  "RESOURCE_EXHAUSTED",
	codes.FailedPrecondition: "FAILED_PRECONDITION",
	codes.Aborted:            "ABORTED",
	codes.OutOfRange:         "OUT_OF_RANGE",
	codes.Unimplemented:      "UNIMPLEMENTED",
	codes.Internal:           "INTERNAL",
	codes.Unavailable:        "UNAVAILABLE",
	codes.DataLoss:           "DATA_LOSS",
	codes.Unauthenticated:    "UNAUTHENTICATED",
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
