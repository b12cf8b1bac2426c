package gateway

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/protean-gateway/protean/graph"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
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
func Load(ctx context.Context, config *Configuration) (*Loaded, error) {
	names, err := state{folder: config.GetState()}.names()
	if err != nil {
		return nil, err
	}
	s, registry, done, err := loadOnce(ctx, config)
	if err != nil {
		return nil, err
	}
	defer done()
	compiler := newSwapper(names)
	result, err := compiler.compile(ctx, s, registry.Backends())
	if err != nil {
		return nil, err
	}
	result, v, err := compiler.viewsOf(ctx, s, result)
	if err != nil {
		return nil, err
	}
	problems := slices.Concat(result.problems, v.problems, v.openapi.Problems())
	for _, b := range registry.State() {
		problems = append(problems, skewOf(b)...)
	}
	return &Loaded{Snapshot: result.snapshot, Problems: problems, views: v}, nil
}

// connectPatience is how long commands that load once wait for all addresses of backends.
const connectPatience = time.Second

// loadOnce loads the sources of a configuration. The caller calls done at the end.
func loadOnce(ctx context.Context, config *Configuration) (s *setup, registry *schema.Registry, done func(), err error) {
	l, s, err := newFirst(ctx, config, slog.New(slog.DiscardHandler), nil, nil)
	if err != nil {
		return nil, nil, nil, err
	}
	connecting, cancel := context.WithTimeout(ctx, connectPatience)
	defer cancel()
	l.pool.Connected(connecting) // so that each replica can be asked
	registry = schema.NewRegistry(s.sources)
	if err := registry.LoadOnce(ctx); err != nil {
		l.close()
		return nil, nil, nil, err
	}
	return s, registry, l.close, nil
}

// Routes returns the REST routes in a stable order.
func (l *Loaded) Routes() []translate.Route { return l.views.rest.Routes() }

// Overlaps returns up to limit pairs of routes that take the same request; see [translate.REST.Overlaps].
func (l *Loaded) Overlaps(limit int) []translate.Overlap { return l.views.rest.Overlaps(limit) }

// SDL returns the GraphQL schema.
func (l *Loaded) SDL() string { return l.views.graph.SDL() }

// OpenAPI returns the description of the REST routes in OpenAPI 3.1.
func (l *Loaded) OpenAPI(o translate.OpenAPIOptions) *translate.OpenAPI {
	o.SecuritySchemes, o.Needs = l.views.described.SecuritySchemes, l.views.described.Needs
	o.MaxBytes, o.QueryDepth = l.views.described.MaxBytes, l.views.described.QueryDepth
	return translate.NewOpenAPI(l.Snapshot, l.views.rest, o)
}

// SubgraphSDL returns the GraphQL schema as a subgraph of a federation; empty where
// graphql.federation is not set.
func (l *Loaded) SubgraphSDL() string { return l.views.graph.SubgraphSDL() }

// ExplainOperation plans a GraphQL operation, which may be named where there are several.
func (l *Loaded) ExplainOperation(document, name string) (*graph.Explanation, error) {
	return l.views.graph.Explain(document, name)
}

// Explain says which policies hold for a method and for the fields of its answers.
func (l *Loaded) Explain(m *schema.Method) *adminv1.ExplainedCall { return l.views.explained(m) }

// MatchRoute returns the REST route that a request takes; false where there is none.
func (l *Loaded) MatchRoute(verb, escapedPath string) (translate.Route, bool) {
	return l.views.rest.Match(verb, escapedPath)
}
