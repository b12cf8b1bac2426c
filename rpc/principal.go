package rpc

import (
	"context"
	"time"
)

// Principal is the authenticated caller. Anonymous callers have none. It is
// immutable: many calls share one, and nobody writes to what it holds.
type Principal struct {
	// Authenticator is the name of the configured authenticator that vouches for the caller.
	Authenticator string
	// Issuer says who gave the credential: the `iss` of a token, the issuer of a
	// certificate. Empty for API keys.
	Issuer string
	// Subject names the caller among those of its issuer. It is never empty.
	Subject string
	// Scopes are what the credential was given for.
	Scopes []string
	// Roles are what the caller is.
	Roles []string
	// Claims are all that the credential says, as JSON values: nil, bool, float64,
	// json.Number, string, []any or map[string]any.
	Claims map[string]any
	// Expires is when the credential ends. Zero: it has no end of its own.
	Expires time.Time
}

type principalKey struct{}

// WithPrincipal returns a context that carries p.
func WithPrincipal(ctx context.Context, p *Principal) context.Context {
	return &callerContext{Context: ctx, principal: p}
}

// PrincipalFrom returns the caller, or nil for an anonymous one.
func PrincipalFrom(ctx context.Context) *Principal {
	p, _ := ctx.Value(principalKey{}).(*Principal)
	return p
}

type refusalKey struct{}

// WithRefusal returns a context for a request that was refused before its door saw
// it, because of credentials that are not valid. The door answers with err, a
// status, in its own form, and does nothing else.
func WithRefusal(ctx context.Context, err error) context.Context {
	return context.WithValue(ctx, refusalKey{}, err)
}

// Refusal returns why a request was refused, or nil.
func Refusal(ctx context.Context) error {
	err, _ := ctx.Value(refusalKey{}).(error)
	return err
}
