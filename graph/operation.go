package graph

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// operation is one operation between a transport and the executor. It belongs to
// one goroutine, which calls close in the end.
type operation struct {
	door    *door
	ctx     context.Context
	cancel  context.CancelFunc // any goroutine may call it
	params  params
	scratch *scratch
	kind    ast.Operation     // empty where the operation was refused
	refused *graphql.Response // the only response, where the operation was refused
	over    bool              // there are no further responses

	// Of an executor of ours.
	prepared  prepared
	execution execution
	events    *eventSource // of a subscription that has begun

	// Of others.
	checked   *graphql.OperationContext // what is executed
	responses graphql.ResponseHandler   // nil before the first response
}

// prepare parses and validates; nothing is executed yet. The params are in the scratch, which
// is the operation's from now on.
func (d *door) prepare(ctx context.Context, params params, s *scratch) *operation {
	ctx, cancel := context.WithCancel(ctx)
	return d.prepareWithin(ctx, cancel, params, s)
}

// prepareWithin is prepare in a context that is cancelled by cancel or, for an operation
// with one response, not at all: it is over then anyway.
func (d *door) prepareWithin(ctx context.Context, cancel context.CancelFunc, params params, s *scratch) (op *operation) {
	op = &operation{door: d, ctx: ctx, cancel: cancel, params: params, scratch: s}
	defer op.recover(&op.refused)
	if op.refused = d.options.Clients.resolve(&op.params); op.refused != nil {
		return op
	}
	var errs gqlerror.List
	if d.own != nil {
		errs = d.own.prepare(ctx, &op.params, s, &op.prepared)
	} else {
		errs = op.check()
	}
	if len(errs) > 0 {
		op.refused = &graphql.Response{Errors: errs} // nothing was executed
		return op
	}
	d.options.Clients.persist(&op.params)
	if d.own != nil {
		op.kind = op.prepared.plan.operation
	} else {
		op.kind = op.checked.Operation.Operation
	}
	return op
}

// check prepares an operation with an executor that is none of ours.
func (op *operation) check() (errs gqlerror.List) {
	op.ctx = graphql.StartOperationTrace(op.ctx)
	if op.checked, errs = op.door.exec.CreateOperationContext(op.ctx, op.params.raw()); len(errs) == 0 {
		return nil
	}
	return op.door.exec.DispatchError(graphql.WithOperationContext(op.ctx, op.checked), errs).Errors
}

// next returns the next response, which is good until the one after it is asked for: one of a query or a mutation, any
// number of a subscription. It returns nil after the last, and promptly once the context is done.
func (op *operation) next() (response *graphql.Response) {
	if op.over || op.ctx.Err() != nil {
		return nil
	}
	op.over = true
	if op.refused != nil {
		return op.refused
	}
	defer op.recover(&response)
	switch response = op.respond(); {
	case response == nil:
		op.over = op.ctx.Err() == nil // or it was cut short
	case op.kind == ast.Subscription:
		op.over = fatal(response)
	}
	return response
}

// respond asks the executor for the next response.
func (op *operation) respond() *graphql.Response {
	switch {
	case op.door.own == nil && op.responses == nil:
		op.responses, op.ctx = op.door.exec.DispatchOperation(op.ctx, op.checked)
		return op.responses(op.ctx)
	case op.door.own == nil:
		return op.responses(op.ctx)
	case op.events != nil:
		return op.events.next(op.ctx)
	}
	op.door.own.begin(op.ctx, &op.execution, &op.prepared, op.params.headers)
	if op.kind != ast.Subscription {
		return op.execution.run(op.ctx, &op.scratch.response)
	}
	op.events = newEventSource(op.ctx, &op.execution)
	op.events.room = &op.scratch.response
	return op.events.next(op.ctx)
}

// body returns a response of the operation as JSON. It is good for as long as the response.
func (op *operation) body(r *graphql.Response) []byte {
	if op.door.own == nil || r != &op.execution.response || len(r.Errors)+len(r.Extensions) > 0 {
		return appendResponse(nil, r)
	}
	op.scratch.response = append(op.scratch.response, '}')
	return op.scratch.response
}

// fatal reports whether a response ends its operation: it has errors and no data
// entry, which is not the same as null.
func fatal(r *graphql.Response) bool { return r.Data == nil && len(r.Errors) > 0 }

// only returns the one response of an operation that is no subscription.
func (op *operation) only() *graphql.Response {
	if response := op.next(); response != nil {
		return response
	}
	if late := op.lateness(); late != nil {
		return late
	}
	return errorResponse("CANCELLED", "the client gave up")
}

// lateness returns what is to be said of an operation that ran out of the time
// that the client gave it, and nil where it ended otherwise.
func (op *operation) lateness() *graphql.Response {
	if op.over || !errors.Is(op.ctx.Err(), context.DeadlineExceeded) {
		return nil
	}
	return errorResponse("DEADLINE_EXCEEDED", "the deadline of the call passed")
}

// cutShort reports whether an operation ended before all was said, because it was cancelled. One
// whose last response says that its time was up was not.
func (op *operation) cutShort() bool {
	err := op.ctx.Err()
	return err != nil && !(op.over && errors.Is(err, context.DeadlineExceeded))
}

// close ends an operation, also one that has further responses, and waits until
// the executor has let go of it.
func (op *operation) close() {
	op.cancel()
	op.drain()
	op.scratch.release()
}

func (op *operation) drain() {
	if op.events == nil && op.responses == nil || op.over {
		return
	}
	var dropped *graphql.Response
	defer op.recover(&dropped)
	for dropped = op.respond(); dropped != nil; {
		dropped = op.respond()
	}
}

// recover makes a response of a panic.
func (op *operation) recover(response **graphql.Response) {
	value := recover()
	if value == nil {
		return
	}
	op.door.report(op.ctx, value)
	*response = errorResponse("INTERNAL", "internal error")
}

// report tells of a panic. It is called while that unwinds.
func (d *door) report(ctx context.Context, value any) {
	if d.options.Panicked != nil {
		d.options.Panicked(ctx, value, debug.Stack())
	}
}
