package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

func demoCommand(getenv func(string) string) *cobra.Command {
	at := &listeners{getenv: getenv}
	servicesOnly := false
	c := &cobra.Command{
		Use:   "demo",
		Short: "Start three example services and the gateway before them",
		Long: `Starts the three services of a small bookshop (a catalog, its orders, and the
parcels on their way) and a gateway for them, in this process, and prints
what to try. Nothing is left behind.

With --services-only it starts the services alone, at the addresses in
examples/shop.yaml, for ` + "`protean serve --config examples/shop.yaml`" + `.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if servicesOnly {
				return demoServices(cmd)
			}
			shop, err := examples.Start(cmd.Context())
			if err != nil {
				return err
			}
			defer shop.Stop()
			config, err := demoConfig(shop)
			if err != nil {
				return err
			}
			if err := at.merge(cmd, config); err != nil {
				return err
			}
			return demo(cmd, config)
		},
	}
	at.addTo(c)
	c.Flags().BoolVar(&servicesOnly, "services-only", false, "start the services without a gateway, at the addresses in examples/shop.yaml")
	return c
}

// demoServices runs the services of the shop at the addresses of its configuration until the command ends.
func demoServices(cmd *cobra.Command) error {
	config, err := gateway.ParseConfig("examples/shop.yaml", examples.ShopYAML)
	if err != nil {
		return err
	}
	addresses := make(map[string]string)
	for _, b := range config.GetBackends() {
		addresses[b.GetName()] = b.GetAddress()
	}
	shop, err := examples.StartAt(cmd.Context(), addresses)
	if err != nil {
		return err
	}
	defer shop.Stop()
	out := cmd.OutOrStdout()
	for _, b := range shop.Backends {
		fmt.Fprintf(out, "%s listens on %s\n", b.Name, b.Address)
	}
	fmt.Fprintf(out, "\nStart a gateway for them in another terminal:\n  protean serve --config examples/shop.yaml\n\nStop with Ctrl-C.\n")
	<-cmd.Context().Done()
	return nil
}

// demoConfig is the shop's own configuration with the addresses of this run.
func demoConfig(shop *examples.Running) (*configv1.Config, error) {
	config, err := gateway.ParseConfig("examples/shop.yaml", examples.ShopYAML)
	if err != nil {
		return nil, err
	}
	config.Backends = nil
	for _, b := range shop.Backends {
		config.Backends = append(config.Backends, &configv1.Backend{Name: proto.String(b.Name), Address: proto.String(b.Address)})
	}
	config.LogLevel = proto.String("warn")
	return config.Config, nil
}

func demo(cmd *cobra.Command, config *configv1.Config) error {
	g, err := gateway.New(config, logger(cmd.ErrOrStderr(), config))
	if err != nil {
		return usagef(nil, "%v", err)
	}
	if err := g.Listen(cmd.Context()); err != nil {
		return fmt.Errorf("%w; choose another address with --listen and --admin, port 0 for a free one", err)
	}
	ctx, cancel := context.WithCancel(cmd.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- serve(ctx, g) }()
	select {
	case err := <-ended:
		return err
	case <-g.Ready():
		printTour(cmd.OutOrStdout(), g.Addr(), g.GraphQLPath())
	}
	return <-ended
}

// printTour says what to try.
func printTour(out io.Writer, address, graphqlPath string) {
	fmt.Fprintf(out, `A bookshop made of three gRPC services is served at http://%[1]s

REST, from the google.api.http annotations of the catalog:
  curl 'http://%[1]s/v1/books?page_size=2'
  curl -X PATCH 'http://%[1]s/v1/books/emma' --json '{"pages": 732}'

REST, of a service without any annotation:
  curl 'http://%[1]s/orders.Orders/GetOrder' --json '{"id": 1001}'

A server stream, as lines of JSON:
  curl -N 'http://%[1]s/v1/parcels/P-1001:watch'

GraphQL: one query over two of the services (a browser at http://%[1]s%[2]s gets an editor):
  curl 'http://%[1]s%[2]s' --json '{"query":
    "{ findOrders(limit: 2) { order { id state line { quantity catalogEntry { title writtenBy { displayName } } } } } }"}'

gRPC, with reflection:
  grpcurl -plaintext %[1]s list
  grpcurl -plaintext -d '{"name": "books/emma"}' %[1]s acme.catalog.v1.CatalogService/GetBook

Stop with Ctrl-C.
`, address, graphqlPath)
}
