package auth

import (
	"context"
	"crypto/tls"
	"net/http"
	"slices"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

// Recheck says how credentials are checked again while a stream or a socket of their caller is open.
type Recheck struct {
	// Now returns the authenticators of the current configuration.
	Now func() *Authenticators
	// Every is how often; 0: never.
	Every time.Duration
}

// shown are the credentials that somebody has shown, and who he was by them.
type shown struct {
	recheck *Recheck
	was     *rpc.Principal
	header  http.Header
	tls     *tls.ConnectionState // nil: credentials were in headers or a payload alone
}

// shownBy returns what to check again of a caller, or nil.
func (a *Authenticators) shownBy(p *rpc.Principal, h http.Header, state *tls.ConnectionState) rpc.Credential {
	if p == nil || a.recheck.Every <= 0 {
		return nil
	}
	return &shown{&a.recheck, p, h, state}
}

// Every implements [rpc.Credential].
func (s *shown) Every() time.Duration { return s.recheck.Every }

// Again implements [rpc.Credential]. Credentials that stand for somebody else by now, or for somebody who may do
// less, are no good for what was begun with them.
func (s *shown) Again(ctx context.Context) error {
	p, err := s.recheck.Now().from(ctx, s.header, s.tls)
	switch {
	case err != nil:
		return err
	case p == nil || p.Authenticator != s.was.Authenticator || p.Issuer != s.was.Issuer || p.Subject != s.was.Subject:
		return invalid("the credentials are not those of " + s.was.Subject + " any more")
	case !hasAll(p.Scopes, s.was.Scopes) || !hasAll(p.Roles, s.was.Roles):
		return invalid("the credentials of " + s.was.Subject + " allow less than before")
	default:
		return nil
	}
}

func hasAll(has, wanted []string) bool {
	return !slices.ContainsFunc(wanted, func(one string) bool { return !slices.Contains(has, one) })
}
