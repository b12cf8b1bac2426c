package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/executor"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"go.uber.org/goleak"
)

// shopSchema is a graph for the transports alone: each field stands for a way
// in which an operation can go.
const shopSchema = `
type Query {
	hello(name: String): String
	# Says nothing until the context ends.
	silent: String
	# Fails, and null reaches the root.
	fails: String!
	panics: String
}
type Mutation { rename(to: String!): String }
type Subscription {
	# The numbers from 1 to the limit.
	count(to: Int!): Int!
	# 1, and then nothing.
	silent: Int!
	# 1, and then the stream breaks.
	breaks: Int!
	panics: Int!
}`

// shop answers operations by a function. It tells when one has begun to be
// silent, and when the context of a silent one has ended.
type shop struct {
	schema     *ast.Schema
	graph      bool // it is served as a graph of ours
	began, end chan struct{}
	requests   chan Request // of operations named Request
}

func newShop() *shop {
	return &shop{
		schema: gqlparser.MustLoadSchema(&ast.Source{Input: shopSchema}),
		began:  make(chan struct{}, 1000),
		end:    make(chan struct{}, 1000),

		requests: make(chan Request, 10),
	}
}

func (s *shop) Schema() *ast.Schema { return s.schema }

func (s *shop) Complexity(context.Context, string, string, int, map[string]any) (int, bool) {
	return 0, false
}

func (s *shop) Exec(ctx context.Context) graphql.ResponseHandler {
	op := graphql.GetOperationContext(ctx)
	field := op.Operation.SelectionSet[0].(*ast.Field)
	args := field.ArgumentMap(op.Variables)
	if op.Operation.Name == "Request" {
		s.requests <- requestFrom(ctx)
	}
	if op.Operation.Operation == ast.Subscription {
		return s.subscribe(field.Name, args)
	}
	return graphql.OneShot(s.once(ctx, field, args))
}

func (s *shop) once(ctx context.Context, field *ast.Field, args map[string]any) *graphql.Response {
	data := func(value any) *graphql.Response {
		text, err := json.Marshal(map[string]any{field.Alias: value})
		if err != nil {
			panic(err)
		}
		return &graphql.Response{Data: text}
	}
	switch field.Name {
	case "__typename":
		return data("Query")
	case "hello":
		if args["name"] == nil {
			return data("Hello")
		}
		return data(fmt.Sprint("Hello, ", args["name"]))
	case "rename":
		return data(args["to"])
	case "fails":
		failed := errorResponse("NOT_FOUND", "there is no such thing")
		failed.Data = []byte("null")
		return failed
	case "silent":
		s.wait(ctx)
		return errorResponse("CANCELLED", "nobody listens")
	default:
		panic("this text must not reach a client")
	}
}

func (s *shop) subscribe(name string, args map[string]any) graphql.ResponseHandler {
	n := 0
	return func(ctx context.Context) *graphql.Response {
		n++
		switch {
		case name == "panics":
			panic("this text must not reach a client")
		case name == "count" && fmt.Sprint(args["to"]) < fmt.Sprint(n):
			return nil
		case name == "breaks" && n == 2:
			return errorResponse("UNAVAILABLE", "the backend is gone")
		case name == "silent" && n == 2:
			s.wait(ctx)
			return nil
		}
		return &graphql.Response{Data: fmt.Appendf(nil, `{"%s":%d}`, name, n)}
	}
}

func (s *shop) wait(ctx context.Context) {
	s.began <- struct{}{}
	<-ctx.Done()
	s.end <- struct{}{}
}

// serveShop serves a new shop. The test fails where it leaves a goroutine behind.
func serveShop(t *testing.T, o HTTPOptions) (*httptest.Server, *shop) {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	s := newShop()
	server := httptest.NewServer(newDoor(executor.New(s), o))
	t.Cleanup(server.Close)
	return server, s
}
