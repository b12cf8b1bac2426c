package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/gateway/audit"
	"github.com/protean-gateway/protean/graph"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
	"github.com/protean-gateway/protean/translate/transport"
)

// views are what the doors make of one snapshot. They are immutable and are
// swapped as a whole.
type views struct {
	setup     *setup
	said      *saidPolicies
	handler   http.Handler // the edge, and the doors behind it
	snapshot  *schema.Snapshot
	access    *auth.Policies
	rest      *translate.REST
	described translate.OpenAPIOptions // of openapi
	openapi   *translate.OpenAPI
	grpc      *translate.GRPC
	grpcWeb   *translate.GRPCWeb
	connect   *translate.Connect
	graph     *graph.Graph
	problems  []schema.Problem
	since     time.Time     // when they were put before the doors
	replaced  chan struct{} // closed when others are
	limited   bool          // calls of some method have a rate limit
}

// viewMaker makes views of snapshots, all with the same settings and policies.
type viewMaker struct {
	config         *configv1.Config
	headers        *transport.Headers
	auth           auth.PolicyOptions
	authenticators *auth.Authenticators
	policies       *policies
	backend        rpc.Handler
	stopping       context.Context // done when the gateway begins to drain
	clients        *graph.Clients
	now            func() *views // taken; nil: there are none yet
	audit          *audit.Log
}

