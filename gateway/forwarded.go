package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// proxies are the networks whose word about clients' addresses is believed.
type proxies []netip.Prefix

func newProxies(c *configv1.HTTP) (proxies, error) {
	var p proxies
	for i, text := range c.GetTrustedProxies() {
		network, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, configv1.Faultf(c, fmt.Sprintf("trusted_proxies[%d]", i), "%q is no network such as 10.0.0.0/8", text)
		}
		p = append(p, network.Masked())
	}
	return p, nil
}

func (p proxies) trust(a netip.Addr) bool {
	a = a.Unmap()
	for _, network := range p {
		if network.Contains(a) {
			return true
		}
	}
	return false
}

// handler makes the client's address the remote address of a request that came through
// trusted proxies. Each of them appends to X-Forwarded-For whom it heard; what is left of the last
// address that is not a proxy's, anybody could have written.
func (p proxies) handler(next http.Handler) http.Handler {
	if len(p) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if client := p.client(r); client != "" {
			r.RemoteAddr = client
		}
		next.ServeHTTP(w, r)
	})
}

// client returns the address of the client as host:port, or nothing where it is the one
// that connected.
func (p proxies) client(r *http.Request) string {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil || !p.trust(peer.Addr()) {
		return ""
	}
	var found netip.Addr
	hops := strings.Split(strings.Join(r.Header["X-Forwarded-For"], ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		found = hop
		if !p.trust(hop) {
			break
		}
	}
	if !found.IsValid() {
		return ""
	}
	return netip.AddrPortFrom(found.WithZone(""), 0).String()
}
