package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/gateway/audit"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate"
)

// challengeOf is what WWW-Authenticate says.
func challengeOf(config *configv1.Config) string {
	for _, a := range config.GetAuthenticators() {
		if a.GetJwt() != nil || a.GetIntrospection() != nil {
			return "Bearer"
		}
	}
	return ""
}

// apiKeyHeaders are the headers that scripts may set because API keys are in them.
func apiKeyHeaders(config *configv1.Config) []string {
	var names []string
	for _, a := range config.GetAuthenticators() {
		if a.GetApiKeys() != nil {
			names = append(names, or(a.GetApiKeys().GetHeader(), auth.DefaultKeyHeader))
		}
	}
	return names
}

// defaultRecheck is how often the credentials of streams are checked again, where nothing else is said.
const defaultRecheck = 30 * time.Second

// securitySchemes describes the authenticators, by their names.
func securitySchemes(config *configv1.Config) (schemes []translate.SecurityScheme) {
	for _, a := range config.GetAuthenticators() {
		s := translate.SecurityScheme{Name: a.GetName()}
		switch {
		case a.GetJwt() != nil:
			s.Bearer, s.BearerFormat, s.Description = true, "JWT", "A token of "+a.GetJwt().GetIssuer()+"."
		case a.GetIntrospection() != nil:
			s.Bearer, s.Description = true, "A token of the authorization server."
		case a.GetApiKeys() != nil:
			s.Header, s.Description = or(a.GetApiKeys().GetHeader(), auth.DefaultKeyHeader), "A key."
		default:
			s.Description = "A client certificate."
		}
		schemes = append(schemes, s)
	}
	return schemes
}

// newAuthenticators makes the authenticators of a configuration, and checks what
// hangs together with them. What was there before and is the same goes on.
func newAuthenticators(config *configv1.Config, before *auth.Authenticators, now func() *auth.Authenticators) (*auth.Authenticators, error) {
	recheck := auth.Recheck{Now: now, Every: defaultRecheck}
	if said := config.GetCredentialsRecheck(); said != nil {
		recheck.Every = said.AsDuration()
	}
	a, err := auth.NewAuthenticators(config.GetAuthenticators(), auth.Options{Secret: secret, Before: before, Recheck: recheck})
	if err != nil {
		return nil, err
	}
	if a.Certificates() && config.GetTls().GetClientCaFile() == "" {
		return nil, configv1.Faultf(certificatesOf(config), "client_certificates",
			"it needs tls.client_ca_file: nobody asks clients for certificates without it")
	}
	return a, nil
}

func certificatesOf(config *configv1.Config) *configv1.Authenticator {
	for _, a := range config.GetAuthenticators() {
		if a.GetClientCertificates() != nil {
			return a
		}
	}
	return nil
}

