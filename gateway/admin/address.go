package admin

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/protean-gateway/protean/rpc"
)

// addressRule is one entry of an owner's allow-list.
type addressRule struct {
	prefix netip.Prefix // of IP addresses; the zero value where the rule is of a name
	host   string       // a name, or `*.name` for those below it; `unix` for sockets
	port   string       // empty: every port
	path   string       // of sockets
}

// parseAddressRule reads `host:port`, `*.name:port`, `10.1.0.0/16`, an IP address, each with or
// without port, or `unix:///path`.
func parseAddressRule(text string) (addressRule, error) {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		return addressRule{host: "unix", path: path}, nil
	}
	r := addressRule{host: text}
	if host, port, err := net.SplitHostPort(text); err == nil {
		r.host, r.port = host, port
	}
	if prefix, err := netip.ParsePrefix(r.host); err == nil {
		return addressRule{prefix: prefix.Masked(), port: r.port}, nil
	}
	if ip, err := netip.ParseAddr(strings.Trim(r.host, "[]")); err == nil {
		return addressRule{prefix: netip.PrefixFrom(ip.Unmap(), ip.Unmap().BitLen()), port: r.port}, nil
	}
	if r.host == "" || strings.ContainsAny(r.host, "/:@ ") {
		return r, fmt.Errorf("%q is neither host:port nor a range of IP addresses", text)
	}
	r.host = strings.ToLower(r.host)
	return r, nil
}

func (r addressRule) permitsName(host, port string) bool {
	if r.port != "" && r.port != port || r.host == "" || r.host == "unix" {
		return false
	}
	if below, ok := strings.CutPrefix(r.host, "*"); ok {
		return strings.HasSuffix(host, below)
	}
	return r.host == host
}

func (r addressRule) permitsIP(ip netip.Addr, port string) bool {
	return r.prefix.IsValid() && r.prefix.Contains(ip) && (r.port == "" || r.port == port)
}

// guard says where the backends of one owner may be. It is asked when an address is
// registered, and again with every connection, since a name may lead elsewhere by then.
type guard struct {
	owner *owner
	own   func() []string // addresses that the gateway listens on
	host  string          // of the endpoint, for rules by name; empty at registration
	port  string
}

var _ rpc.Guard = (*registered)(nil)

func (all owners) guard(o *owner, own func() []string) *guard { return &guard{owner: o, own: own} }

// registered asks the guard of what is configured when a connection is made.
type registered struct {
	service    *Service
	owner      string // empty: the operator
	host, port string
}

// Guard returns what the connections to a registered backend are asked by. It is made once for
// a revision. An owner that is gone from the configuration may connect nowhere.
func (s *Service) Guard(ownerName, address string) rpc.Guard {
	r := &registered{service: s, owner: ownerName}
	r.host, r.port, _ = net.SplitHostPort(bare(address))
	r.host = strings.ToLower(r.host)
	return r
}

// Permit implements [rpc.Guard].
func (r *registered) Permit(network, address string) error {
	g := guard{owner: local, own: r.service.gateway.OwnAddresses, host: r.host, port: r.port}
	if all := r.service.owners(); len(all.list) > 0 && r.owner != "" {
		g.owner = all.byName[r.owner]
	}
	return g.Permit(network, address)
}

// bare takes the scheme off an address.
func bare(address string) string {
	for _, scheme := range []string{"grpcs://", "dns:///", "unix://"} {
		if rest, ok := strings.CutPrefix(address, scheme); ok {
			return rest
		}
	}
	return address
}

var loopback4 = netip.AddrFrom4([4]byte{127, 0, 0, 1})

var (
	errForeignAddress = errors.New("your addresses do not include it")
	errOwnAddress     = errors.New("the gateway itself listens there")
	errOwnerGone      = errors.New("its owner is not configured any more")
)

