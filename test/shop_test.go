package test

import (
	"context"
	"log/slog"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// stopper is what a test or a script gives to be told of its end.
type stopper interface {
	Fatal(args ...any)
}

// startShop starts the example services and a gateway with examples/shop.yaml
// before them, and with what more is said in YAML. It returns when the gateway is ready, with a
// function that ends all.
func startShop(t stopper, more string) (*gateway.Gateway, *examples.Running, func()) {
	shop, err := examples.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	config, err := gateway.ParseConfig("shop.yaml", examples.ShopYAML)
	if err != nil {
		t.Fatal(err)
	}
	further, err := gateway.ParseConfig("config.yaml", []byte(more))
	if err != nil {
		t.Fatal(err)
	}
	proto.Merge(config, further)
	config.Backends = nil
	for _, b := range shop.Backends {
		config.Backends = append(config.Backends, backendAt(b.Name, b.Address))
	}
	g, stop := startGateway(t, config.Config)
	return g, shop, func() {
		stop()
		shop.Stop()
	}
}

// startGateway runs a gateway on free ports until stop is called.
func startGateway(t stopper, config *configv1.Config) (g *gateway.Gateway, stop func()) {
	config.Listen, config.Admin = proto.String("127.0.0.1:0"), proto.String("127.0.0.1:0")
	g, err := gateway.New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(context.Background()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	<-g.Ready()
	return g, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	}
}

func backendAt(name, address string) *configv1.Backend {
	return &configv1.Backend{Name: proto.String(name), Address: proto.String(address)}
}

var _ stopper = testing.TB(nil)
