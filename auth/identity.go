package auth

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// identityPrefix begins the metadata with which a backend is told who is calling.
// No door passes it from a client, in whatever spelling.
const (
	identityPrefix = "x-protean-"
	subjectKey     = identityPrefix + "subject"
	issuerKey      = identityPrefix + "issuer"
)

type authorizationKey struct{}

// NewContext returns a context for the calls of a caller: its principal, nil for an
// anonymous one, and its Authorization header, which is only kept for backends and
// authorizers that are to have it, and empty otherwise. Shown is what can be checked again; may be nil.
func NewContext(ctx context.Context, p *rpc.Principal, authorization string, shown rpc.Credential) context.Context {
	if authorization != "" {
		ctx = context.WithValue(ctx, authorizationKey{}, authorization)
	}
	if p == nil {
		return ctx
	}
	return rpc.WithCaller(ctx, p, shown)
}

func authorizationFrom(ctx context.Context) string {
	text, _ := ctx.Value(authorizationKey{}).(string)
	return text
}

// identity is what backends are told of callers.
type identity struct {
	disabled bool
	claims   []claimHeader
	forward  map[string]bool // backends that get the Authorization header
	names    []string        // of the metadata that describes callers
}

type claimHeader struct{ key, claim string }

func newIdentity(c *configv1.Identity, forward map[string]bool) *identity {
	i := &identity{disabled: c.GetDisabled(), forward: forward, names: []string{subjectKey, issuerKey}}
	for _, name := range c.GetClaims() {
		key := identityPrefix + "claim-" + strings.ToLower(name)
		i.claims = append(i.claims, claimHeader{key, name})
		i.names = append(i.names, key)
	}
	return i
}

// describe returns the call with metadata that describes its caller, and room for a stream of the call; nil where nothing
// is added.
func (i *identity) describe(ctx context.Context, c *rpc.Call, p *rpc.Principal) (*rpc.Call, *cachingStream) {
	authorization := ""
	if i.forward[c.Method.Service.Backend.Name] {
		authorization = authorizationFrom(ctx)
	}
	silent := p == nil || i.disabled && len(i.claims) == 0
	if silent && authorization == "" {
		return c, nil
	}
	told := &described{md: make(metadata.MD, len(c.Metadata)+3+len(i.claims))}
	told.values = told.room[:0]
	maps.Copy(told.md, c.Metadata)
	if authorization != "" {
		told.say("authorization", authorization)
	}
	if !silent {
		i.addPrincipal(told, p)
	}
	told.call.SetTo(c, told.md)
	told.call.Added = addedTo(c, i.names)
	return &told.call, &told.stream
}

// addedTo returns what the gateway has added to a call once it adds names, too. It writes to neither.
func addedTo(c *rpc.Call, names []string) []string {
	if len(c.Added) == 0 {
		return names
	}
	return slices.Concat(c.Added, names)
}

func (i *identity) addPrincipal(told *described, p *rpc.Principal) {
	if !i.disabled {
		told.say(subjectKey, percentEncode(p.Subject))
		if p.Issuer != "" {
			told.say(issuerKey, percentEncode(p.Issuer))
		}
	}
	for _, h := range i.claims {
		if claim, there := p.Claims[h.claim]; there {
			told.say(h.key, percentEncode(claimText(claim)))
		}
	}
}

// described is a call with metadata that describes its caller. The values lie beside it, as far as there is room, and so does
// a stream for its response.
type described struct {
	call   rpc.Call
	stream cachingStream
	md     metadata.MD
	values []string
	room   [4]string
}

func (d *described) say(key, value string) {
	n := len(d.values)
	d.values = append(d.values, value)
	d.md[key] = d.values[n : n+1 : n+1]
}

// claimText returns text as it is and other values as JSON.
func claimText(claim any) string {
	if text, ok := claim.(string); ok {
		return text
	}
	text, _ := json.Marshal(claim) // what came from JSON
	return string(text)
}

// percentEncode encodes what metadata cannot carry, and `%`, so that it can be undone.
func percentEncode(text string) string {
	clean := true
	for i := range len(text) {
		clean = clean && isPlain(text[i])
	}
	if clean {
		return text
	}
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; isPlain(c) {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', digits[c>>4], digits[c&15]})
		}
	}
	return b.String()
}

func isPlain(c byte) bool { return c > ' ' && c <= '~' && c != '%' }
