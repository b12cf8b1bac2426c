package transport

import (
	"net"
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

// IsOwnHost reports whether a request for a host, with or without a port, was meant for an address of this machine: the host is
// localhost, an IP address, or one of those named. A page can make any other name lead here (DNS rebinding).
func IsOwnHost(host string, named []string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.Trim(name, "[]")
	if strings.EqualFold(name, "localhost") || net.ParseIP(name) != nil {
		return true
	}
	return slices.ContainsFunc(named, func(n string) bool { return strings.EqualFold(n, host) || strings.EqualFold(n, name) })
}
