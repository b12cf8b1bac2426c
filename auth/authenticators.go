package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// Options are what authenticators need from outside.
type Options struct {
	// Secret reads a value that may be kept elsewhere, as `env:NAME` or `file:PATH`.
	Secret func(string) (string, error)
	// Transport carries requests to issuers. Nil: [http.DefaultTransport].
	Transport http.RoundTripper
	// Before are authenticators of an earlier configuration. Those that are configured as
	// they were go on with the keys and the verified tokens that they have. Nil: there are none.
	Before *Authenticators
	// Recheck says how the credentials of streams are checked again. Zero: not at all.
	Recheck Recheck
}

// Authenticators make principals of credentials. They are safe for concurrent use.
type Authenticators struct {
	names         []string
	tokens        []*jwtAuthenticator
	introspection *introspection
	keys          []*apiKeys
	certificates  *certificates
	background    []func(context.Context)
	recheck       Recheck
}

// NewAuthenticators makes the configured authenticators. Nothing is fetched
// before Run. Its errors are the operator's to mend and name the authenticator.
func NewAuthenticators(configs []*configv1.Authenticator, o Options) (*Authenticators, error) {
	a := &Authenticators{recheck: o.Recheck}
	client := newClient(o.Transport)
	for _, c := range configs {
		if slices.Contains(a.names, c.GetName()) {
			return nil, configv1.Faultf(c, "name", "two authenticators are named %q", c.GetName())
		}
		a.names = append(a.names, c.GetName())
		if err := a.add(c, client, o); err != nil {
			return nil, configv1.Fault(c, "", fmt.Errorf("authenticator %q: %w", c.GetName(), err))
		}
	}
	return a, nil
}

func (a *Authenticators) add(c *configv1.Authenticator, client *http.Client, o Options) error {
	switch {
	case c.GetJwt() != nil:
		return a.addJWT(c.GetName(), c.GetJwt(), client, o.Before)
	case c.GetApiKeys() != nil:
		return a.addAPIKeys(c.GetName(), c.GetApiKeys(), o.Secret)
	case c.GetIntrospection() != nil:
		if a.introspection != nil {
			return errors.New("there can be one introspection only: nothing in an opaque token says whose it is")
		}
		i, err := newIntrospection(c.GetName(), c.GetIntrospection(), client, o.Secret)
		a.introspection = o.Before.sameIntrospection(i)
		return err
	case c.GetClientCertificates() != nil:
		if a.certificates != nil {
			return errors.New("there can be one client_certificates only; the listener has one list of authorities")
		}
		a.certificates = &certificates{c.GetName(), c.GetClientCertificates()}
		return nil
	}
	return errors.New("its kind is missing")
}

func (a *Authenticators) addJWT(name string, c *configv1.JWT, client *http.Client, before *Authenticators) error {
	for _, other := range a.tokens {
		if other.issuer == c.GetIssuer() {
			return configv1.Faultf(c, "issuer", "authenticator %q has the same issuer", other.name)
		}
	}
	j, err := newJWT(name, c, client)
	if err != nil {
		return err
	}
	j = before.sameJWT(j)
	a.tokens = append(a.tokens, j)
	a.background = append(a.background, j.keys.run)
	return nil
}

func (a *Authenticators) addAPIKeys(name string, c *configv1.APIKeys, secret func(string) (string, error)) error {
	k, err := newAPIKeys(name, c, secret)
	if err != nil {
		return err
	}
	for _, other := range a.keys {
		if other.header == k.header {
			return configv1.Faultf(c, "header", "authenticator %q reads the same header", other.name)
		}
	}
	a.keys = append(a.keys, k)
	if k.file != "" {
		a.background = append(a.background, k.run)
	}
	return nil
}

// sameJWT returns the authenticator that was there before, if it is configured as j is.
func (a *Authenticators) sameJWT(j *jwtAuthenticator) *jwtAuthenticator {
	if a != nil {
		for _, known := range a.tokens {
			if known.name == j.name && proto.Equal(known.config, j.config) {
				return known
			}
		}
	}
	return j
}

// sameIntrospection is sameJWT for introspection. The secret counts as it is now.
func (a *Authenticators) sameIntrospection(i *introspection) *introspection {
	if a != nil && i != nil && a.introspection != nil {
		known := a.introspection
		if known.name == i.name && known.password == i.password && proto.Equal(known.config, i.config) {
			return known
		}
	}
	return i
}

// Configured reports whether there is any authenticator.
func (a *Authenticators) Configured() bool { return len(a.names) > 0 }

// Bearer reports whether tokens are read from the Authorization header.
func (a *Authenticators) Bearer() bool { return len(a.tokens) > 0 || a.introspection != nil }

// Certificates reports whether client certificates count.
func (a *Authenticators) Certificates() bool { return a.certificates != nil }

// Headers returns the canonical names of the headers that credentials are read from.
func (a *Authenticators) Headers() []string {
	var names []string
	if a.Bearer() {
		names = append(names, authorization)
	}
	for _, k := range a.keys {
		names = append(names, k.header)
	}
	return names
}

