package graph

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
)

// operation is one operation between a transport and the executor. It belongs to
// one goroutine, which calls close in the end.
type operation struct {
	door    door
	ctx     context.Context
	cancel  context.CancelFunc        // any goroutine may call it
	kind    ast.Operation             // empty where the operation was refused
	checked *graphql.OperationContext // what is executed
	refused *graphql.Response         // the only response, where the operation was refused

	responses graphql.ResponseHandler // nil before the first response
	over      bool                    // there are no further responses
}

// prepare parses and validates; nothing is executed yet.
func (d door) prepare(ctx context.Context, params *graphql.RawParams) *operation {
	ctx, cancel := context.WithCancel(ctx)
	return d.prepareWithin(ctx, cancel, params)
}

// prepareWithin is prepare in a context that is cancelled by cancel or, for an operation
// with one response, not at all: it is over then anyway.
func (d door) prepareWithin(ctx context.Context, cancel context.CancelFunc, params *graphql.RawParams) (op *operation) {
	op = &operation{door: d, ctx: graphql.StartOperationTrace(ctx), cancel: cancel}
	defer op.recover(&op.refused)
	if op.refused = d.options.Clients.resolve(params); op.refused != nil {
		return op
	}
	checked, errs := d.exec.CreateOperationContext(op.ctx, params)
	if len(errs) > 0 {
		op.refused = d.exec.DispatchError(graphql.WithOperationContext(op.ctx, checked), errs)
		op.refused.Data = nil // nothing was executed
		return op
	}
	d.options.Clients.persist(params)
	op.checked, op.kind = checked, checked.Operation.Operation
	return op
}

// next returns the next response: one of a query or a mutation, any number of a
// subscription. It returns nil after the last, and promptly once the context is done.
func (op *operation) next() (response *graphql.Response) {
	if op.over || op.ctx.Err() != nil {
		return nil
	}
	op.over = true
	if op.refused != nil {
		return op.refused
	}
	defer op.recover(&response)
	if op.responses == nil {
		op.responses, op.ctx = op.door.exec.DispatchOperation(op.ctx, op.checked)
	}
	response = op.responses(op.ctx)
	switch {
	case response == nil:
		op.over = op.ctx.Err() == nil // or it was cut short
	case op.kind == ast.Subscription:
		op.over = fatal(response)
	}
	return response
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
	if op.responses == nil || op.over {
		return
	}
	var dropped *graphql.Response
	defer op.recover(&dropped)
	for dropped = op.responses(op.ctx); dropped != nil; {
		dropped = op.responses(op.ctx)
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
func (d door) report(ctx context.Context, value any) {
	if d.options.Panicked != nil {
		d.options.Panicked(ctx, value, debug.Stack())
	}
}
