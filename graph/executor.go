package graph

import (
	"context"
	"net/http"
	"runtime/debug"
	"strings"

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

// prepared is an operation that is ready to run.
type prepared struct {
	document  *document
	operation *ast.OperationDefinition
	plan      *plan
	variables variables
	shown     *shownSchema // to the caller; nil: the operation does not ask for the schema
	described int          // bytes of introspection in the response, at least
	requests  []requests   // by root field
	one       [1]requests  // room for those of a single field
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
	p, err := paramsOfRaw(params)
	if err != nil {
		return c, gqlerror.List{withCode(gqlerror.Errorf("the variables cannot be read"), codeInput)}
	}
	out := new(prepared)
	errs = e.prepare(ctx, &p, new(scratch), out) // which the operation has for good
	c.Operation = out.operation
	if out.document != nil {
		c.Doc = out.document.ast
	}
	c.Stats.SetExtension(operationKey, out)
	return c, errs
}

func (g *Graph) panicked(ctx context.Context, value any, stack []byte) {
	if g.options.HTTP.Panicked != nil {
		g.options.HTTP.Panicked(ctx, value, stack)
	}
}

// prepare parses, validates and plans an operation, and encodes its requests. With an error, out has what
// was known by then. What is in the scratch must stay there until the operation is over.
func (e *Executor) prepare(ctx context.Context, p *params, s *scratch, out *prepared) (errs gqlerror.List) {
	defer func() {
		if r := recover(); r != nil {
			e.graph.panicked(ctx, r, debug.Stack())
			errs = gqlerror.List{withCode(gqlerror.Errorf("internal error"), codeInternal)}
		}
	}()
	if out.document, errs = e.document(p.query); len(errs) > 0 {
		return errs
	}
	if err := e.prepareOperation(ctx, p, s, out); err != nil {
		return err
	}
	return nil
}

// prepareOperation prepares one operation of a document.
func (e *Executor) prepareOperation(ctx context.Context, p *params, s *scratch, out *prepared) (errs gqlerror.List) {
	op, err := pick(out.document.ast.Operations, p.operationName)
	if err != nil {
		return gqlerror.List{err}
	}
	out.operation = op
	if s.variables, errs = e.graph.coerceVariables(&s.checker, s.variables[:0], op, p.variables); len(errs) > 0 {
		return errs
	}
	out.variables = s.variables
	if err = out.document.checkConditions(out.variables); err != nil {
		return gqlerror.List{err}
	}
	if out.plan, err = e.plan(out.document, op, out.variables); err != nil {
		return gqlerror.List{err}
	}
	if err := e.graph.mayIntrospect(ctx, out.plan); err != nil {
		return gqlerror.List{err}
	}
	if out.plan.introspects != nil {
		out.shown = e.graph.shownTo(ctx)
	}
	if out.plan.describes {
		if err := e.graph.measureIntrospection(ctx, out); err != nil {
			return gqlerror.List{err}
		}
	}
	if err := e.graph.encodeAll(s, out); err != nil {
		return gqlerror.List{err}
	}
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
	query = strings.Clone(query) // which may be part of a large request
	parsed, errs := e.parse(query)
	if len(errs) > 0 {
		return nil, errs
	}
	doc := newDocument(query, parsed)
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
func (g *Graph) encodeAll(s *scratch, o *prepared) *gqlerror.Error {
	if o.requests = o.one[:]; len(o.plan.fields) > 1 {
		o.requests = make([]requests, len(o.plan.fields))
	}
	for i, f := range o.plan.fields {
		if f.kind != rootCall {
			continue
		}
		o.requests[i] = g.encode(s, f, o.variables)
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
	x := new(execution)
	e.begin(ctx, x, o, c.Headers)
	if o.plan.operation == ast.Subscription {
		return newEventSource(ctx, x).next, ctx
	}
	done := false
	return func(context.Context) *graphql.Response {
		if done {
			return nil
		}
		done = true
		return x.run(ctx, nil)
	}, ctx
}

// begin makes x ready to run an operation.
func (e *Executor) begin(ctx context.Context, x *execution, o *prepared, h http.Header) {
	if ran := e.graph.options.Ran; ran != nil {
		ran(ctx, o.document.text)
	}
	x.begin(ctx, e.graph, o)
	if o.plan.operation != ast.Subscription {
		x.trace = e.graph.traceOf(h, o.plan)
	}
}

// DispatchError makes a response of errors alone.
func (e *Executor) DispatchError(_ context.Context, list gqlerror.List) *graphql.Response {
	return &graphql.Response{Errors: list}
}
