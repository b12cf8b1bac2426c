package gateway

import (
	"errors"
	"fmt"
	"slices"

	"github.com/protean-gateway/protean/auth"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// checkAccess refuses what the operator says of access and nobody could mean:
// expressions that cannot be read, names of authenticators and authorizers that there
// are not. What depends on the backends' types is found when those are known, and is a problem then.
func checkAccess(name string, config *configv1.Config) error {
	for i, rule := range config.GetPolicies() {
		if err := checkAccessPolicy(rule.GetPolicy(), config); err != nil {
			return fmt.Errorf("%s: policies[%d] (%s): %w", name, i, rule.GetSelector(), err)
		}
	}
	for i, o := range config.GetOverlays() {
		if err := checkAccessOverlay(o, config); err != nil {
			return fmt.Errorf("%s: overlays[%d] (%s): %w", name, i, o.GetSelector(), err)
		}
	}
	return nil
}

func checkAccessOverlay(o *configv1.Overlay, config *configv1.Config) error {
	for _, p := range []*policyv1.Policy{o.GetMethod().GetPolicy(), o.GetService().GetPolicy()} {
		if err := checkAccessPolicy(p, config); err != nil {
			return err
		}
	}
	if text := o.GetField().GetPolicy().GetUnless(); text != "" {
		if err := auth.CheckExpression(text); err != nil {
			return fmt.Errorf("policy.unless: %w", err)
		}
	}
	return nil
}

func checkAccessPolicy(p *policyv1.Policy, config *configv1.Config) error {
	if text := p.GetAuthorize().GetRule(); text != "" {
		if err := auth.CheckExpression(text); err != nil {
			return fmt.Errorf("authorize.rule: %w", err)
		}
	}
	if len(config.GetAuthenticators()) == 0 && needsAuthenticator(p) {
		return errors.New("authorize: nobody could call, since no authenticator is configured; add one to authenticators")
	}
	isAuthenticator := func(name string) func(*configv1.Authenticator) bool {
		return func(a *configv1.Authenticator) bool { return a.GetName() == name }
	}
	for _, name := range p.GetAuthenticate().GetAnyOf() {
		if !slices.ContainsFunc(config.GetAuthenticators(), isAuthenticator(name)) {
			return fmt.Errorf("authenticate.any_of: there is no authenticator %q", name)
		}
	}
	external := p.GetAuthorize().GetExternal()
	isAuthorizer := func(a *configv1.Authorizer) bool { return a.GetName() == external }
	if external != "" && !slices.ContainsFunc(config.GetAuthorizers(), isAuthorizer) {
		return fmt.Errorf("authorize.external: there is no authorizer %q", external)
	}
	return nil
}

// needsAuthenticator reports whether a policy can be met by nobody who is anonymous.
func needsAuthenticator(p *policyv1.Policy) bool {
	a := p.GetAuthorize()
	if a == nil {
		return false
	}
	return len(a.GetScopes()) > 0 || len(a.GetRoles()) > 0 || !a.GetPublic() && !p.GetAuthenticate().GetOptional()
}
