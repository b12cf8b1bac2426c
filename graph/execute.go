package graph

import (
	"context"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// execution runs one operation: it fetches, wave by wave, and then writes. What most operations need is part of
// it. Calls may be kept by others when they are over, so it is never used for another operation.
type execution struct {
	graph     *Graph
	operation *prepared
	request   Request
	parallel  chan struct{} // holds a token for each call under way; nil: there is one call at most
	calls     atomic.Int64  // made so far
	denied    *rpc.Denied   // fields that no call of the operation may show
	trace     *trace        // nil: nobody asks for one
	writer    responseWriter
	response  graphql.Response

	ownDenied rpc.Denied
	answers   [1]answer   // room for that of a single field
	first     unary       // the first call
	begun     atomic.Bool // first is in use
}

// begin makes x ready to run an operation.
func (x *execution) begin(ctx context.Context, g *Graph, o *prepared) {
	x.graph, x.operation, x.request = g, o, requestFrom(ctx)
	x.denied = &x.ownDenied
	if !o.plan.single {
		x.parallel = make(chan struct{}, g.options.MaxParallel)
	}
}

// answer is what the call of a root field brought, with what was joined to it.
type answer struct {
	message []byte
	list    [][]byte    // of a stream that is collected
	found   *found      // of a lookup
	page    *pageAnswer // of a connection
	sites   []*site     // where something is joined
	err     error
}

// joins are those of a response, or of the messages of a list.
func (a *answer) joins() []*joined {
	if len(a.sites) == 0 {
		return nil
	}
	return a.sites[0].joins
}

// run carries out a query or mutation (GraphQL September 2025, 6.2). Room is that of respond.
func (x *execution) run(ctx context.Context, room *[]byte) *graphql.Response {
	response := x.respond(ctx, &x.response, room, x.fetchAll(ctx))
	if x.trace != nil {
		x.trace.extend(response, x)
	}
	return response
}

func (x *execution) fetchAll(ctx context.Context) []answer {
	p := x.operation.plan
	answers := x.answers[:]
	if len(p.fields) > 1 {
		answers = make([]answer, len(p.fields))
	}
	switch {
	case p.single:
		x.fetchSingle(ctx, answers)
	case p.operation == ast.Mutation:
		for i := range p.fields {
			x.fetchTogether(ctx, []int{i}, answers) // one after the other, joins and all
		}
	case len(p.together) == 1:
		x.fetchTogether(ctx, p.together[0], answers)
	default:
		x.each(len(p.together), func(i int) { x.fetchTogether(ctx, p.together[i], answers) })
	}
	return answers
}

// fetchSingle calls the method of a root field beside which there is nothing to fetch.
func (x *execution) fetchSingle(ctx context.Context, answers []answer) {
	if x.trace != nil {
		defer x.trace.measure([]int{0})()
	}
	x.fetch(ctx, 0, &answers[0])
}

// fetchTogether calls the methods of some root fields and fetches what is joined to all
// their answers.
func (x *execution) fetchTogether(ctx context.Context, fields []int, answers []answer) {
	if x.trace != nil {
		defer x.trace.measure(fields)()
	}
	deadline := time.Now().Add(x.longest(fields))
	if len(fields) == 1 {
		x.fetch(ctx, fields[0], &answers[fields[0]])
	} else {
		x.each(len(fields), func(i int) { x.fetch(ctx, fields[i], &answers[fields[i]]) })
	}
	var sites []*site
	for _, i := range fields {
		sites = append(sites, answers[i].sites...)
	}
	if len(sites) == 0 {
		return
	}
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := x.protect(ctx, func() error { x.join(ctx, sites); return nil }); err != nil {
		for _, i := range fields {
			answers[i].err = err
		}
	}
}

// longest is the time that some root fields have, with all that is joined to them, wave after wave: that of
// the method which may take longest.
func (x *execution) longest(fields []int) time.Duration {
	var longest time.Duration
	for _, i := range fields {
		timeout := schema.DefaultTimeout
		if r := x.operation.plan.fields[i].root; r != nil && r.method.Timeout > 0 {
			timeout = r.method.Timeout
		}
		longest = max(longest, timeout)
	}
	return longest
}

// fetch calls the method of a root field.
func (x *execution) fetch(ctx context.Context, i int, a *answer) {
	f := x.operation.plan.fields[i]
	if !f.calls() {
		return
	}
	a.err = x.protect(ctx, func() error {
		if f.lookup != nil {
			return x.look(ctx, f, a)
		}
		if err := x.operation.requests[i].err; err != nil {
			return err
		}
		if err := x.take(); err != nil {
			return err
		}
		return x.fetchMethod(ctx, f, &x.operation.requests[i], a)
	})
}

func (x *execution) fetchMethod(ctx context.Context, f *rootField, r *requests, a *answer) (err error) {
	switch {
	case f.root.method.ClientStreams:
		a.message, err = x.stream(ctx, f.root.method, r.messages)
	case f.root.collect > 0:
		a.list, err = x.collect(ctx, f.root, r.message)
	default:
		a.message, err = x.call(ctx, f.root.method, r.message)
	}
	if err != nil {
		return err
	}
	if f.connection != nil {
		return readPage(f, r.page, a)
	}
	switch {
	case len(f.output.joins) == 0:
	case a.list == nil:
		a.join(f.output, [][]byte{a.message})
	default:
		a.join(f.output, a.list)
	}
	return nil
}

// join notes what is to be joined to messages.
func (a *answer) join(out output, messages [][]byte) {
	if len(out.joins) > 0 {
		a.sites = append(a.sites, &site{out: out, parents: messages})
	}
}

// each runs f for 0 to n-1, at once where there are several, and waits for all: one runs where it is called.
// The number is bounded by the calls of the operation.
func (x *execution) each(n int, f func(i int)) {
	if n == 1 {
		f(0)
	}
	if n <= 1 {
		return
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := 1; i < n; i++ {
		wg.Go(func() { f(i) })
	}
	f(0)
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

// unary is a call that is answered once.
type unary struct {
	call rpc.Call
	listStream
}

// call makes a unary call that was taken.
func (x *execution) call(ctx context.Context, m *schema.Method, request []byte) ([]byte, error) {
	u := &x.first
	if x.begun.Swap(true) {
		u = new(unary)
	}
	x.callOf(&u.call, m, request)
	return x.exchange(ctx, u)
}

// exchange makes a call and returns its only answer.
func (x *execution) exchange(ctx context.Context, u *unary) ([]byte, error) {
	if err := x.enter(ctx); err != nil {
		return nil, err
	}
	defer x.leave()
	err := x.graph.handler(ctx, &u.call, &u.listStream)
	if err == nil && u.answers != 1 {
		err = status.Error(codes.Internal, "the backend did not answer with exactly one message")
	}
	if err != nil {
		return nil, err
	}
	return u.answer, nil
}

// enter waits until fewer calls than may be are under way.
func (x *execution) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return rpc.ContextError(ctx)
	}
	if x.parallel == nil {
		return nil
	}
	select {
	case x.parallel <- struct{}{}:
		return nil
	case <-ctx.Done():
		return rpc.ContextError(ctx)
	}
}

func (x *execution) leave() {
	if x.parallel != nil {
		<-x.parallel
	}
}

// callOf makes c a call of a method.
func (x *execution) callOf(c *rpc.Call, m *schema.Method, request []byte) {
	c.Method, c.Metadata, c.Request = m, x.request.Metadata, request
	c.Door, c.Peer, c.Denied = rpc.GraphQL, x.request.Peer, x.denied
}
