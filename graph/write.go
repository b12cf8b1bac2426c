package graph

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/protean-gateway/protean/wire"
)

// dataHead is what stands before the data of a response without errors.
const dataHead = `{"data":`

// respond makes r the response of all root fields. The data are written into room, behind dataHead and instead of what
// is there; without room they have a buffer of their own.
func (x *execution) respond(ctx context.Context, r *graphql.Response, room *[]byte, answers []answer) *graphql.Response {
	own := []byte(nil)
	if room == nil {
		own = make([]byte, 0, sizeHint(answers))
		room = &own
	} else {
		*room = append((*room)[:0], dataHead...)
	}
	start := len(*room)
	w := &x.writer
	w.begin(ctx, x)
	dst := append(*room, '{')
	if described := x.operation.described; described > 0 && ctx.Err() == nil {
		dst = slices.Grow(dst, described+described/16) // escapes come on top
	}
	for i, f := range x.operation.plan.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.field(dst, f, &answers[i])
	}
	if w.null {
		dst = append(dst[:start], "null"...)
	} else {
		dst = append(dst, '}')
	}
	*room = dst
	*r = graphql.Response{Data: dst[start:], Errors: w.errors}
	return r
}

// sizeHint guesses the size of a response: JSON is about twice as long as its wire form.
func sizeHint(answers []answer) int {
	size := 256
	for i := range answers {
		size += 2 * len(answers[i].message)
	}
	return size
}

// responseWriter writes one response.
type responseWriter struct {
	execution *execution
	ctx       context.Context // of the client
	sink      wire.Sink
	errors    gqlerror.List
	limit     int    // of the buffer, for the root field that is being written
	null      bool   // a root field that cannot be null has failed
	at        parent // whose joins are being written
	messages  int    // written so far
}

// begin makes w ready to write a response of x.
func (w *responseWriter) begin(ctx context.Context, x *execution) {
	splice := w.sink.Splice
	if splice == nil && !x.operation.plan.single {
		splice = w.splice
	}
	*w = responseWriter{execution: x, ctx: ctx, sink: wire.Sink{Splice: splice, Done: ctx.Done()}}
	if !x.denied.Empty() {
		w.sink.Denied = x.denied.Has
	}
}

// parent is a message whose joined fields were fetched.
type parent struct {
	joins []*joined
	index int
}

// maxFieldErrors bounds the errors below the root fields of one response. Each null of a field that failed has its error: a root field
// below which there would be more is null itself, and its error says so. Each root field may have one error of its own.
const maxFieldErrors = wire.DefaultMaxFaults

// field writes a root field. Whatever goes wrong makes the field null and leaves its
// neighbours alone: the results of methods are nullable. Only _entities is not.
func (w *responseWriter) field(dst []byte, f *rootField, a *answer) []byte {
	start := len(dst)
	w.sink.Faults, w.sink.MaxFaults = nil, maxFieldErrors-len(w.errors)
	if w.sink.MaxFaults <= 0 {
		w.sink.MaxFaults = -1
	}
	w.sink.MaxBytes = w.room(start, f)
	w.limit = start + w.sink.MaxBytes
	err := wire.ErrTooLarge
	if w.fits(f, a, w.sink.MaxBytes) {
		dst, err = w.result(dst, f, a)
	}
	if err != nil {
		dst = append(appendKey(dst[:start], f.key), "null"...)
		w.null = w.null || f.kind == rootEntities
	}
	if errors.Is(err, wire.ErrTooManyFaults) { // their nulls are gone: a few tell why
		w.sink.Faults = w.sink.Faults[:min(len(w.sink.Faults), maxErrors)]
	}
	if err != nil && !errors.Is(err, wire.ErrNull) {
		w.report(w.execution.graph.failure(err, f, ast.Path{ast.PathName(f.key)}))
	}
	for _, fault := range w.sink.Faults {
		w.report(w.execution.graph.presenter.present(fault.Cause, faultPath(f, fault.Path), nil))
	}
	return dst
}

// room is how many bytes of JSON the field may take.
func (w *responseWriter) room(used int, f *rootField) int {
	room := max(1, w.execution.graph.options.ResponseBytes-used)
	if f.kind == rootCall && f.root.method.Limits.JSONBytes > 0 {
		room = min(room, f.root.method.Limits.JSONBytes)
	}
	return room
}

func (w *responseWriter) report(err *gqlerror.Error) { w.errors = append(w.errors, err) }

// failure makes a GraphQL error of the failure of a root field.
func (g *Graph) failure(err error, f *rootField, path ast.Path) *gqlerror.Error {
	if wrong := new(inputError); errors.As(err, &wrong) {
		return badInput(wrong, f)
	}
	out := g.presenter.present(err, path, f.at)
	if f.kind == rootCall {
		addViolations(out, err, f.root)
	}
	return out
}

