package gateway

import (
	"context"

	"github.com/protean-gateway/protean/graph"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
	"github.com/protean-gateway/protean/translate/transport"
)

// views are what the doors make of one snapshot. They are immutable and are
// swapped as a whole.
type views struct {
	snapshot *schema.Snapshot
	rest     *translate.REST
	grpc     *translate.GRPC
	graph    *graph.Graph
	problems []schema.Problem
}

// viewMaker makes views of snapshots, all with the same settings and policies.
type viewMaker struct {
	config   *configv1.Config
	headers  *transport.Headers
	policies *policies
	backend  rpc.Handler
	stopping context.Context // done when the gateway begins to drain
}

// of never fails: what a door cannot serve it reports as a problem.
func (m *viewMaker) of(s *schema.Snapshot) *views {
	refused := unenforcedMethods(s)
	handler := m.policies.chain(refuseMethods(refused), m.backend)
	v := &views{snapshot: s, problems: unenforcedProblems(refused)}
	var problems []schema.Problem
	v.rest, problems = translate.NewREST(s, handler, m.restOptions())
	v.problems = append(v.problems, problems...)
	v.grpc, problems = translate.NewGRPC(s, handler, m.headers)
	v.problems = append(v.problems, problems...)
	v.graph, problems = graph.New(s, handler, m.graphOptions())
	v.problems = append(v.problems, problems...)
	return v
}

func (m *viewMaker) restOptions() translate.RESTOptions {
	return translate.RESTOptions{
		Headers:         m.headers,
		QueryParameters: int(m.config.GetHttp().GetQueryParameters()),
		Reserved:        []string{m.graphqlPath(), "/openapi.json", "/openapi.yaml"},
	}
}

func (m *viewMaker) graphOptions() graph.Options {
	c := m.config.GetGraphql()
	return graph.Options{
		MaxDepth:              int(c.GetMaxDepth()),
		MaxCalls:              int(c.GetMaxCalls()),
		MaxParallel:           int(c.GetMaxParallel()),
		MaxTokens:             int(c.GetMaxTokens()),
		IntrospectionDisabled: c.GetIntrospectionDisabled(),
		HTTP: graph.HTTPOptions{
			Headers:          m.headers,
			Origins:          m.config.GetHttp().GetCors().GetOrigins(),
			GraphiQLDisabled: c.GetGraphiqlDisabled(),
			Stopping:         m.stopping,
			Panicked:         m.panicked,
		},
	}
}

func (m *viewMaker) panicked(ctx context.Context, value any, stack []byte) {
	m.policies.log.ErrorContext(ctx, "an operation panicked", "id", requestID(ctx), "panic", value, "stack", string(stack))
}

func (m *viewMaker) graphqlPath() string { return or(m.config.GetGraphql().GetPath(), "/graphql") }
