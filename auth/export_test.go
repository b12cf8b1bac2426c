package auth

import (
	"context"
	"net/http"
	"time"
)

// ShownAgain returns what checks the credentials of a request again, which must be good now.
func (a *Authenticators) ShownAgain(r *http.Request) (func(context.Context) error, error) {
	p, err := a.FromRequest(r)
	if err != nil {
		return nil, err
	}
	return a.shownBy(p, r.Header, r.TLS).Again, nil
}

// SetUnknownPause changes how long an unknown key is not asked for again.
func (a *Authenticators) SetUnknownPause(d time.Duration) {
	for _, j := range a.tokens {
		j.keys.pause = d
	}
}

// ForgetTokens makes all tokens be checked again.
func (a *Authenticators) ForgetTokens() {
	for _, j := range a.tokens {
		j.keys.current.Load().verified.young = nil
		j.keys.current.Load().verified.old = nil
	}
}

// RememberTokens remembers so many tokens of so many bytes each, and returns the bytes that count as
// remembered after that, and the tokens.
func RememberTokens(n, size int) (bytes, entries int) {
	var c tokenCache
	for i := range n {
		c.put(digest{byte(i), byte(i >> 8), byte(i >> 16)}, checked{}, size)
	}
	entries = len(c.young) + len(c.old)
	return entries * (size + entryBytes), entries
}
