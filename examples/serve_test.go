package examples_test

import (
	"context"
	"slices"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/gateway"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) *examples.Running {
	t.Helper()
	shop, err := examples.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	return shop
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestEachServiceReflectsItselfAndIsHealthy(t *testing.T) {
	want := map[string]string{
		"catalog":  "acme.catalog.v1.CatalogService",
		"orders":   "orders.Orders",
		"tracking": "acme.tracking.v1.TrackingService",
	}
	shop := start(t)
	if len(shop.Backends) != len(want) {
		t.Fatalf("%d backends run, want %d", len(shop.Backends), len(want))
	}
	for _, b := range shop.Backends {
		conn := dial(t, b.Address)
		for version, list := range map[string]func(context.Context, *grpc.ClientConn) ([]string, error){"v1": listV1, "v1alpha": listV1alpha} {
			names, err := list(t.Context(), conn)
			if err != nil || !slices.Contains(names, want[b.Name]) {
				t.Errorf("%s, reflection %s: services %v, error %v; want %s", b.Name, version, names, err, want[b.Name])
			}
		}
		answer, err := healthgrpc.NewHealthClient(conn).Check(t.Context(), &healthgrpc.HealthCheckRequest{})
		if err != nil || answer.GetStatus() != healthgrpc.HealthCheckResponse_SERVING {
			t.Errorf("%s: health %v, error %v", b.Name, answer.GetStatus(), err)
		}
	}
}

func listV1(ctx context.Context, conn *grpc.ClientConn) ([]string, error) {
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}); err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names, err
}

func listV1alpha(ctx context.Context, conn *grpc.ClientConn) ([]string, error) {
	stream, err := reflectionv1alpha.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, err
	}
	if err := stream.Send(&reflectionv1alpha.ServerReflectionRequest{
		MessageRequest: &reflectionv1alpha.ServerReflectionRequest_ListServices{},
	}); err != nil {
		return nil, err
	}
	answer, err := stream.Recv()
	var names []string
	for _, s := range answer.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names, err
}

func TestShopYAMLIsAConfiguration(t *testing.T) {
	config, err := gateway.ParseConfig("shop.yaml", examples.ShopYAML)
	if err != nil {
		t.Fatal(err)
	}
	shop := start(t)
	for i, b := range config.GetBackends() {
		if i >= len(shop.Backends) || b.GetName() != shop.Backends[i].Name {
			t.Errorf("backend %d is %s in shop.yaml, and %v run", i, b.GetName(), shop.Backends)
		}
	}
}
