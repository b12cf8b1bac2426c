package auth

import (
	"context"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// What clients hear of a refused call.
const (
	needCredentials = "the call needs credentials"
	notAllowed      = "the caller may not call this method"
)

// Denial is a call that was refused, for an audit log.
type Denial struct {
	Principal *rpc.Principal // nil: anonymous
	Call      *rpc.Call
	Code      codes.Code
	// Reason is for the operator. It has no credential in it.
	Reason string
}

// Authorize is a [rpc.Middleware]: it lets those calls through that the policies
// allow, and tells the backend who is calling. A caller without credentials is UNAUTHENTICATED, one who
// may not call is PERMISSION_DENIED. A stream ends with UNAUTHENTICATED when the
// caller's credentials do, or are no good any more. What caches may do with a response is limited to what
// its caller permits.
func (p *Policies) Authorize(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		principal := rpc.PrincipalFrom(ctx)
		allowed, err := p.decide(ctx, c, principal)
		if err != nil {
			p.report(ctx, c, principal, err)
			return err
		}
		allowed, room := p.identity.describe(ctx, allowed, principal)
		s = p.limitCaching(allowed, s, room)
		if c.Method.Streams() && principal != nil {
			ended := func(err error) { p.report(ctx, c, principal, err) }
			return whileGood(ctx, ended, func(ctx context.Context) error { return next(ctx, allowed, s) })
		}
		return next(ctx, allowed, s)
	}
}

// Authenticated is a [rpc.Middleware] for what the gateway answers itself: it lets
// every authenticated caller through.
func (p *Policies) Authenticated(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		if rpc.PrincipalFrom(ctx) == nil {
			err := &refusal{codes.Unauthenticated, needCredentials, "no credentials"}
			p.report(ctx, c, nil, err)
			return err
		}
		return next(ctx, c, s)
	}
}

func (p *Policies) report(ctx context.Context, c *rpc.Call, principal *rpc.Principal, err error) {
	if p.denied != nil {
		p.denied(ctx, Denial{Principal: principal, Call: c, Code: status.Code(err), Reason: Reason(err)})
	}
}

// decide returns the call as it goes on, or why it does not.
func (p *Policies) decide(ctx context.Context, c *rpc.Call, principal *rpc.Principal) (*rpc.Call, error) {
	if err := rpc.Refusal(ctx); err != nil {
		return nil, err // its door should not have called
	}
	a, known := p.methods[c.Method]
	if !known {
		return nil, &refusal{codes.PermissionDenied, notAllowed, "the method is not one that policies were made for"}
	}
	if a == nil {
		return c, nil
	}
	if err := a.admits(principal); err != nil {
		return nil, err
	}
	for i := range a.conditions {
		var err error
		if c, err = a.conditions[i].decide(ctx, c, principal); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// admits decides by who is calling alone.
func (a *access) admits(principal *rpc.Principal) error {
	switch {
	case principal == nil && !a.anonymous:
		return &refusal{codes.Unauthenticated, needCredentials, "no credentials"}
	case a.closed != "" && principal == nil:
		return &refusal{codes.Unauthenticated, needCredentials, a.closed}
	case a.closed != "":
		return &refusal{codes.PermissionDenied, notAllowed, a.closed}
	case principal == nil || a.public:
		return nil
	}
	for _, names := range a.authenticators {
		if !slices.Contains(names, principal.Authenticator) {
			return &refusal{codes.Unauthenticated, "the call needs other credentials",
				"authenticated by " + principal.Authenticator + ", which does not count here"}
		}
	}
	return nil
}

// decide decides by one block of the policy, what costs least first.
func (o *condition) decide(ctx context.Context, c *rpc.Call, principal *rpc.Principal) (*rpc.Call, error) {
	if err := o.grants(principal); err != nil {
		return nil, err
	}
	if o.rule != nil {
		holds, err := o.rule.holds(ctx, &variables{principal: principal, call: c})
		switch {
		case status.Code(err) == codes.InvalidArgument, status.Code(err) == codes.ResourceExhausted:
			return nil, err // of a request that is no message, or too large a one
		case ctx.Err() != nil:
			return nil, rpc.ContextError(ctx)
		case err != nil:
			return nil, refused(principal, "the rule cannot be computed: "+err.Error())
		case !holds:
			return nil, refused(principal, "the rule does not hold")
		}
	}
	if o.external == nil {
		return c, nil
	}
	return o.external.decide(ctx, c, principal)
}

// grants decides by scopes, of which all are needed, and roles, of which one is.
func (o *condition) grants(principal *rpc.Principal) error {
	held := nobody
	if principal != nil {
		held = principal
	}
	for _, scope := range o.scopes {
		if !slices.Contains(held.Scopes, scope) {
			return refused(principal, "no scope "+scope)
		}
	}
	if len(o.roles) == 0 {
		return nil
	}
	for _, role := range o.roles {
		if slices.Contains(held.Roles, role) {
			return nil
		}
	}
	return refused(principal, "none of the roles")
}

// MayCall reports whether the caller of ctx may call a method, as far as that can be said without a request: rules and
// authorizers may still refuse the call.
func (p *Policies) MayCall(ctx context.Context, m *schema.Method) bool {
	a, known := p.methods[m]
	if !known || a == nil {
		return known
	}
	principal := rpc.PrincipalFrom(ctx)
	if a.admits(principal) != nil {
		return false
	}
	for i := range a.conditions {
		if a.conditions[i].grants(principal) != nil {
			return false
		}
	}
	return true
}

// Granted returns a check of who is calling, for what is no call: an authenticated caller with all scopes
// and, where there are any, one of the roles. Its error is a status, which says nothing of them.
func Granted(scopes, roles []string) func(context.Context) error {
	o := condition{scopes: scopes, roles: roles}
	return func(ctx context.Context) error {
		principal := rpc.PrincipalFrom(ctx)
		if principal == nil {
			return refused(nil, "no credentials")
		}
		return o.grants(principal)
	}
}

// refused asks an anonymous caller for credentials: with them the answer may be another.
func refused(principal *rpc.Principal, reason string) error {
	if principal == nil {
		return &refusal{codes.Unauthenticated, needCredentials, reason}
	}
	return &refusal{codes.PermissionDenied, notAllowed, reason}
}

// whileGood ends a call when the credentials of its caller are no good any more, and says why. It is no deadline: the
// backend shall not hear of one.
func whileGood(ctx context.Context, ended func(error), call func(context.Context) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer rpc.WatchCaller(ctx, func(err error) {
		ended(err)
		cancel(err)
	})()
	return call(ctx)
}
