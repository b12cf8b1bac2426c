package transport

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// OriginAllowed reports whether the page that a request comes from may speak to
// us as itself: there is none (no Origin header: not a browser, or the same
// origin), it has our own host, or its origin is one of those allowed. `*` allows all.
func OriginAllowed(r *http.Request, allowed []string) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(allowed, "*") || slices.Contains(allowed, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}
