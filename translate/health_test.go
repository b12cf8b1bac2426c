package translate_test

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
)

func TestHealth(t *testing.T) {
	client := healthpb.NewHealthClient(dial(t, serve(t, notes(t), nil, nil)))
	for _, service := range []string{"", "notes.v1.Notes", "grpc.health.v1.Health"} {
		got, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: service})
		if err != nil || got.GetStatus() != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("%q: %v, %v", service, got, err)
		}
	}
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "notes.v1.Nope"})
	wantStatus(t, err, codes.NotFound, "unknown service")
	list, err := client.List(t.Context(), &healthpb.HealthListRequest{})
	if err != nil || list.GetStatuses()["notes.v1.Notes"].GetStatus() != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("%v, %v", list, err)
	}
}

func TestHealthWatch(t *testing.T) {
	client := healthpb.NewHealthClient(dial(t, serve(t, notes(t), nil, nil)))
	for service, want := range map[string]healthpb.HealthCheckResponse_ServingStatus{
		"notes.v1.Notes": healthpb.HealthCheckResponse_SERVING,
		"notes.v1.Nope":  healthpb.HealthCheckResponse_SERVICE_UNKNOWN,
	} {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.Recv(); err != nil || got.GetStatus() != want {
			t.Errorf("%q: %v, %v", service, got, err)
		}
		cancel()
		if _, err := s.Recv(); status.Code(err) != codes.Canceled {
			t.Error(err)
		}
	}
}
