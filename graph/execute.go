package graph

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// execution runs one operation: it fetches, wave by wave, and then writes.
type execution struct {
	graph     *Graph
	operation *prepared
	request   Request
	parallel  chan struct{} // holds a token for each call under way
	calls     atomic.Int64  // made so far
}

func newExecution(ctx context.Context, g *Graph, o *prepared) *execution {
	return &execution{
		graph:     g,
		operation: o,
		request:   requestFrom(ctx),
		parallel:  make(chan struct{}, g.options.MaxParallel),
	}
}

// answer is what the call of a root field brought, with what was joined to it.
type answer struct {
	message []byte
	joins   []*joined
	err     error
}

// run carries out a query or mutation (GraphQL September 2025, 6.2).
func (x *execution) run(ctx context.Context) *graphql.Response {
	fields := x.operation.plan.fields
	answers := make([]answer, len(fields))
	if x.operation.plan.operation == ast.Mutation {
		for i := range fields {
			x.fetch(ctx, i, &answers[i]) // one after the other, joins and all
		}
	} else {
		x.each(len(fields), func(i int) { x.fetch(ctx, i, &answers[i]) })
	}
	return x.respond(answers)
}

// fetch calls the method of a root field and fetches what is joined to the answer.
func (x *execution) fetch(ctx context.Context, i int, a *answer) {
	f := x.operation.plan.fields[i]
	if f.kind != rootCall {
		return
	}
	a.err = x.protect(ctx, func() (err error) {
		if err := x.take(); err != nil {
			return err
		}
		if f.root.method.ClientStreams {
			a.message, err = x.stream(ctx, f.root.method, x.operation.requests[i].messages)
		} else {
			a.message, err = x.call(ctx, f.root.method, x.operation.requests[i].messages[0])
		}
		if err == nil && len(f.output.joins) > 0 {
			a.joins = x.join(ctx, f.output, [][]byte{a.message})
		}
		return err
	})
}

// each runs f for 0 to n-1, at once where there are several, and waits for all.
// The number is bounded by the calls of the operation.
func (x *execution) each(n int, f func(i int)) {
	if n == 1 {
		f(0)
		return
	}
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

// protect turns a panic into an error that tells nothing of it.
func (x *execution) protect(ctx context.Context, f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			caught := &rpc.PanicError{Value: r, Stack: debug.Stack()}
			x.graph.panicked(ctx, r, caught.Stack)
			err = caught
		}
	}()
	return f()
}

// take counts a call, and refuses it when the operation has had its share.
func (x *execution) take() error {
	most := x.graph.options.MaxCalls
	if x.calls.Add(1) > int64(most) {
		return status.Errorf(codes.ResourceExhausted, "the operation makes more than %d calls", most)
	}
	return nil
}

// call makes a unary call that was taken.
func (x *execution) call(ctx context.Context, m *schema.Method, request []byte) ([]byte, error) {
	if err := x.enter(ctx); err != nil {
		return nil, err
	}
	defer x.leave()
	response, err := rpc.Unary(ctx, x.graph.handler, x.callOf(m, request))
	return response.Message, err
}

// enter waits until fewer calls than may be are under way.
func (x *execution) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return rpc.ContextError(ctx)
	}
	select {
	case x.parallel <- struct{}{}:
		return nil
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	}
}

func (x *execution) leave() { <-x.parallel }

func (x *execution) callOf(m *schema.Method, request []byte) *rpc.Call {
	return &rpc.Call{
		Method:   m,
		Metadata: x.request.Metadata,
		Request:  request,
		Door:     rpc.GraphQL,
		Peer:     x.request.Peer,
	}
}
