package graph

import (
	"context"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/validator/core"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/translate/transport"
)

// Executor runs the operations of a [Graph]. It is a gqlgen GraphExecutor, so that
// any of its transports may use it, and safe for concurrent use.
type Executor struct {
	graph *Graph
	rules []core.Rule
	// quietRules are rules that suggest no names.
	quietRules []core.Rule
	documents  *lru[*document]
}

var _ graphql.GraphExecutor = (*Executor)(nil)

func newExecutor(g *Graph) *Executor {
	return &Executor{
		graph:      g,
		rules:      append(rulesOf(g.options.quiet()), g.literalsRule()),
		quietRules: append(rulesOf(true), g.literalsRule()),
		documents:  newLRU[*document](g.options.DocumentBytes),
	}
}

// prepared is what CreateOperationContext prepares for DispatchOperation.
type prepared struct {
	plan      *plan
	variables variables
	requests  []*requests // by root field; nil for those that make no call
}

// operationKey is where an OperationContext keeps its operation: among the
// extensions of its statistics, the one place it has for values of others.
const operationKey = "protean"

// CreateOperationContext parses, validates and plans an operation and encodes all
// requests of its root fields, so that nothing is called where anything is wrong. Numbers in
// params.Variables are json.Number. Errors have extensions.code: GRAPHQL_PARSE_FAILED,
// GRAPHQL_VALIDATION_FAILED, OPERATION_RESOLUTION_FAILURE or BAD_USER_INPUT. With an error, the
// context has what was known by then.
func (e *Executor) CreateOperationContext(ctx context.Context, params *graphql.RawParams) (c *graphql.OperationContext, errs gqlerror.List) {
	c = &graphql.OperationContext{
		RawQuery:             params.Query,
		Variables:            params.Variables,
		OperationName:        params.OperationName,
		Extensions:           params.Extensions,
		Headers:              params.Headers,
		DisableIntrospection: e.graph.options.IntrospectionDisabled,
		RecoverFunc:          graphql.DefaultRecover,
		Stats:                graphql.Stats{Read: params.ReadTime},
	}
	defer func() {
		if r := recover(); r != nil {
			e.graph.panicked(ctx, r, debug.Stack())
			errs = gqlerror.List{withCode(gqlerror.Errorf("internal error"), codeInternal)}
		}
	}()
	return c, e.prepare(ctx, c)
}

func (g *Graph) panicked(ctx context.Context, value any, stack []byte) {
	if g.options.HTTP.Panicked != nil {
		g.options.HTTP.Panicked(ctx, value, stack)
	}
}

// prepare fills an operation context.
func (e *Executor) prepare(ctx context.Context, c *graphql.OperationContext) gqlerror.List {
	doc, errs := e.document(c.RawQuery)
	if len(errs) > 0 {
		return errs
	}
	c.Doc = doc.ast
	op, err := pick(doc.ast.Operations, c.OperationName)
	if err != nil {
		return gqlerror.List{err}
	}
	c.Operation = op
	out := &prepared{}
	if out.variables, errs = e.graph.coerceVariables(op, c.Variables); len(errs) > 0 {
		return errs
	}
	if err = doc.checkConditions(out.variables); err != nil {
		return gqlerror.List{err}
	}
	if out.plan, err = e.plan(doc, op, out.variables); err != nil {
		return gqlerror.List{err}
	}
	if err := e.graph.mayIntrospect(ctx, out.plan); err != nil {
		return gqlerror.List{err}
	}
	if err := e.graph.encodeAll(out); err != nil {
		return gqlerror.List{err}
	}
	c.Stats.SetExtension(operationKey, out)
	return nil
}

