package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// listeners are the flags that say where clients are served.
type listeners struct {
	getenv               func(string) string
	listen, admin        string
	logLevel             string
	allowUnauthenticated bool
}

func (l *listeners) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&l.listen, "listen", gateway.DefaultListen, "the `ADDR` that clients call; port 0 takes a free one")
	f.StringVar(&l.admin, "admin", gateway.DefaultAdmin, "the `ADDR` of health checks, metrics and the admin service, or off")
	f.StringVar(&l.logLevel, "log-level", "info", "the least severe `LEVEL` that is logged: debug, info, warn or error")
	f.BoolVar(&l.allowUnauthenticated, "allow-unauthenticated", false, "listen on a public address although everyone may call")
}

// merge writes what was said on the command line or in the environment into config.
func (l *listeners) merge(cmd *cobra.Command, config *configv1.Config) error {
	for _, name := range []string{"listen", "admin", "log-level", "allow-unauthenticated"} {
		if err := fromEnvironment(cmd, l.getenv, name); err != nil {
			return err
		}
	}
	said := cmd.Flags().Changed
	if said("listen") {
		config.Listen = proto.String(l.listen)
	}
	if said("admin") {
		config.Admin = proto.String(l.admin)
	}
	if said("allow-unauthenticated") {
		config.AllowUnauthenticated = proto.Bool(l.allowUnauthenticated)
	}
	if said("log-level") {
		var level slog.Level
		if err := level.UnmarshalText([]byte(l.logLevel)); err != nil {
			return usagef(cmd, "--log-level %s: expected debug, info, warn or error", l.logLevel)
		}
		config.LogLevel = proto.String(l.logLevel)
	}
	return nil
}

func serveCommand(getenv func(string) string) *cobra.Command {
	from := &sources{getenv: getenv, none: true}
	at := &listeners{getenv: getenv}
	c := &cobra.Command{
		Use:   "serve [ADDR…]",
		Short: "Serve gRPC backends as REST, GraphQL and gRPC",
		Long: `Serves the gRPC servers at the given addresses. It starts before they are up, and
keeps trying; what they offer is asked again every few seconds, and a change is
served without a restart. The file of --config is read again when it changes: a good
one is served at once, one with a fault is refused and the last good one stays. SIGHUP has
all of that done at once, SIGTERM ends in order: requests in flight are finished first.
` + sourcesHelp,
		Example: `  protean serve localhost:50051
  protean serve --backend users=localhost:50051 --backend orders=grpcs://orders.internal:443
  protean serve --config protean.yaml --state /var/lib/protean
  protean serve --state /var/lib/protean     (teams register their backends)`,
		RunE: func(cmd *cobra.Command, args []string) error {
			read := func() (*gateway.Configuration, error) {
				config, err := from.read(cmd, args)
				if err != nil {
					return nil, err
				}
				return config, at.merge(cmd, config.Config)
			}
			config, err := read()
			if err != nil {
				return err
			}
			g, err := gateway.Open(config, from.again(read), logger(cmd.ErrOrStderr(), config.Config))
			if err != nil {
				return usagef(nil, "%v", err)
			}
			if err := g.Listen(cmd.Context()); err != nil {
				return fmt.Errorf("%w; choose another address with --listen and --admin, port 0 for a free one", err)
			}
			paceCollector(getenv)
			announce(cmd.OutOrStdout(), g)
			return serve(cmd.Context(), g)
		},
	}
	from.addTo(c)
	at.addTo(c)
	return c
}

// serve runs g until ctx ends, and has it read everything again on SIGHUP.
func serve(ctx context.Context, g *gateway.Gateway) error {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	return g.Run(ctx, hangups)
}

func announce(out io.Writer, g *gateway.Gateway) {
	fmt.Fprintf(out, "Clients:  http://%s  (REST at its routes, GraphQL at %s, gRPC)\n", g.Addr(), g.GraphQLPath())
	if admin := g.AdminAddr(); admin != "" {
		fmt.Fprintf(out, "Health:   http://%s/readyz\n", admin)
		fmt.Fprintf(out, "Admin:    http://%s/admin/v1/backends  (%s)\n", admin, g.KeepsRegistrations())
	}
}

func logger(out io.Writer, config *configv1.Config) *slog.Logger {
	options := &slog.HandlerOptions{Level: gateway.LogLevel(config)}
	if config.GetLogFormat() == "json" {
		return slog.New(slog.NewJSONHandler(out, options))
	}
	return slog.New(slog.NewTextHandler(out, options))
}
