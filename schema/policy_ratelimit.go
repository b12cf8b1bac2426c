package schema

import (
	"strings"
	"time"
)

// RateLimit says how often a method may be called. It is compiled from Policy.RateLimit.
type RateLimit struct {
	// Scope names what the limit was said of, such as a selector. Methods with one scope share
	// one budget.
	Scope string
	// Requests per Per is the steady rate. 0: nobody may call.
	Requests int
	Per      time.Duration
	// Burst is how many calls may come at once.
	Burst int
	// Keys are what is counted apart, each combination for itself. Empty: principals, and
	// addresses of anonymous callers.
	Keys []RateKey
}

// RateKey is one thing that callers are told apart by.
type RateKey struct {
	Kind RateKeyKind
	Name string // of a header, in lower case, or of a claim
}

// RateKeyKind says what a [RateKey] looks at.
type RateKeyKind uint8

// The kinds of keys.
const (
	ByPrincipal RateKeyKind = iota + 1
	ByIP
	ByHeader
	ByClaim
)

// maxRate bounds requests and bursts, so that arithmetic with times does not overflow.
const maxRate = 1 << 30

// rateLimit compiles the policy of a method, or returns nil where it has none.
func (c *compiler) rateLimit(m *Method) *RateLimit {
	said := m.Policy.GetRateLimit()
	if said == nil {
		return nil
	}
	l := &RateLimit{
		Scope:    m.Said["rate_limit"].Selector,
		Requests: int(min(said.GetRequests(), maxRate)),
		Per:      c.backoff(m, "rate_limit.per", said.GetPer(), time.Second),
		Burst:    int(min(said.GetBurst(), maxRate)),
	}
	if l.Burst == 0 {
		l.Burst = l.Requests
	}
	for _, text := range said.GetKey() {
		key, ok := parseRateKey(text)
		if !ok {
			c.warn(m.Service.Backend, m.Descriptor, "the policy's rate_limit.key %q is none of principal, ip, header:NAME and claim:NAME; callers are not told apart by it", text)
			continue
		}
		l.Keys = append(l.Keys, key)
	}
	return l
}

func parseRateKey(text string) (RateKey, bool) {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case text == "principal":
		return RateKey{Kind: ByPrincipal}, true
	case text == "ip":
		return RateKey{Kind: ByIP}, true
	case kind == "header" && named && name != "":
		return RateKey{ByHeader, strings.ToLower(name)}, true
	case kind == "claim" && named && name != "":
		return RateKey{ByClaim, name}, true
	default:
		return RateKey{}, false
	}
}
