package gate

import (
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema"
)

// selectorOrphaned finds the operator's policies that hold for nothing any more: what they
// protected may go on under another name.
var selectorOrphaned = Rule{"selector-orphaned", Policy, func(c *comparison, r *reporter) {
	for _, selector := range c.updated.Selectors {
		if c.selectedThen()[selector] && !c.selected()[selector] {
			r.element(Breaking, selector, "a policy's selector names no method any more")
		}
	}
}}

// selectorsThatName returns all selectors that name a method of a snapshot.
func selectorsThatName(s *schema.Snapshot) map[string]bool {
	selectors := make(map[string]bool)
	for _, m := range eachMethod(s) {
		for _, selector := range m.Selectors() {
			selectors[selector] = true
		}
	}
	return selectors
}

// methodOpened finds methods that more callers may call, by what files or the operator say. Where no
// authenticator is configured everyone may call a method of which nothing is said, so that `public` opens nothing.
var methodOpened = Rule{"method-opened", Policy, func(c *comparison, r *reporter) {
	for _, m := range c.methods {
		before, now := m.old.Policy.GetAuthorize(), m.updated.Policy.GetAuthorize()
		was, is := c.old.Access.Need(m.old), c.updated.Access.Need(m.updated)
		switch {
		case is.Anonymous && !was.Anonymous:
			r.method(Breaking, m.updated, "callers without credentials may call it now")
		case !was.Anonymous && len(was.Authenticators) == 0 && len(is.Authenticators) > 0:
			r.method(Dangerous, m.updated, "callers with credentials may call it now, and nobody could")
		case now.GetPublic() && !before.GetPublic() && is.Anonymous:
			r.method(Dangerous, m.updated, "callers without credentials may go on calling it once there is an authenticator")
		case narrowed(before) && !proto.Equal(before, now):
			r.method(Dangerous, m.updated, "other callers may call it than before: what `authorize` says differs")
		}
	}
}}

// narrowed reports whether a policy asks more of callers than that they are known.
func narrowed(a *policyv1.Authorize) bool {
	return len(a.GetScopes()) > 0 || len(a.GetRoles()) > 0 || a.GetRule() != "" || a.GetExternal() != ""
}

// fieldUncovered finds fields that a policy hid from some callers and that all can see now.
var fieldUncovered = Rule{"field-uncovered", Policy, func(c *comparison, r *reporter) {
	for _, p := range c.messages {
		for old, updated := range pairedFields(p.old, p.updated) {
			before, now := fieldPolicy(old), fieldPolicy(updated)
			switch {
			case before.GetAction() == now.GetAction() && before.GetUnless() == now.GetUnless():
			case now.GetAction() == policyv1.FieldPolicy_ACTION_UNSPECIFIED:
				r.member(Breaking, p.old, updated, updated.Name(), "the policy that hid the field from callers is gone")
			case before.GetAction() != policyv1.FieldPolicy_ACTION_UNSPECIFIED:
				r.member(Dangerous, p.old, updated, updated.Name(), "the policy that hides the field from callers differs")
			}
		}
	}
}}

func fieldPolicy(fd protoreflect.FieldDescriptor) *policyv1.FieldPolicy {
	options, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.FieldOptions)
	return options.GetPolicy()
}

// sideEffects finds methods that may not be cached, shared or repeated any more.
var sideEffects = Rule{"side-effects", Policy, func(c *comparison, r *reporter) {
	for _, m := range c.methods {
		switch {
		case m.old.NoSideEffects && !m.updated.NoSideEffects:
			r.method(Dangerous, m.updated, "is not declared as free of side effects any more: its answers are not cached, and its calls not repeated")
		case m.old.Idempotent && !m.updated.Idempotent:
			r.method(Dangerous, m.updated, "is not declared as idempotent any more: its calls are not repeated")
		}
	}
}}