// mayIntrospect refuses a plan that asks for the schema to callers for whom that is not.
func (g *Graph) mayIntrospect(ctx context.Context, p *plan) *gqlerror.Error {
	if g.options.MayIntrospect == nil || p.introspects == nil {
		return nil
	}
	switch err := g.options.MayIntrospect(ctx); status.Code(err) {
	case codes.OK:
		return nil
	case codes.Unauthenticated:
		return withCode(gqlerror.ErrorPosf(p.introspects, "Introspection needs credentials."), transport.CodeName(codes.Unauthenticated))
	default:
		return withCode(gqlerror.ErrorPosf(p.introspects, "Introspection is not for this caller."), transport.CodeName(codes.PermissionDenied))
	}
}

// pick finds the operation to run (GraphQL September 2025, 6.1).
func pick(list ast.OperationList, name string) (*ast.OperationDefinition, *gqlerror.Error) {
	if name == "" && len(list) == 1 {
		return list[0], nil
	}
	if name == "" {
		return nil, withCode(gqlerror.Errorf("The document has several operations: name the one to run."), codeOperation)
	}
	for _, op := range list {
		if op.Name == name {
			return op, nil
		}
	}
	return nil, withCode(gqlerror.Errorf("The document has no operation named %q.", shortened(name)), codeOperation)
}

// document returns a parsed and validated document, from the cache if it can.
func (e *Executor) document(query string) (*document, gqlerror.List) {
	if doc, ok := e.documents.get(query); ok {
		return doc, nil
	}
	parsed, errs := e.parse(query)
	if len(errs) > 0 {
		return nil, errs
	}
	doc := newDocument(parsed)
	e.documents.add(query, doc, costOf(query))
	return doc, nil
}

// plan returns the plan of an operation for what its variables make of @skip and @include.
func (e *Executor) plan(doc *document, op *ast.OperationDefinition, vs variables) (*plan, *gqlerror.Error) {
	key := doc.planKey(op, vs)
	if p := doc.plan(key); p != nil {
		return p, nil
	}
	maker := planner{graph: e.graph, conditions: &conditions{variables: vs, schema: e.graph.schema}}
	p, err := maker.plan(op)
	if err == nil {
		doc.keep(key, p)
	}
	return p, err
}

// encodeAll encodes the requests of all root fields. What fails one field alone is left for its turn.
func (g *Graph) encodeAll(o *prepared) *gqlerror.Error {
	o.requests = make([]*requests, len(o.plan.fields))
	for i, f := range o.plan.fields {
		if f.kind != rootCall {
			continue
		}
		o.requests[i] = g.encode(f, o.variables)
		err := o.requests[i].err
		if err != nil && (o.plan.operation == ast.Subscription || !failsField(err)) {
			return badInput(err, f)
		}
	}
	return nil
}

// DispatchOperation runs an operation that CreateOperationContext prepared. The handler returns the
// responses, one a call, and nil after the last; for a subscription it blocks until there is an event.
// It returns promptly once ctx, or the context of the call, is done. Calls carry the
// [Request] of ctx. The handler belongs to one goroutine at a time. A subscription's
// handler that was called must be called until it returns nil, or ctx be cancelled.
func (e *Executor) DispatchOperation(ctx context.Context, c *graphql.OperationContext) (graphql.ResponseHandler, context.Context) {
	ctx = graphql.WithOperationContext(ctx, c)
	o, ok := c.Stats.GetExtension(operationKey).(*prepared)
	if !ok {
		err := withCode(gqlerror.Errorf("internal error"), codeInternal)
		return graphql.OneShot(e.DispatchError(ctx, gqlerror.List{err})), ctx
	}
	if ran := e.graph.options.Ran; ran != nil {
		ran(ctx, c.RawQuery)
	}
	x := newExecution(ctx, e.graph, o)
	if o.plan.operation == ast.Subscription {
		return newEventSource(ctx, x).next, ctx
	}
	x.trace = e.graph.traceOf(c, o.plan)
	done := false
	return func(context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		return x.run(ctx)
	}, ctx
}

// DispatchError makes a response of errors alone.
func (e *Executor) DispatchError(_ context.Context, list gqlerror.List) *graphql.Response {
	return &graphql.Response{Errors: list}
}
