package translate

import (
	"context"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

const healthService = "grpc.health.v1.Health"

// health answers grpc.health.v1. A service that is in the snapshot is SERVING, as
// is the gateway itself under the empty name: whether a backend is up is said by
// the calls to it.
type health struct {
	known    map[string]bool
	handlers map[protoreflect.Name]rpc.Handler
}

func newHealth(snap *schema.Snapshot, own *schema.Backend) *health {
	h := &health{known: map[string]bool{"": true}}
	for _, services := range [][]*schema.Service{snap.Services, own.Services} {
		for _, s := range services {
			h.known[s.FullName()] = true
		}
	}
	h.handlers = map[protoreflect.Name]rpc.Handler{"Check": h.check, "List": h.list, "Watch": h.watch}
	return h
}

// status returns the status of the service that a request asks for.
func (h *health) status(c *rpc.Call) (healthpb.HealthCheckResponse_ServingStatus, error) {
	var request healthpb.HealthCheckRequest
	if err := proto.Unmarshal(c.Request, &request); err != nil {
		return 0, errMalformedRequest
	}
	if h.known[request.GetService()] {
		return healthpb.HealthCheckResponse_SERVING, nil
	}
	return healthpb.HealthCheckResponse_SERVICE_UNKNOWN, nil
}

var errMalformedRequest = status.Error(codes.InvalidArgument, "the request is not a valid message")

func (h *health) check(_ context.Context, c *rpc.Call, s rpc.Stream) error {
	st, err := h.status(c)
	if err != nil {
		return err
	}
	if st == healthpb.HealthCheckResponse_SERVICE_UNKNOWN {
		return status.Error(codes.NotFound, "unknown service")
	}
	return send(s, &healthpb.HealthCheckResponse{Status: st})
}

func (h *health) list(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
	statuses := make(map[string]*healthpb.HealthCheckResponse, len(h.known))
	for name := range h.known {
		statuses[name] = &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}
	}
	return send(s, &healthpb.HealthListResponse{Statuses: statuses})
}

// watch says the status once: within a snapshot it does not change.
func (h *health) watch(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
	st, err := h.status(c)
	if err != nil {
		return err
	}
	if err := send(s, &healthpb.HealthCheckResponse{Status: st}); err != nil {
		return err
	}
	<-ctx.Done()
	return rpc.ContextError(ctx)
}

func send(s rpc.Stream, m proto.Message) error {
	b, err := proto.Marshal(m)
	if err != nil {
		return err
	}
	return s.Send(b)
}
