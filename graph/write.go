package graph

import (
	"errors"
	"strconv"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/protean-gateway/protean/wire"
)

// respond writes the answers of all root fields into one buffer.
func (x *execution) respond(answers []answer) *graphql.Response {
	w := &responseWriter{execution: x}
	w.sink.Splice = w.splice
	dst := append(make([]byte, 0, sizeHint(answers)), '{')
	for i, f := range x.operation.plan.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = w.field(dst, f, &answers[i])
	}
	return &graphql.Response{Data: append(dst, '}'), Errors: w.errors}
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
	sink      wire.Sink
	errors    gqlerror.List
	at        parent // whose joins are being written
}

// parent is a message whose joined fields were fetched.
type parent struct {
	joins []*joined
	index int
}

// field writes a root field. Whatever goes wrong makes the field null and
// leaves its neighbours alone: the results of methods are nullable.
func (w *responseWriter) field(dst []byte, f *rootField, a *answer) []byte {
	start := len(dst)
	w.sink.Faults = nil
	w.sink.MaxBytes = w.room(start, f)
	dst, err := w.result(dst, f, a)
	if err != nil {
		dst = append(appendKey(dst[:start], f.key), "null"...)
	}
	if err != nil && !errors.Is(err, wire.ErrNull) {
		w.report(err, ast.Path{ast.PathName(f.key)}, f.at)
	}
	for _, fault := range w.sink.Faults {
		w.report(fault.Cause, faultPath(f, fault.Path), nil)
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

func (w *responseWriter) report(err error, path ast.Path, at *ast.Position) {
	if len(w.errors) < maxErrors {
		w.errors = append(w.errors, w.execution.graph.presenter.present(err, path, at))
	}
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
	case rootSchema, rootType:
		return x.introspect(dst, f, w.sink.MaxBytes)
	case rootDigest:
		return strconv.AppendQuote(dst, x.graph.digest), nil
	}
	if a.err != nil {
		return dst, a.err
	}
	switch f.root.result.kind {
	case resultTrue:
		return append(dst, "true"...), nil
	case resultScalar:
		return f.root.result.whole.AppendJSON(dst, a.message, &w.sink)
	default:
		return w.message(dst, f.output, parent{joins: a.joins}, a.message)
	}
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
	dst, err := w.message(dst, f.output, parent{joins: a.joins}, a.message)
	if err != nil {
		return dst, err
	}
	copy(dst[start:], dst[start+1:len(dst)-1])
	return dst[:len(dst)-2], nil
}

// message writes a message whose joins, if it has any, are those of a parent.
func (w *responseWriter) message(dst []byte, out output, p parent, msg []byte) ([]byte, error) {
	outer := w.at
	w.at = p
	dst, err := out.projection.AppendJSON(dst, msg, &w.sink)
	w.at = outer
	return dst, err
}

// splice writes a joined field.
func (w *responseWriter) splice(number, ordinal int, dst []byte) ([]byte, error) {
	p := w.at
	j := p.joins[number]
	if j.wave.err != nil {
		return dst, j.wave.err
	}
	keys := j.keysAt(p.index, ordinal)
	for _, key := range keys {
		if err := j.wave.failures[key]; err != nil {
			return dst, err
		}
	}
	switch spec := j.wave.join; {
	case spec.many && !spec.key.Field().IsList() && len(keys) == 0:
		return append(dst, "null"...), nil
	case spec.many:
		return w.many(dst, j, keys)
	case spec.list:
		return w.list(dst, j, keys)
	case len(keys) == 0 || len(j.wave.results[keys[0]]) == 0:
		return append(dst, "null"...), nil
	default:
		return w.element(dst, j, j.wave.results[keys[0]][0])
	}
}

// element writes a result of a join, with what is joined to it.
func (w *responseWriter) element(dst []byte, j *joined, element int) ([]byte, error) {
	return w.message(dst, j.selected.output, parent{j.joins, element}, j.wave.elements[element])
}

// many writes all results of all keys. Its elements are never null: a fault that
// reaches one moves on to the list.
func (w *responseWriter) many(dst []byte, j *joined, keys []int) ([]byte, error) {
	dst = append(dst, '[')
	n := 0
	for _, key := range keys {
		for _, element := range j.wave.results[key] {
			before := len(w.sink.Faults)
			if n > 0 {
				dst = append(dst, ',')
			}
			var err error
			dst, err = w.element(dst, j, element)
			w.sink.Within(before, n)
			if err != nil {
				return dst, err
			}
			n++
		}
	}
	return append(dst, ']'), nil
}

// list writes one result for each key, null where there is none.
func (w *responseWriter) list(dst []byte, j *joined, keys []int) ([]byte, error) {
	dst = append(dst, '[')
	for n, key := range keys {
		if n > 0 {
			dst = append(dst, ',')
		}
		if len(j.wave.results[key]) == 0 {
			dst = append(dst, "null"...)
			continue
		}
		before := len(w.sink.Faults)
		var err error
		dst, err = w.element(dst, j, j.wave.results[key][0])
		w.sink.Within(before, n)
		if err != nil && !errors.Is(err, wire.ErrNull) { // whose null is written
			return dst, err
		}
	}
	return append(dst, ']'), nil
}