// faultPath makes a GraphQL path of a fault's. That of an unwrapped field begins with its key.
func faultPath(f *rootField, places []any) ast.Path {
	path := make(ast.Path, 0, len(places)+1)
	if f.kind != rootCall || f.root.result.kind != resultUnwrapped {
		path = append(path, ast.PathName(f.key))
	}
	for _, place := range places {
		switch place := place.(type) {
		case string:
			path = append(path, ast.PathName(place))
		case int:
			path = append(path, ast.PathIndex(place))
		}
	}
	return path
}

func appendKey(dst []byte, key string) []byte {
	dst = append(dst, '"')
	dst = append(dst, key...)
	return append(dst, '"', ':')
}

// result writes the key and value of a root field.
func (w *responseWriter) result(dst []byte, f *rootField, a *answer) ([]byte, error) {
	if f.kind == rootCall && f.root.result.kind == resultUnwrapped && a.err == nil {
		return w.unwrapped(dst, f, a)
	}
	dst = appendKey(dst, f.key)
	x := w.execution
	switch f.kind {
	case rootTypename:
		return append(dst, quoted(x.graph.typeOf(x.operation.plan.operation))...), nil
	case rootSchema, rootType, rootService:
		return x.describe(w.ctx, dst, f, w.sink.MaxBytes)
	case rootDigest:
		return strconv.AppendQuote(dst, x.graph.digest), nil
	case rootEntities:
		return w.entities(dst, a.found)
	case rootNode:
		return w.slot(dst, &a.found.slots[0])
	}
	if a.err != nil {
		return dst, a.err
	}
	switch {
	case f.connection != nil:
		return w.page(dst, f, f.connection.fields, a.page)
	case f.root.collect > 0:
		return w.collected(dst, f, a)
	default:
		return w.one(dst, f, parent{joins: a.joins()}, a.message)
	}
}

// one writes a response.
func (w *responseWriter) one(dst []byte, f *rootField, p parent, msg []byte) ([]byte, error) {
	switch f.root.result.kind {
	case resultTrue:
		return append(dst, "true"...), nil
	case resultScalar:
		return f.root.result.whole.AppendJSON(dst, msg, &w.sink)
	default:
		return w.message(dst, f.output, p, msg)
	}
}

// collected writes the messages of a stream. They are never null: a fault that reaches one
// moves on to the list.
func (w *responseWriter) collected(dst []byte, f *rootField, a *answer) ([]byte, error) {
	dst = append(dst, '[')
	for i, msg := range a.list {
		if i > 0 {
			dst = append(dst, ',')
		}
		before := len(w.sink.Faults)
		var err error
		dst, err = w.one(dst, f, parent{a.joins(), i}, msg)
		if err == nil && len(dst) > w.limit {
			err = wire.ErrTooLarge
		}
		if err != nil && !errors.Is(err, wire.ErrNull) && !endsAnswer(err) {
			err = w.sink.Record(err)
		}
		w.sink.Within(before, i)
		if err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// endsAnswer reports whether an error concerns the answer of a root field as a whole.
func endsAnswer(err error) bool {
	return errors.Is(err, wire.ErrTooLarge) || errors.Is(err, wire.ErrAbandoned) || errors.Is(err, wire.ErrTooManyFaults)
}

// typeOf returns the name of a root type.
func (g *Graph) typeOf(o ast.Operation) string {
	switch o {
	case ast.Mutation:
		return g.schema.Mutation.Name
	case ast.Subscription:
		return g.schema.Subscription.Name
	default:
		return g.schema.Query.Name
	}
}

// unwrapped writes `{"key":value}` and takes the braces off.
func (w *responseWriter) unwrapped(dst []byte, f *rootField, a *answer) ([]byte, error) {
	start := len(dst)
	dst, err := w.message(dst, f.output, parent{joins: a.joins()}, a.message)
	if err != nil {
		return dst, err
	}
	copy(dst[start:], dst[start+1:len(dst)-1])
	return dst[:len(dst)-2], nil
}

// messagesBetweenChecks is how many messages are written between two looks at the context.
const messagesBetweenChecks = 256

// message writes a message whose joins, if it has any, are those of a parent.
func (w *responseWriter) message(dst []byte, out output, p parent, msg []byte) ([]byte, error) {
	if w.messages++; w.messages%messagesBetweenChecks == 0 && w.ctx.Err() != nil {
		return dst, wire.ErrAbandoned
	}
	outer := w.at
	w.at = p
	dst, err := out.projection.AppendJSON(dst, msg, &w.sink)
	w.at = outer
	return dst, err
}
