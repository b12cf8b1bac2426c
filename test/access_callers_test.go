package test

import (
	"net/http"
	"slices"

	"google.golang.org/grpc/codes"
)

// caller is somebody who calls the vault, with the headers that say who.
type caller struct {
	name    string
	header  http.Header
	subject string
	scopes  []string
	roles   []string
	invalid bool // has credentials that are no good
}

func (h *vaultHouse) callers() []caller {
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	token := func(subject string, scope string, roles ...string) http.Header {
		return bearer(h.issuer.Token(subject, map[string]any{"scope": scope, "roles": roles}))
	}
	good := h.issuer.Token("alice", nil)
	return []caller{
		{name: "anonymous"},
		{name: "alice", header: token("alice", "open read", "keeper"), subject: "alice", scopes: []string{"open", "read"}, roles: []string{"keeper"}},
		{name: "bob", header: token("bob", "read open"), subject: "bob", scopes: []string{"open", "read"}},
		{name: "carol", header: token("carol", "", "keeper"), subject: "carol", roles: []string{"keeper"}},
		{name: "robot", header: http.Header{"X-Api-Key": {robotKey}}, subject: "robot", scopes: []string{"open"}},
		{name: "expired", header: bearer(h.issuer.Token("alice", map[string]any{"exp": 1})), invalid: true},
		{name: "forged", header: bearer(good[:len(good)-8] + "AAAAAAAA"), invalid: true},
		{name: "for another", header: bearer(h.issuer.Token("alice", map[string]any{"aud": "x"})), invalid: true},
		{name: "wrong key", header: http.Header{"X-Api-Key": {"x"}}, invalid: true},
		{name: "two credentials", header: http.Header{"X-Api-Key": {robotKey}, "Authorization": {"Bearer " + good}}, invalid: true},
		{name: "basic", header: http.Header{"Authorization": {"Basic YWxpY2U6cHc="}}, invalid: true},
	}
}

// decision says what the policy makes of a call, in words of its own: it shares no
// code with the gateway.
func (c caller) decision(method, owner string) codes.Code {
	has := func(list []string, all ...string) bool {
		return !slices.ContainsFunc(all, func(one string) bool { return !slices.Contains(list, one) })
	}
	known := c.subject != ""
	allowed := false
	switch method {
	case "Public", "Hold":
		allowed = true
	case "Known":
		allowed = known
	case "Scoped":
		allowed = known && has(c.scopes, "open", "read")
	case "Kept":
		allowed = known && has(c.roles, "keeper")
	case "Own":
		allowed = known && owner == c.subject
	}
	switch {
	case c.invalid:
		return codes.Unauthenticated
	case allowed:
		return codes.OK
	case known:
		return codes.PermissionDenied
	default:
		return codes.Unauthenticated
	}
}

func (c caller) seesPin() bool   { return slices.Contains(c.roles, "keeper") }
func (c caller) seesPhone() bool { return c.subject != "" }
