package auth

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// introspection asks the authorization server about tokens (RFC 7662). An answer is
// believed for a while; where there is none, the call is refused.
type introspection struct {
	config    *configv1.Introspection // what it was made of
	name      string
	url       string
	id        string
	password  string
	audiences []string
	roles     []string
	believed  time.Duration
	timeout   time.Duration
	client    *http.Client

	active   tokenCache
	asking   chan struct{} // holds a token for each question under way
	mu       sync.Mutex
	inactive map[digest]time.Time // until when a token is refused without asking
}

const (
	defaultBelieved = 30 * time.Second
	inactiveFor     = 10 * time.Second
	maxInactive     = 10_000
	defaultTimeout  = 5 * time.Second
	maxAsking       = 64
)

func newIntrospection(
	name string, c *configv1.Introspection, client *http.Client, secret func(string) (string, error),
) (*introspection, error) {
	i := &introspection{
		config:    c,
		name:      name,
		url:       c.GetUrl(),
		id:        c.GetClientId(),
		audiences: c.GetAudiences(),
		roles:     rolesPath(c.GetRolesClaim()),
		believed:  defaultBelieved,
		timeout:   defaultTimeout,
		client:    client,
		asking:    make(chan struct{}, maxAsking),
		inactive:  make(map[digest]time.Time),
	}
	if c.GetCache() != nil {
		i.believed = c.GetCache().AsDuration()
	}
	if c.GetTimeout() != nil {
		i.timeout = c.GetTimeout().AsDuration()
	}
	if said := c.GetClientSecret(); said != "" && !strings.HasPrefix(said, "env:") && !strings.HasPrefix(said, "file:") {
		return nil, configv1.Faultf(c, "client_secret", "write env:NAME or file:PATH, not the secret itself")
	}
	var err error
	if i.password, err = secret(c.GetClientSecret()); err != nil {
		return nil, configv1.Fault(c, "client_secret", err)
	}
	return i, configURL(c, "url", i.url)
}

// authenticate returns the principal of a token, as the server says or has said.
func (i *introspection) authenticate(ctx context.Context, token string, d digest, now time.Time) (*rpc.Principal, error) {
	if len(token) == 0 || len(token) > defaultTokenBytes {
		return nil, invalid("the token is empty or too long")
	}
	if p := i.active.get(d, now); p != nil {
		return p, nil
	}
	if i.isInactive(d, now) {
		return nil, invalid("the authorization server said that the token is not active")
	}
	claims, err := i.ask(ctx, token)
	if err != nil {
		return nil, err
	}
	if active, _ := claims["active"].(bool); !active {
		i.refuse(d, now)
		return nil, invalid("the authorization server says that the token is not active")
	}
	p, err := i.principal(claims, now)
	if err != nil {
		return nil, err
	}
	until := now.Add(i.believed)
	if !p.Expires.IsZero() && p.Expires.Before(until) {
		until = p.Expires
	}
	i.active.put(d, checked{p, until}, len(token))
	return p, nil
}

// ask puts a question, and waits for its turn where there are many.
func (i *introspection) ask(ctx context.Context, token string) (map[string]any, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout)
	defer cancel()
	select {
	case i.asking <- struct{}{}:
		defer func() { <-i.asking }()
	case <-ctx.Done():
		return nil, unavailable("the authorization server is slow, and too many questions wait")
	}
	form := url.Values{"token": {token}, "token_type_hint": {"access_token"}}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, i.url, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, unavailable("the address of the authorization server is not valid")
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if i.id != "" {
		r.SetBasicAuth(url.QueryEscape(i.id), url.QueryEscape(i.password)) // RFC 6749, section 2.3.1
	}
	body, err := send(i.client, r)
	if err != nil {
		return nil, unavailable("the authorization server: " + err.Error())
	}
	claims, err := decodeObject(body)
	if err != nil {
		return nil, unavailable("the authorization server's answer is " + err.Error())
	}
	return claims, nil
}

// principal checks an answer about an active token.
func (i *introspection) principal(claims map[string]any, now time.Time) (*rpc.Principal, error) {
	if len(i.audiences) > 0 && !hasAudience(claims["aud"], i.audiences) {
		return nil, invalid("the token is for another audience")
	}
	var ends time.Time // where the server does not say, it never ends by itself
	if _, said := claims["exp"]; said {
		var err error
		if ends, err = checkTimes(claims, now); err != nil {
			return nil, err
		}
	}
	subject, _ := claims["sub"].(string)
	if subject == "" {
		subject, _ = claims["client_id"].(string)
	}
	if subject == "" {
		return nil, invalid("the authorization server does not say whose token it is")
	}
	issuer, _ := claims["iss"].(string)
	scope, _ := claims["scope"].(string)
	return &rpc.Principal{
		Authenticator: i.name,
		Issuer:        issuer,
		Subject:       subject,
		Scopes:        strings.Fields(scope),
		Roles:         texts(at(claims, i.roles)),
		Claims:        claims,
		Expires:       ends,
	}, nil
}

func (i *introspection) isInactive(d digest, now time.Time) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return now.Before(i.inactive[d])
}

// refuse remembers a token that is not active. Where there are too many of those
// they are forgotten, and cost a question again.
func (i *introspection) refuse(d digest, now time.Time) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if len(i.inactive) >= maxInactive {
		clear(i.inactive)
	}
	i.inactive[d] = now.Add(inactiveFor)
}
