// Package gateway puts the rooms together: configuration, sources, the chain of
// policies, the doors, and the listeners that lead to them.
package gateway

import (
	"context"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protean-gateway/protean/gateway/audit"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/schema"
)

// Gateway serves backends. Make one with [New] or [Open], call Listen, then Run.
type Gateway struct {
	*lasting
	source ConfigSource
	first  *setup // says what only a restart changes
	setup  atomic.Pointer[setup]
	state  state

	registry      *schema.Registry
	registrations *registrations
	adminDoors    *adminDoors // nil where the admin address is off
	compiling     turn        // who has it may use the swapper
	swapper       swapper
	said          atomic.Pointer[saidPolicies] // through the admin service; changed under registrations.applying
	proposed      [][sha256.Size]byte          // the locks of names that were put into the store; guarded by compiling
	swaps         atomic.Int64                 // of views
	logged        []schema.Problem             // problems that were logged for these views
	logging       sync.Mutex
	loggedStates  map[string]string // of backends, as they were logged; guarded by logging
	kept          map[string]string // digests of the files that the state folder has, by backend
	retired       []*setup          // replaced, and still with requests; guarded by registrations.applying
	reloads       reloads           // of the configuration

	clients, admin net.Listener
	own            atomic.Pointer[[]string] // the addresses of both, once they listen
	stop           context.CancelFunc
	inFlight       sync.WaitGroup // requests of clients, WebSockets included
	ready          chan struct{}
	readyOnce      sync.Once
}

// New checks a configuration and makes a gateway of it that does nothing yet.
// Its errors are the operator's to mend.
func New(config *configv1.Config, log *slog.Logger) (*Gateway, error) {
	return Open(&Configuration{Config: config}, ConfigSource{}, log)
}

// Open is [New] for a configuration that may change while the gateway runs.
func Open(config *Configuration, source ConfigSource, log *slog.Logger) (*Gateway, error) {
	kept, err := openState(config.GetState())
	if err != nil {
		return nil, config.locate(configv1.Fault(config.Config, "state", err))
	}
	names, err := kept.names()
	if err != nil {
		return nil, err
	}
	record, err := audit.Open(config.GetAudit().GetFile())
	if err != nil {
		return nil, config.locate(configv1.Fault(config.GetAudit(), "file", err))
	}
	stopping, stop := context.WithCancel(context.Background())
	lasting, first, err := newFirst(stopping, config, log, newMetrics(config.Config), record)
	if err != nil {
		stop()
		return nil, errors.Join(err, record.Close())
	}
	g := &Gateway{
		lasting:   lasting,
		source:    source,
		first:     first,
		state:     kept,
		registry:  schema.NewRegistry(first.sources),
		compiling: newTurn(),
		swapper:   newSwapper(names),
		stop:      stop,
		ready:     make(chan struct{}),
		kept:      make(map[string]string),
	}
	g.setup.Store(first)
	g.said.Store(nothingSaid)
	for _, b := range config.GetBackends() {
		if files := g.state.files(BackendName(b)); files != nil {
			g.registry.Seed(BackendName(b), files)
		}
	}
	if err := g.assembleAdmin(); err != nil {
		stop()
		lasting.close()
		return nil, errors.Join(config.locate(err), record.Close())
	}
	g.swap(context.Background())
	if g.views.Load() == nil {
		g.close()
		return nil, errors.New("no schema can be served because of a defect in the gateway; the log has the stack")
	}
	g.readState()
	return g, nil
}

// assembleAdmin takes what was registered and puts doors before the admin service. What
// cannot be read leaves the gateway without it, not down.
func (g *Gateway) assembleAdmin() error {
	if err := g.openRegistrations(); err != nil {
		return err
	}
	g.firstRegistrations()
	if g.first.settings.admin == adminOff {
		return nil
	}
	var err error
	if g.adminDoors, err = g.newAdminDoors(); err != nil {
		g.registrations.close()
	}
	return err
}

// current is what was made of the newest good configuration.
func (g *Gateway) current() *setup { return g.setup.Load() }

// Run serves until ctx ends, then drains: requests in flight are finished, for
// as long as drain_timeout. A value on reload has the configuration read again, as a
// change of its file does, and asks all sources at once. Run returns when all that it
// started has ended.
func (g *Gateway) Run(ctx context.Context, reload <-chan os.Signal) error {
	defer g.close()
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	var running sync.WaitGroup
	running.Go(func() { g.registry.Run(background) })
	running.Go(func() { g.follow(background, reload) })
	running.Go(func() { g.followStore(background) })
	err := g.serve(ctx)
	stop()
	running.Wait()
	return err
}

// close frees what Open has opened. Nothing runs any more.
func (g *Gateway) close() {
	g.lasting.close()
	if g.adminDoors != nil {
		g.adminDoors.close()
	}
	g.registrations.close()
	if err := g.audit.Close(); err != nil {
		g.log.Error("the end of the audit log may be missing", "error", err)
	}
}

// follow compiles and swaps whenever the registry or the configuration has something new.
func (g *Gateway) follow(ctx context.Context, reload <-chan os.Signal) {
	grace := time.NewTimer(g.first.settings.startupGrace)
	defer grace.Stop()
	r := newReloader(ctx, g)
	defer r.close()
	for {
		select {
		case <-g.registry.Changes():
			g.followSources(ctx)
		case <-g.registrations.read:
			g.followSources(ctx)
		case <-reload:
			r.reload()
			if err := g.audit.Reopen(); err != nil {
				g.log.ErrorContext(ctx, "the audit log goes on in the file that is open", "error", err)
			}
			g.log.InfoContext(ctx, "asking all backends anew")
			g.registry.Reload()
		case <-r.changed:
			r.reload()
		case <-r.ended:
			r.leaveUnused()
		case <-grace.C:
			if !g.isReady() {
				g.markReady()
				g.swap(ctx) // names are locked from now on
			}
			g.logProblems()
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) followSources(ctx context.Context) {
	loaded := g.registry.Loaded() && g.registrations.loaded() // asked before, so that what is served has them all
	g.swap(ctx)
	if loaded {
		g.markReady()
	}
	g.logProblems()
}

func (g *Gateway) markReady() { g.readyOnce.Do(func() { close(g.ready) }) }

// Ready is closed once each backend is loaded, on its last good files, or past
// the grace for starting up.
func (g *Gateway) Ready() <-chan struct{} { return g.ready }

// GraphQLPath returns the path of the GraphQL door.
func (g *Gateway) GraphQLPath() string { return g.current().settings.paths.graphql }
