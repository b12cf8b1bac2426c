// Package gateway puts the rooms together: configuration, sources, the chain of
// policies, the doors, and the listeners that lead to them.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/gateway/gate"
	"github.com/protean-gateway/protean/gateway/telemetry"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// Gateway serves backends. Make one with [New], call Listen, then Run.
type Gateway struct {
	config   *configv1.Config
	settings settings
	log      *slog.Logger
	metrics  *telemetry.Metrics // nil where nobody can ask for them
	state    state

	authenticators     *auth.Authenticators
	keepsAuthorization bool

	pool          *rpc.Pool
	registry      *schema.Registry
	configured    backends // those of the configuration
	registrations *registrations
	adminDoors    *adminDoors // nil where the admin address is off
	maker         *viewMaker
	compiling     turn // who has it may use the swapper
	swapper       swapper
	views         atomic.Pointer[views]
	swaps         atomic.Int64      // of views
	logged        []schema.Problem  // problems that were logged for these views
	kept          map[string]string // digests of the files that the state folder has, by backend

	clients, admin net.Listener
	own            atomic.Pointer[[]string] // the addresses of both, once they listen
	stopping       context.Context          // done when the drain begins
	stop           context.CancelFunc
	inFlight       sync.WaitGroup // requests of clients, WebSockets included
	ready          chan struct{}
	readyOnce      sync.Once
}

// New checks a configuration and makes a gateway of it that does nothing yet.
// Its errors are the operator's to mend.
func New(config *configv1.Config, log *slog.Logger) (*Gateway, error) {
	s, err := settingsOf(config)
	if err != nil {
		return nil, err
	}
	kept, err := openState(config.GetState())
	if err != nil {
		return nil, err
	}
	names, err := kept.names()
	if err != nil {
		return nil, err
	}
	authenticators, err := newAuthenticators(config)
	if err != nil {
		return nil, err
	}
	swapper, err := newSwapper(config, names)
	if err != nil {
		return nil, err
	}
	stopping, stop := context.WithCancel(context.Background())
	g := &Gateway{
		stopping: stopping,
		stop:     stop,
		config:   config,
		settings: s,
		log:      log,
		metrics:  newMetrics(s),
		state:    kept,
		ready:    make(chan struct{}),

		compiling: newTurn(),
		kept:      make(map[string]string),

		authenticators:     authenticators,
		keepsAuthorization: keepsAuthorization(config),

		swapper: swapper,
	}
	if err := g.assemble(); err != nil {
		return nil, err
	}
	return g, nil
}

// assemble opens the pool and makes sources and views on it.
func (g *Gateway) assemble() error {
	configured, err := openBackends(g.config, g.settings)
	if err != nil {
		return err
	}
	pool := configured.pool
	g.configured, g.pool, g.registry = configured, pool, configured.registry
	if g.maker, err = newViewMaker(g.stopping, g.config, g.log, g.metrics, pool, g.authenticators); err != nil {
		pool.Close()
		return err
	}
	for _, b := range g.config.GetBackends() {
		if files := g.state.files(BackendName(b)); files != nil {
			g.registry.Seed(BackendName(b), files)
		}
	}
	if err := g.assembleAdmin(); err != nil {
		pool.Close()
		return err
	}
	g.swap()
	g.readState()
	return nil
}

// assembleAdmin takes what was registered and puts doors before the admin service. What
// cannot be read leaves the gateway without it, not down.
func (g *Gateway) assembleAdmin() error {
	if err := g.openRegistrations(); err != nil {
		return err
	}
	g.firstRegistrations()
	if g.settings.admin == adminOff {
		return nil
	}
	var err error
	if g.adminDoors, err = g.newAdminDoors(); err != nil {
		g.registrations.close()
	}
	return err
}

// backends are those of a configuration, and what they are called and loaded through.
type backends struct {
	pool      *rpc.Pool
	registry  *schema.Registry
	endpoints []rpc.Endpoint
	sources   []schema.RegistryBackend
}

func openBackends(config *configv1.Config, s settings) (backends, error) {
	endpoints, err := endpointsOf(config)
	if err != nil {
		return backends{}, err
	}
	pool := rpc.NewPool()
	if err := pool.Sync(endpoints); err != nil {
		pool.Close()
		return backends{}, err
	}
	sources, err := sourcesOf(config.GetBackends(), pool, s)
	if err != nil {
		pool.Close()
		return backends{}, err
	}
	return backends{pool, schema.NewRegistry(sources), endpoints, sources}, nil
}

func newViewMaker(
	stopping context.Context, config *configv1.Config, log *slog.Logger, metrics *telemetry.Metrics, pool *rpc.Pool, a *auth.Authenticators,
) (*viewMaker, error) {
	headers, err := transport.NewHeaders(config.GetHttp().GetForwardHeaders(), append(a.Headers(), "Authorization")...)
	if err != nil {
		return nil, fmt.Errorf("http.forward_headers: %w; a backend's forward_credentials passes tokens on", err)
	}
	clients, err := graphClients(config.GetGraphql())
	if err != nil {
		return nil, err
	}
	policies, err := newPolicies(config, log, metrics)
	if err != nil {
		return nil, err
	}
	return &viewMaker{
		clients:        clients,
		config:         config,
		headers:        headers,
		auth:           policyOptions(config, pool, audit(log)),
		authenticators: a,
		policies:       policies,
		backend:        pool.Handle,
		stopping:       stopping,
		usage:          gate.NewUsage(usageHorizon),
	}, nil
}

// Run serves until ctx ends, then drains: requests in flight are finished, for
// as long as drain_timeout. A value on reload asks all sources at once. Run
// returns when all that it started has ended.
func (g *Gateway) Run(ctx context.Context, reload <-chan os.Signal) error {
	defer g.close()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { g.registry.Run(background) })
	running.Go(func() { g.authenticators.Run(background) })
	running.Go(func() { g.follow(background, reload) })
	running.Go(func() { g.followStore(background) })
	err := g.serve(ctx)
	stop()
	running.Wait()
	return err
}

// close frees what New has opened. Nothing runs any more.
func (g *Gateway) close() {
	g.maker.policies.close()
	g.pool.Close()
	if g.adminDoors != nil {
		g.adminDoors.pool.Close()
	}
	g.registrations.close()
}

// follow compiles and swaps whenever the registry has something new.
func (g *Gateway) follow(ctx context.Context, reload <-chan os.Signal) {
	grace := time.NewTimer(g.settings.startupGrace)
	defer grace.Stop()
	for {
		select {
		case <-g.registry.Changes():
			loaded := g.registry.Loaded() && g.registrations.loaded() // asked before, so that what is served has them all
			g.swap()
			if loaded {
				g.markReady()
			}
			g.logProblems()
		case <-reload:
			g.log.InfoContext(ctx, "asking all backends anew")
			g.registry.Reload()
		case <-grace.C:
			g.markReady()
			g.logProblems()
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) markReady() { g.readyOnce.Do(func() { close(g.ready) }) }

// Ready is closed once each backend is loaded, on its last good files, or past
// the grace for starting up.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// GraphQLPath returns the path of the GraphQL door.
func (g *Gateway) GraphQLPath() string { return g.settings.graphqlPath }
