package resilience

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// rateKey tells callers apart under one scope. What is usual needs no memory: a principal
// or an address. The rest is text.
type rateKey struct {
	scope string

	authenticator, issuer, subject string // of a principal
	address                        netip.Addr
	rest                           string // what headers and claims say
}

// callerOf returns whom a call counts for.
func callerOf(ctx context.Context, c *rpc.Call, l *schema.RateLimit) rateKey {
	k := rateKey{scope: l.Scope}
	if len(l.Keys) == 0 {
		if !k.byPrincipal(ctx) {
			k.address = addressOf(c.Peer)
		}
		return k
	}
	for _, key := range l.Keys {
		switch key.Kind {
		case schema.ByPrincipal:
			k.byPrincipal(ctx)
		case schema.ByIP:
			k.address = addressOf(c.Peer)
		case schema.ByHeader:
			k.add(strings.Join(c.Metadata.Get(key.Name), ","))
		case schema.ByClaim:
			k.add(claimOf(ctx, key.Name))
		}
	}
	return k
}

func (k *rateKey) byPrincipal(ctx context.Context) bool {
	p := rpc.PrincipalFrom(ctx)
	if p == nil {
		return false
	}
	k.authenticator, k.issuer, k.subject = p.Authenticator, p.Issuer, p.Subject
	return true
}

// maxKeyText bounds what a client may have remembered of itself, in bytes.
const maxKeyText = 256

// add adds a text that cannot be taken for two others.
func (k *rateKey) add(text string) {
	if len(text) > maxKeyText {
		text = digestOf(text)
	}
	k.rest = fmt.Sprintf("%s%d:%s", k.rest, len(text), text)
}

func claimOf(ctx context.Context, name string) string {
	p := rpc.PrincipalFrom(ctx)
	if p == nil {
		return ""
	}
	switch v := p.Claims[name].(type) {
	case nil:
		return ""
	case string:
		return v
	default:
		text, err := json.Marshal(v)
		if err != nil {
			return ""
		}
		return string(text)
	}
}

// text names the key for those who do not share our memory.
func (k *rateKey) text() string {
	var b strings.Builder
	for _, part := range []string{k.scope, k.authenticator, k.issuer, k.subject, k.rest} {
		fmt.Fprintf(&b, "%d:%s", len(part), part)
	}
	if k.address.IsValid() {
		b.WriteString(k.address.String())
	}
	return b.String()
}

// addressOf returns the address in host:port; of IPv6 the network of 64 bits, which is what one
// subscriber has. What is no address is all one.
func addressOf(peer string) netip.Addr {
	full, err := netip.ParseAddrPort(peer)
	if err != nil {
		return netip.Addr{}
	}
	return networkOf(full.Addr())
}

func networkOf(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if !a.Is6() {
		return a
	}
	bytes := a.As16()
	clear(bytes[8:])
	return netip.AddrFrom16(bytes)
}