// Run keeps keys fresh until ctx ends.
func (a *Authenticators) Run(ctx context.Context) {
	var running sync.WaitGroup
	for _, f := range a.background {
		running.Go(func() { f(ctx) })
	}
	running.Wait()
}

const authorization = "Authorization"

// FromRequest returns the principal of a request, or nil where it has no
// credentials. Credentials of the request itself go before the certificate of its
// connection, which may be a proxy's. Errors are statuses: UNAUTHENTICATED for credentials that are
// not valid, UNAVAILABLE where they cannot be checked; see [Reason].
func (a *Authenticators) FromRequest(r *http.Request) (*rpc.Principal, error) {
	return a.from(r.Context(), r.Header, r.TLS)
}

// Caller returns a context for the calls of whoever sent a request. Errors are those of FromRequest.
func (a *Authenticators) Caller(r *http.Request, keepAuthorization bool) (context.Context, error) {
	p, err := a.FromRequest(r)
	if err != nil {
		return nil, err
	}
	kept := ""
	if keepAuthorization {
		kept = r.Header.Get(authorization)
	}
	return NewContext(r.Context(), p, kept, a.shownBy(p, r.Header, r.TLS)), nil
}

func (a *Authenticators) from(ctx context.Context, h http.Header, state *tls.ConnectionState) (*rpc.Principal, error) {
	p, err := a.fromHeaders(ctx, h)
	if p != nil || err != nil || a.certificates == nil || state == nil {
		return p, err
	}
	return a.certificates.authenticate(state, time.Now())
}

// fromHeaders is FromRequest for headers alone, wherever they were said.
func (a *Authenticators) fromHeaders(ctx context.Context, h http.Header) (*rpc.Principal, error) {
	var found *rpc.Principal
	if a.Bearer() {
		values := h[authorization]
		if len(values) > 0 {
			p, err := a.fromAuthorization(ctx, values)
			if err != nil {
				return nil, err
			}
			found = p
		}
	}
	for _, k := range a.keys {
		values := h[k.header]
		if len(values) == 0 {
			continue
		}
		if found != nil || len(values) > 1 {
			return nil, invalid("more than one credential in a request")
		}
		p, err := k.authenticate(values[0], time.Now())
		if err != nil {
			return nil, err
		}
		found = p
	}
	return found, nil
}

// FromPayload returns a context for the calls of a caller who says credentials in
// the payload of a message, a JSON object whose members are named as the headers
// would be, whatever their case. Without such members it returns ctx. Who has said
// credentials in headers already cannot say others. Errors are those of FromRequest.
func (a *Authenticators) FromPayload(ctx context.Context, payload []byte, keepAuthorization bool) (context.Context, error) {
	h, err := a.headersOf(payload)
	if len(h) == 0 || err != nil {
		return ctx, err
	}
	if p := rpc.PrincipalFrom(ctx); p != nil && (a.certificates == nil || p.Authenticator != a.certificates.name) {
		return nil, invalid("credentials in headers and in a payload")
	}
	p, err := a.fromHeaders(ctx, h)
	if err != nil {
		return nil, err
	}
	kept := ""
	if keepAuthorization {
		kept = h.Get(authorization)
	}
	return NewContext(ctx, p, kept, a.shownBy(p, h, nil)), nil
}

// headersOf returns the members of a payload that are named as headers with credentials.
func (a *Authenticators) headersOf(payload []byte) (http.Header, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	members, err := decodeObject(payload)
	if err != nil {
		return nil, invalid("the payload is " + err.Error())
	}
	h := make(http.Header)
	for name, value := range members {
		name = http.CanonicalHeaderKey(name)
		if !slices.Contains(a.Headers(), name) {
			continue
		}
		text, ok := value.(string)
		if !ok {
			return nil, invalid("a credential in the payload is no text")
		}
		h.Add(name, text)
	}
	return h, nil
}

func (a *Authenticators) fromAuthorization(ctx context.Context, values []string) (*rpc.Principal, error) {
	if len(values) > 1 {
		return nil, invalid("more than one Authorization header")
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "bearer") {
		return nil, invalid("the authorization scheme is not Bearer")
	}
	return a.fromToken(ctx, strings.TrimLeft(token, " "))
}

// fromToken finds who knows a token: the one that has checked it before, the
// authenticator of its issuer, or the authorization server.
func (a *Authenticators) fromToken(ctx context.Context, token string) (*rpc.Principal, error) {
	now := time.Now()
	digest := digestOf(token)
	for _, j := range a.tokens {
		if p := j.cached(digest, now); p != nil {
			return p, nil
		}
	}
	parsed, err := parseToken(token)
	if err != nil && a.introspection == nil {
		return nil, err
	}
	if err == nil {
		for _, j := range a.tokens {
			if j.issuer == parsed.issuer() {
				return j.authenticate(ctx, parsed, digest, now)
			}
		}
	}
	if a.introspection != nil {
		return a.introspection.authenticate(ctx, token, digest, now)
	}
	return nil, invalid("no authenticator has the token's issuer")
}
