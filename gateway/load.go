package gateway

import (
	"context"
	"log/slog"
	"slices"

	"github.com/protean-gateway/protean/graph"
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
	authenticators, err := newAuthenticators(config)
	if err != nil {
		return nil, err
	}
	opened, err := openBackends(config, s)
	if err != nil {
		return nil, err
	}
	pool, registry := opened.pool, opened.registry
	defer pool.Close()
	if err := registry.LoadOnce(ctx); err != nil {
		return nil, err
	}
	maker, err := newViewMaker(ctx, config, slog.New(slog.DiscardHandler), nil, pool, authenticators)
	if err != nil {
		return nil, err
	}
	defer maker.policies.close()
	compiler, err := newSwapper(config, names)
	if err != nil {
		return nil, err
	}
	snapshot, problems := compiler.compile(registry.Backends())
	v := maker.of(snapshot)
	problems = slices.Concat(problems, v.problems, v.openapi.Problems())
	return &Loaded{Snapshot: snapshot, Problems: problems, views: v}, nil
}

// Routes returns the REST routes in a stable order.
func (l *Loaded) Routes() []translate.Route { return l.views.rest.Routes() }

// SDL returns the GraphQL schema.
func (l *Loaded) SDL() string { return l.views.graph.SDL() }

// OpenAPI returns the description of the REST routes in OpenAPI 3.1.
func (l *Loaded) OpenAPI(o translate.OpenAPIOptions) *translate.OpenAPI {
	return translate.NewOpenAPI(l.Snapshot, l.views.rest, o)
}

// SubgraphSDL returns the GraphQL schema as a subgraph of a federation; empty where
// graphql.federation is not set.
func (l *Loaded) SubgraphSDL() string { return l.views.graph.SubgraphSDL() }

// ExplainOperation plans a GraphQL operation, which may be named where there are several.
func (l *Loaded) ExplainOperation(document, name string) (*graph.Explanation, error) {
	return l.views.graph.Explain(document, name)
}

// MatchRoute returns the REST route that a request takes; false where there is none.
func (l *Loaded) MatchRoute(verb, escapedPath string) (translate.Route, bool) {
	return l.views.rest.Match(verb, escapedPath)
}
