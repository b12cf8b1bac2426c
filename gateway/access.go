package gateway

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// checkAccess refuses what the operator says of access and nobody could mean:
// expressions that cannot be read, names of authenticators and authorizers that there
// are not. What depends on the backends' types is found when those are known, and is a problem then.
func checkAccess(config *configv1.Config) error {
	c := accessCheck{config: config}
	for _, rule := range config.GetPolicies() {
		c.policy(rule.GetPolicy())
	}
	for _, o := range config.GetOverlays() {
		c.policy(o.GetMethod().GetPolicy())
		c.policy(o.GetService().GetPolicy())
		c.expression(o.GetField().GetPolicy(), "unless", o.GetField().GetPolicy().GetUnless(), auth.CheckUnless)
	}
	return errors.Join(c.faults...)
}

type accessCheck struct {
	config *configv1.Config
	faults []error
}

func (c *accessCheck) fault(in proto.Message, path, format string, arguments ...any) {
	c.faults = append(c.faults, configv1.Faultf(in, path, format, arguments...))
}

func (c *accessCheck) expression(in proto.Message, path, text string, check func(string) error) {
	if text == "" {
		return
	}
	if err := check(text); err != nil {
		c.fault(in, path, "%w", err)
	}
}

func (c *accessCheck) policy(p *policyv1.Policy) {
	c.expression(p, "authorize.rule", p.GetAuthorize().GetRule(), auth.CheckRule)
	if len(c.config.GetAuthenticators()) == 0 && needsAuthenticator(p) {
		c.fault(p, "authorize", "nobody could call, since no authenticator is configured; add one to authenticators")
	}
	isAuthenticator := func(name string) func(*configv1.Authenticator) bool {
		return func(a *configv1.Authenticator) bool { return a.GetName() == name }
	}
	for i, name := range p.GetAuthenticate().GetAnyOf() {
		if !slices.ContainsFunc(c.config.GetAuthenticators(), isAuthenticator(name)) {
			c.fault(p, fmt.Sprintf("authenticate.any_of[%d]", i), "there is no authenticator %q", name)
		}
	}
	if p.GetCache().GetRedis() && c.config.GetRedis() == nil {
		c.fault(p, "cache.redis", "no redis is configured")
	}
	external := p.GetAuthorize().GetExternal()
	isAuthorizer := func(a *configv1.Authorizer) bool { return a.GetName() == external }
	if external != "" && !slices.ContainsFunc(c.config.GetAuthorizers(), isAuthorizer) {
		c.fault(p, "authorize.external", "there is no authorizer %q", external)
	}
}

// needsAuthenticator reports whether a policy can be met by nobody who is anonymous.
func needsAuthenticator(p *policyv1.Policy) bool {
	a := p.GetAuthorize()
	if a == nil {
		return false
	}
	return len(a.GetScopes()) > 0 || len(a.GetRoles()) > 0 || !a.GetPublic() && !p.GetAuthenticate().GetOptional()
}