// authenticated puts the principal of a request into its context. A request whose
// credentials are not valid gets no further than its door, which refuses it in its own form.
func (s *setup) authenticated(next http.Handler) http.Handler {
	if !s.authenticators.Configured() && !s.keepsAuthorization {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, err := s.authenticators.Caller(r, s.keepsAuthorization)
		if err != nil {
			logRefused(r.Context(), s.log, s.audit, r.RemoteAddr, err)
			ctx = rpc.WithRefusal(r.Context(), err)
		}
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// logRefused records that a request's credentials are no good.
func logRefused(ctx context.Context, log *slog.Logger, record *audit.Log, peer string, err error) {
	record.Note(audit.Entry{
		Kind: audit.Credentials, ID: requestID(ctx), Peer: peer, Decision: audit.Denied, Code: status.Code(err).String(), Reason: auth.Reason(err),
	})
	log.LogAttrs(ctx, slog.LevelInfo, "credentials refused",
		slog.String("id", requestID(ctx)),
		slog.String("peer", peer),
		slog.String("reason", auth.Reason(err)))
}

// keepsAuthorization reports whether anybody behind the gateway is to have the
// Authorization header of clients.
func keepsAuthorization(config *configv1.Config) bool {
	for _, b := range config.GetBackends() {
		if b.GetForwardCredentials() {
			return true
		}
	}
	for _, a := range config.GetAuthorizers() {
		if a.GetWithCredentials() {
			return true
		}
	}
	return false
}

// policyOptions are what the policies of every snapshot know.
func policyOptions(config *configv1.Config, pool *rpc.Pool, denied func(context.Context, auth.Denial)) auth.PolicyOptions {
	o := auth.PolicyOptions{
		Authorizers:        make(map[string]*auth.Authorizer),
		TrustProtoPolicies: config.GetTrustProtoPolicies(),
		Identity:           config.GetIdentity(),
		ForwardCredentials: make(map[string]bool),
		Denied:             denied,
	}
	for _, a := range config.GetAuthenticators() {
		o.Authenticators = append(o.Authenticators, a.GetName())
	}
	for _, a := range config.GetAuthorizers() {
		o.Authorizers[a.GetName()] = authorizerOf(a, pool)
	}
	for _, b := range config.GetBackends() {
		o.ForwardCredentials[BackendName(b)] = b.GetForwardCredentials()
	}
	return o
}

func authorizerOf(c *configv1.Authorizer, pool *rpc.Pool) *auth.Authorizer {
	client := authv3.NewAuthorizationClient(pool.Conn(authorizerEndpoint(c)))
	return &auth.Authorizer{
		Check: func(ctx context.Context, in *authv3.CheckRequest) (*authv3.CheckResponse, error) {
			return client.Check(ctx, in)
		},
		Timeout:         c.GetTimeout().AsDuration(),
		WithCredentials: c.GetWithCredentials(),
	}
}

// authorizerEndpoint names the connection to an authorizer in the pool.
func authorizerEndpoint(c *configv1.Authorizer) string { return "authorizer:" + c.GetName() }

// denial is the record of something that somebody may not have; who is nil for an anonymous caller.
func denial(ctx context.Context, who *rpc.Principal) audit.Entry {
	e := audit.Entry{Kind: audit.CallDenied, ID: requestID(ctx), Decision: audit.Denied}
	if who != nil {
		e.Subject, e.Issuer, e.Authenticator = who.Subject, who.Issuer, who.Authenticator
	}
	return e
}

// deniedIntrospection records that somebody may not see the graph.
func (m *viewMaker) deniedIntrospection(ctx context.Context, err error) {
	e := denial(ctx, rpc.PrincipalFrom(ctx))
	e.Door, e.Target, e.Code, e.Reason = string(rpc.GraphQL), "introspection", status.Code(err).String(), auth.Reason(err)
	m.audit.Note(e)
	m.policies.log.LogAttrs(ctx, slog.LevelInfo, "introspection denied",
		slog.String("id", e.ID),
		slog.String("subject", e.Subject),
		slog.String("code", e.Code),
		slog.String("reason", e.Reason))
}

// denied records each call that policies refused.
func denied(log *slog.Logger, record *audit.Log) func(context.Context, auth.Denial) {
	return func(ctx context.Context, d auth.Denial) {
		e := denial(ctx, d.Principal)
		e.Peer, e.Door, e.Method, e.Code, e.Reason = d.Call.Peer, string(d.Call.Door), d.Call.Method.Path, d.Code.String(), d.Reason
		record.Note(e)
		log.LogAttrs(ctx, slog.LevelInfo, "call denied",
			slog.String("id", e.ID),
			slog.String("subject", e.Subject),
			slog.String("issuer", e.Issuer),
			slog.String("authenticator", e.Authenticator),
			slog.String("peer", e.Peer),
			slog.String("door", e.Door),
			slog.String("method", e.Method),
			slog.String("code", e.Code),
			slog.String("reason", e.Reason))
	}
}
