// Package examples is a small bookshop made of three real gRPC services over
// several packages and owners. The demo runs it, and so do the tests.
package examples

import (
	"cmp"
	"context"
	_ "embed"
	"fmt"
	"net"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection"

	"github.com/protean-gateway/protean/examples/catalog"
	"github.com/protean-gateway/protean/examples/orders"
	"github.com/protean-gateway/protean/examples/tracking"
)

// ShopYAML is shop.yaml: a configuration for the three services. The addresses
// in it are those of `protean demo --services-only`, not those of [Start].
//
//go:embed shop.yaml
var ShopYAML []byte

// Backend is one running service.
type Backend struct {
	Name    string // catalog, orders or tracking
	Address string // host:port, in plaintext
}

// Running is the shop while it runs.
type Running struct {
	// Backends are in the order of shop.yaml.
	Backends []Backend
	// Tracking lets a caller post events of parcels.
	Tracking *tracking.Server

	servers []*grpc.Server
	served  sync.WaitGroup
}

// Start runs the three services, each on a free port of the loopback address,
// with server reflection (v1 and v1alpha) and health. They run until Stop is
// called, also when ctx ends, which only bounds the start.
func Start(ctx context.Context) (*Running, error) {
	return StartAt(ctx, map[string]string{})
}

// StartAt is [Start] with the addresses of services, by name. A service without one gets a free port.
func StartAt(ctx context.Context, addresses map[string]string) (*Running, error) {
	r := &Running{Tracking: tracking.New()}
	services := []struct {
		name string
		add  func(grpc.ServiceRegistrar)
	}{
		{"catalog", catalog.New().Register},
		{"orders", orders.New().Register},
		{"tracking", r.Tracking.Register},
	}
	for _, s := range services {
		if err := r.serve(ctx, s.name, cmp.Or(addresses[s.name], "127.0.0.1:0"), s.add); err != nil {
			r.Stop()
			return nil, fmt.Errorf("start %s: %w", s.name, err)
		}
	}
	return r, nil
}

func (r *Running) serve(ctx context.Context, name, address string, add func(grpc.ServiceRegistrar)) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	add(server)
	healthgrpc.RegisterHealthServer(server, health.NewServer())
	reflection.Register(server)
	r.Backends = append(r.Backends, Backend{Name: name, Address: l.Addr().String()})
	r.servers = append(r.servers, server)
	r.served.Go(func() { _ = server.Serve(l) }) // it only fails when it is stopped
	return nil
}

// Stop ends the services and their calls at once: who watches a silent parcel
// would make a graceful end wait for ever. It returns when all is over.
func (r *Running) Stop() {
	for _, s := range r.servers {
		s.Stop()
	}
	r.served.Wait()
}
