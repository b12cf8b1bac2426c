package gateway

import (
	"context"
	"log/slog"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// Loaded is what a configuration would serve.
type Loaded struct {
	Snapshot *schema.Snapshot
	Problems []schema.Problem
	views    *views
}

// Load loads all backends once and compiles them, without serving anything. The
// error names every backend that cannot be loaded.
func Load(ctx context.Context, config *configv1.Config) (*Loaded, error) {
	s, err := settingsOf(config)
	if err != nil {
		return nil, err
	}
	names, err := state{folder: config.GetState()}.names()
	if err != nil {
		return nil, err
	}
	pool, registry, err := openBackends(config, s)
	if err != nil {
		return nil, err
	}
	defer pool.Close()
	if err := registry.LoadOnce(ctx); err != nil {
		return nil, err
	}
	maker, err := newViewMaker(ctx, config, slog.New(slog.DiscardHandler), pool)
	if err != nil {
		return nil, err
	}
	compiler := swapper{config: config, names: names, lastGood: make(map[string]schema.BackendFiles)}
	snapshot, problems := compiler.compile(registry.Backends())
	v := maker.of(snapshot)
	return &Loaded{Snapshot: snapshot, Problems: append(problems, v.problems...), views: v}, nil
}

// Routes returns the REST routes in a stable order.
func (l *Loaded) Routes() []translate.Route { return l.views.rest.Routes() }

// SDL returns the GraphQL schema.
func (l *Loaded) SDL() string { return l.views.graph.SDL() }