// permitText judges an address as it is registered.
func (g *guard) permitText(address string) error {
	if strings.HasPrefix(address, "unix://") {
		return g.Permit("unix", bare(address))
	}
	if strings.Contains(address, "://") && bare(address) == address {
		return errors.New("want host:port, dns:///host:port, grpcs://host:port or unix:///path")
	}
	host, port, err := net.SplitHostPort(bare(address))
	if err != nil || host == "" || port == "" {
		return errors.New("want host:port, dns:///host:port, grpcs://host:port or unix:///path")
	}
	host = strings.ToLower(host)
	if ip, err := netip.ParseAddr(host); err == nil {
		return g.permitIP(ip.Unmap(), port)
	}
	if len(g.owner.addresses) > 0 && !g.named(host, port) && !g.hasRanges() {
		return errForeignAddress
	}
	if isLoopbackName(host) && !g.owner.operator && !g.named(host, port) {
		return errors.New("loopback is not among your addresses")
	}
	if isLoopbackName(host) && (g.isOwn(loopback4, port) || g.isOwn(netip.IPv6Loopback(), port)) {
		return errOwnAddress
	}
	return nil
}

// hasRanges reports whether a name may turn out to be permitted when it is resolved.
func (g *guard) hasRanges() bool {
	for _, r := range g.owner.addresses {
		if r.prefix.IsValid() {
			return true
		}
	}
	return false
}

func isLoopbackName(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Permit is [rpc.Guard.Permit].
func (g *guard) Permit(network, address string) error {
	if g.owner == nil {
		return errOwnerGone
	}
	if network == "unix" {
		for _, r := range g.owner.addresses {
			if r.host == "unix" && r.path == address {
				return nil
			}
		}
		if g.owner.operator {
			return nil
		}
		return errForeignAddress
	}
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s is no address", address)
	}
	_, port, _ := net.SplitHostPort(address)
	return g.permitIP(to.Addr().Unmap().WithZone(""), port)
}

// permitIP judges what is dialled in the end.
func (g *guard) permitIP(ip netip.Addr, port string) error {
	if g.isOwn(ip, port) {
		return errOwnAddress
	}
	listed := g.named(g.host, port)
	for _, r := range g.owner.addresses {
		listed = listed || r.permitsIP(ip, port)
	}
	switch {
	case ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsMulticast() || ip.IsUnspecified():
		if !g.literally(ip, port) {
			return errors.New("it is a link-local, multicast or unspecified address")
		}
	case ip.IsLoopback():
		// A name that leads here counts only where it says so.
		if !g.owner.operator && !g.literally(ip, port) && !(isLoopbackName(g.host) && g.named(g.host, port)) {
			return errors.New("loopback is not among your addresses")
		}
	case len(g.owner.addresses) > 0 && !listed && !g.owner.operator:
		return errForeignAddress
	}
	return nil
}

// literally reports whether a range lists an address, as names cannot for special ones.
func (g *guard) literally(ip netip.Addr, port string) bool {
	for _, r := range g.owner.addresses {
		if r.permitsIP(ip, port) {
			return true
		}
	}
	return false
}

func (g *guard) named(host, port string) bool {
	for _, r := range g.owner.addresses {
		if host != "" && r.permitsName(host, port) {
			return true
		}
	}
	return false
}

// isOwn reports whether the gateway listens on an address. One that listens on all addresses of the
// machine is met on loopback, and on its own ones, which are not known here: there the port decides.
func (g *guard) isOwn(ip netip.Addr, port string) bool {
	for _, own := range g.own() {
		listening, err := netip.ParseAddrPort(own)
		if err != nil || fmt.Sprint(listening.Port()) != port {
			continue
		}
		at := listening.Addr().Unmap()
		if at == ip || at.IsUnspecified() && (ip.IsLoopback() || isLocal(ip)) || ip.IsUnspecified() {
			return true
		}
	}
	return false
}

// isLocal reports whether an address is one of this machine's.
func isLocal(ip netip.Addr) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return true // not known: refuse
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && prefix.Addr().Unmap() == ip {
			return true
		}
	}
	return false
}
