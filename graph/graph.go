// Package graph serves a snapshot as one GraphQL graph: types and root fields from
// descriptors, arguments straight to wire bytes, answers straight to JSON, fields
// joined from other methods in batches, and server streams as subscriptions.
//
// Terminology: a root field is one method; a join is a field that another
// method resolves; a plan is an operation made ready to run; a shape leads from
// a GraphQL type back to one backend's message.
package graph

import (
	"context"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// Options bound what one operation may cost. Each zero stands for its default.
type Options struct {
	// Abandoned is asked now and then while the graph is made. Once it is true nobody wants the
	// graph any more, and what [New] returns is of no use. Nil: it is always wanted.
	Abandoned func() bool
	// MaxDepth is how deep selections may nest. Default 15.
	MaxDepth int
	// MaxCalls is how many backend calls an operation may make, joins included;
	// of a subscription, for each event. Default 50.
	MaxCalls int
	// MaxParallel is how many of them may be under way at once. Default 10.
	MaxParallel int
	// MaxTokens is how many lexical tokens a document may have. Default 15,000.
	MaxTokens int
	// DocumentBytes bounds the memory for documents that were parsed before, and their plans. It is
	// an estimate. Default 32 MiB.
	DocumentBytes int
	// ResponseBytes bounds the JSON of one response. Default 32 MiB.
	ResponseBytes int
	// IntrospectionDisabled refuses __schema and __type, and errors then suggest no names.
	IntrospectionDisabled bool
	// MayIntrospect decides of each caller whether __schema and __type are for it: nil, or a status that says why
	// not. Errors then suggest no names, to nobody. Nil: everybody may.
	MayIntrospect func(ctx context.Context) error `json:"-"`
	// Visible decides of each caller whether there is a method for it: introspection shows no others, nor what they
	// alone need. It must be quick, and is called concurrently. Errors then suggest no names, to nobody. Nil: all are.
	Visible func(context.Context, *schema.Method) bool `json:"-"`
	// JoinsAIP adds a field for each google.api.resource_reference whose resource a
	// method gets by name.
	JoinsAIP bool
	// Relay adds `node(id:)`, and an id to each type that is fetched by a key.
	Relay bool
	// NullableFloats makes output fields of floating-point numbers, and of lists of them, nullable: a NaN nulls nothing
	// around its field.
	NullableFloats bool
	// Federation makes the graph a subgraph of Apollo Federation 2. Its `_service` tells
	// the schema also where introspection is disabled.
	Federation bool
	// Ran is told the document of each operation that is carried out, and may keep it. It must be quick, and is called
	// concurrently. Nil: nobody is told.
	Ran func(ctx context.Context, document string)
	// HTTP is about how operations come in. Its Panicked is told of panics in the
	// goroutines of operations too.
	HTTP HTTPOptions
}

const defaultRequestBytes = schema.DefaultRequestBytes

// quiet reports whether errors must not suggest names.
func (o Options) quiet() bool {
	return o.IntrospectionDisabled || o.MayIntrospect != nil || o.Visible != nil
}

func (o Options) withDefaults() Options {
	set := func(n *int, byDefault int) {
		if *n <= 0 {
			*n = byDefault
		}
	}
	set(&o.MaxDepth, 15)
	set(&o.MaxCalls, 50)
	set(&o.MaxParallel, 10)
	set(&o.MaxTokens, 15_000)
	set(&o.DocumentBytes, 32<<20)
	set(&o.ResponseBytes, 32<<20)
	return o
}

// Graph is the GraphQL view of a snapshot. It is immutable but for its cache of
// documents, and safe for concurrent use.
type Graph struct {
	schema    *ast.Schema
	shown     *shownSchema // to callers from whom nothing is hidden
	omitted   []string     // names of backends
	roots     map[ast.Operation]map[string]*root
	enums     map[string]enumNames
	entities  map[string][]*entity // by type
	nodes     map[string]*entity   // by type
	joined    []joinedField
	narrowed  *narrowedSchemas // nil: everybody is shown the whole
	handler   rpc.Handler
	options   Options
	digest    string
	presenter *presenter
	forms     forms
	executor  *Executor
	door      *door
	sdl       func() string
	subgraph  func() string
}

// New makes the graph of a snapshot whose calls go to h. What cannot be in the graph is left
// out, and a Problem says why; there is always a graph.
func New(snap *schema.Snapshot, h rpc.Handler, o Options) (*Graph, []schema.Problem) {
	b, s := build(snap, o)
	g := &Graph{
		schema:    s,
		omitted:   b.faulty,
		handler:   h,
		options:   o.withDefaults(),
		digest:    snap.Digest,
		presenter: newPresenter(snap.Types),
		forms:     newForms(snap.Types),
	}
	g.shown = newShownSchema(g.schema)
	g.roots, g.enums, g.entities, g.nodes = b.roots, b.enums, b.entities, b.nodes
	g.joined = b.joined
	if o.Visible != nil {
		g.narrowed = newNarrowedSchemas(g, b.joined, o.Visible)
	}
	g.sdl = sync.OnceValue(func() string { return printSchema(g.schema) })
	g.subgraph = sync.OnceValue(func() string { return printSubgraph(g.schema, b.subgraph) })
	g.executor = newExecutor(g)
	g.door = newDoor(g.executor, g.options.HTTP)
	return g, b.problems
}

// SDL returns the schema in the GraphQL schema language, without what every
// schema has. Equal snapshots give equal text: the root types come first, the others in order of their
// names; fields are in the order of their declaration.
func (g *Graph) SDL() string { return g.sdl() }

// SubgraphSDL returns the schema as a subgraph tells it to those who compose a supergraph: with
// Federation's directives, and without what every subgraph has. It is empty without [Options.Federation].
func (g *Graph) SubgraphSDL() string { return g.subgraph() }

// Executor returns what transports run operations with.
func (g *Graph) Executor() *Executor { return g.executor }
