package auth

import (
	"slices"

	"github.com/protean-gateway/protean/schema"
)

// Need is what a caller of a method must have, as far as that can be said without a call.
// Roles, rules and authorizers are not in it.
type Need struct {
	// Anonymous: callers without credentials may call.
	Anonymous bool
	// Authenticators are those that can vouch for a caller, in the order of the configuration. Empty:
	// there is none, or nobody may call.
	Authenticators []string
	// Scopes are needed, all of them.
	Scopes []string
}

// Need returns what callers of a method must have.
func (p *Policies) Need(m *schema.Method) Need {
	a := p.methods[m]
	if a == nil {
		return Need{Anonymous: true, Authenticators: p.authenticators}
	}
	if a.closed != "" {
		return Need{}
	}
	n := Need{Anonymous: a.anonymous, Authenticators: p.authenticators}
	for _, names := range a.authenticators {
		n.Authenticators = slices.DeleteFunc(slices.Clone(n.Authenticators), func(name string) bool { return !slices.Contains(names, name) })
	}
	for _, c := range a.conditions {
		n.Scopes = append(n.Scopes, c.scopes...)
	}
	return n
}