// of makes views. What a protocol cannot serve it reports as a problem. The error is the cause of ctx if it ended
// on the way, or a [schema.PanicError].
func (m *viewMaker) of(ctx context.Context, s *schema.Snapshot) (v *views, err error) {
	err = schema.Guard(func() error {
		v, err = m.build(ctx, s)
		return err
	})
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (m *viewMaker) build(ctx context.Context, s *schema.Snapshot) (*views, error) {
	access, problems := auth.Compile(s, m.auth)
	validation, invalid := resilience.CompileValidation(s)
	handler := m.policies.whenKnown(m.policies.chain(access, validation, m.backend))
	v := &views{snapshot: s, access: access, limited: isLimited(s), replaced: make(chan struct{}), problems: slices.Concat(problems, invalid)}
	for _, door := range []func() []schema.Problem{
		func() (problems []schema.Problem) {
			v.rest, problems = translate.NewREST(s, handler, m.restOptions())
			return problems
		},
		func() []schema.Problem {
			v.described = m.described(access)
			v.openapi = translate.NewOpenAPI(s, v.rest, v.described)
			return nil
		},
		func() []schema.Problem {
			methods := translate.NewMethods(s, handler, m.headers, m.reflection(access))
			v.grpc = translate.NewGRPC(methods)
			v.grpcWeb = translate.NewGRPCWeb(methods, translate.GRPCWebOptions{
				CompressionDisabled: m.config.GetHttp().GetCompressionDisabled(),
			})
			v.connect = translate.NewConnect(methods)
			return nil
		},
		func() (problems []schema.Problem) {
			options := m.graphOptions(access)
			options.Abandoned = func() bool { return ctx.Err() != nil }
			v.graph, problems = graph.New(s, handler, options)
			return problems
		},
	} {
		if ctx.Err() == nil {
			v.problems = append(v.problems, door()...)
		}
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return v, nil
}

// described is how the REST routes are described: with who may call them.
func (m *viewMaker) described(access *auth.Policies) translate.OpenAPIOptions {
	c := m.config.GetOpenapi()
	o := translate.OpenAPIOptions{
		Title: c.GetTitle(), Version: c.GetVersion(), AllMethods: c.GetAllMethods(),
		MaxBytes: int(c.GetMaxBytes()), QueryDepth: int(c.GetQueryDepth()),
		CompressionDisabled: m.config.GetHttp().GetCompressionDisabled(),
		SecuritySchemes:     securitySchemes(m.config),
		Needs: func(method *schema.Method) translate.SecurityNeed {
			need := access.Need(method)
			return translate.SecurityNeed{Anonymous: need.Anonymous, Schemes: need.Authenticators, Scopes: need.Scopes}
		},
	}
	if m.knowsCallers() && !c.GetPublic() {
		o.Visible, o.Vary = access.MayCall, m.callerHeaders()
	}
	return o
}

// knowsCallers reports whether there is somebody who can say who is calling.
func (m *viewMaker) knowsCallers() bool { return len(m.auth.Authenticators) > 0 }

// callerHeaders are the headers by which callers differ.
func (m *viewMaker) callerHeaders() []string {
	names := m.authenticators.Headers()
	if !slices.Contains(names, "Authorization") {
		names = append(names, "Authorization")
	}
	return names
}

func isLimited(s *schema.Snapshot) bool {
	for _, m := range s.Methods {
		if m.RateLimit != nil {
			return true
		}
	}
	return false
}

// reflection says who may ask for descriptors: everyone who is known, once there is
// somebody who knows, and of the methods that are for them.
func (m *viewMaker) reflection(access *auth.Policies) (o translate.ReflectionOptions) {
	if m.knowsCallers() && !m.config.GetReflectionPublic() {
		o.Guards, o.Visible = []rpc.Middleware{access.Authenticated}, access.MayCall
	}
	return o
}

func (m *viewMaker) restOptions() translate.RESTOptions {
	own := ownPathsOf(m.config)
	return translate.RESTOptions{
		Headers:             m.headers,
		QueryParameters:     int(m.config.GetHttp().GetQueryParameters()),
		Origins:             m.config.GetHttp().GetCors().GetOrigins(),
		CompressionDisabled: m.config.GetHttp().GetCompressionDisabled(),
		Listed:              own.openAPIJSON,
		GRPCGateway:         m.config.GetHttp().GetGrpcGatewayCompatibility(),
		Reserved:            own.all(),
	}
}

func (m *viewMaker) graphOptions(access *auth.Policies) graph.Options {
	c := m.config.GetGraphql()
	o := graph.Options{
		MayIntrospect:         m.introspectors(c.GetIntrospection()),
		Ran:                   m.ran,
		MaxDepth:              int(c.GetMaxDepth()),
		MaxCalls:              int(c.GetMaxCalls()),
		MaxParallel:           int(c.GetMaxParallel()),
		MaxTokens:             int(c.GetMaxTokens()),
		IntrospectionDisabled: c.GetIntrospectionDisabled(),
		JoinsAIP:              c.GetJoins() == configv1.GraphQL_JOINS_AIP,
		Relay:                 c.GetRelay(),
		Federation:            c.GetFederation(),
		NullableFloats:        c.GetNullableFloats(),
		HTTP: graph.HTTPOptions{
			Headers:             m.headers,
			Origins:             m.config.GetHttp().GetCors().GetOrigins(),
			CompressionDisabled: m.config.GetHttp().GetCompressionDisabled(),
			GraphiQLDisabled:    c.GetGraphiqlDisabled(),
			Stopping:            m.stopping,
			Clients:             m.clients,
			Init:                m.init,
			Current:             m.currentGraph,
			Panicked:            m.panicked,
		},
	}
	if m.knowsCallers() && !c.GetIntrospectionWhole() {
		o.Visible = access.MayCall
	}
	return o
}

// introspectors returns what decides who may introspect, nil where everybody may.
func (m *viewMaker) introspectors(who *configv1.Introspectors) func(context.Context) error {
	if who == nil {
		return nil
	}
	granted := auth.Granted(who.GetScopes(), who.GetRoles())
	return func(ctx context.Context) error {
		err := granted(ctx)
		if err != nil {
			m.deniedIntrospection(ctx, err)
		}
		return err
	}
}

func (m *viewMaker) panicked(ctx context.Context, value any, stack []byte) {
	m.policies.log.ErrorContext(ctx, "an operation panicked", "id", requestID(ctx), "panic", value, "stack", string(stack))
}

// currentGraph is the graph that operations are served by which begin now, until they are over.
func (m *viewMaker) currentGraph() (g *graph.Graph, over func()) {
	v := m.now()
	if v == nil {
		return nil, nil
	}
	return v.graph, v.setup.uses.end
}

// init takes the credentials that a WebSocket's first message has.
func (m *viewMaker) init(ctx context.Context, payload json.RawMessage) (context.Context, error) {
	calls, err := m.authenticators.FromPayload(ctx, payload, keepsAuthorization(m.config))
	if err != nil {
		logRefused(ctx, m.policies.log, m.audit, "", err)
	}
	return calls, err
}
