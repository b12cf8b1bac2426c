package admin

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/translate"
)

// owners are who may use the service. Where there are none, everyone who reaches it is the
// operator of this machine.
type owners struct {
	byName map[string]*owner
	list   []*owner
	tokens map[digest]*owner
}

type digest [32]byte

// owner is a team and what belongs to it.
type owner struct {
	name      string
	operator  bool
	packages  []string
	types     []string
	paths     []ownedPath
	addresses []addressRule
}

// ownedPath is a prefix of paths, as routes that together take all requests below it.
type ownedPath struct {
	prefix string
	routes []translate.Route
}

// local is everyone where nobody has a token: people and programs of this machine, who could change
// the gateway's configuration as well.
var local = &owner{operator: true}

// Rules are who may use the service, what belongs to whom, and what the gate does with what breaks clients. They are
// immutable; a reload replaces them whole.
type Rules struct {
	owners owners
	gate   configv1.Gate
}

// NewRules reads what is configured, and the digests of tokens from where they are kept.
func NewRules(c *configv1.Registry, secret func(string) (string, error)) (*Rules, error) {
	all, err := newOwners(c.GetOwners(), secret)
	if err != nil {
		return nil, configv1.Fault(c, "owners", err)
	}
	return &Rules{owners: all, gate: c.GetGate()}, nil
}

func newOwners(configured []*configv1.Owner, secret func(string) (string, error)) (owners, error) {
	all := owners{byName: make(map[string]*owner), tokens: make(map[digest]*owner)}
	for i, c := range configured {
		o, err := newOwner(c)
		if err != nil {
			return all, fmt.Errorf("registry.owners[%d] (%s): %w", i, c.GetName(), err)
		}
		if all.byName[o.name] != nil {
			return all, fmt.Errorf("registry.owners[%d]: there are two named %q", i, o.name)
		}
		all.byName[o.name] = o
		all.list = append(all.list, o)
		for j, text := range c.GetTokens() {
			sum, err := tokenDigest(text, secret)
			if err != nil {
				return all, fmt.Errorf("registry.owners[%d].tokens[%d]: %w", i, j, err)
			}
			if all.tokens[sum] != nil {
				return all, fmt.Errorf("registry.owners[%d].tokens[%d]: another owner has the same", i, j)
			}
			all.tokens[sum] = o
		}
	}
	return all, all.checkApart()
}

func newOwner(c *configv1.Owner) (*owner, error) {
	o := &owner{name: c.GetName(), operator: c.GetOperator(), packages: c.GetPackages(), types: c.GetTypes()}
	for _, prefix := range c.GetPaths() {
		path, err := newOwnedPath(prefix)
		if err != nil {
			return nil, fmt.Errorf("paths: %q: %w", prefix, err)
		}
		o.paths = append(o.paths, path)
	}
	for _, text := range c.GetAddresses() {
		rule, err := parseAddressRule(text)
		if err != nil {
			return nil, fmt.Errorf("addresses: %w", err)
		}
		o.addresses = append(o.addresses, rule)
	}
	return o, nil
}

func newOwnedPath(prefix string) (ownedPath, error) {
	prefix = strings.TrimSuffix(prefix, "/")
	path := ownedPath{prefix: prefix}
	templates := []string{prefix + "/**"}
	if prefix != "" {
		templates = append(templates, prefix)
	}
	for _, template := range templates {
		route, err := translate.PathRoute(template)
		if err != nil {
			return path, err
		}
		path.routes = append(path.routes, route)
	}
	return path, nil
}

func tokenDigest(text string, secret func(string) (string, error)) (sum digest, err error) {
	text, err = secret(text)
	if err != nil {
		return sum, err
	}
	raw, err := hex.DecodeString(strings.TrimSpace(text))
	if err != nil || len(raw) != len(sum) {
		return sum, fmt.Errorf("it is not 64 hexadecimal digits; `printf %%s TOKEN | sha256sum` prints them")
	}
	return digest(raw), nil
}

// checkApart refuses owners of whom two own the same.
func (all owners) checkApart() error {
	for i, a := range all.list {
		for _, b := range all.list[i+1:] {
			for _, kind := range []struct {
				name         string
				mine, theirs []string
			}{{"package", a.packages, b.packages}, {"type", a.types, b.types}} {
				if shared := sharedPrefix(kind.mine, kind.theirs); shared != "" {
					return fmt.Errorf("registry.owners: the %s %s belongs to %s and to %s", kind.name, shared, a.name, b.name)
				}
			}
			if witness := meeting(a.paths, b.paths); witness != "" {
				return fmt.Errorf("registry.owners: the paths of %s and %s meet: both have %s", a.name, b.name, witness)
			}
		}
	}
	return nil
}

// sharedPrefix returns the longer of two prefixes of which one lies within the other.
func sharedPrefix(a, b []string) string {
	for _, x := range a {
		for _, y := range b {
			switch {
			case within(x, y):
				return x
			case within(y, x):
				return y
			}
		}
	}
	return ""
}

func meeting(a, b []ownedPath) string {
	for _, x := range a {
		for _, y := range b {
			for _, route := range x.routes {
				if witness := y.overlap(route); witness != "" {
					return witness
				}
			}
		}
	}
	return ""
}

// overlap returns a request that a route takes within the prefix, or nothing.
func (p ownedPath) overlap(r translate.Route) string {
	for _, own := range p.routes {
		if witness, ok := own.Overlap(r); ok {
			return witness
		}
	}
	return ""
}

// within reports whether a full name is a prefix or lies below it.
func within(name, prefix string) bool {
	return name == prefix || strings.HasPrefix(name, prefix+".")
}

// of returns who is calling. The gateway's own doors have said so; nobody else reaches the listener.
func (all owners) of(ctx context.Context) (*owner, error) {
	if len(all.list) == 0 {
		return local, nil
	}
	if o := all.byName[callerOf(ctx)]; o != nil {
		return o, nil
	}
	return nil, status.Error(codes.Unauthenticated, "this needs an owner's token")
}

func callerOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if subjects := md.Get("x-protean-subject"); len(subjects) == 1 {
		return subjects[0]
	}
	return ""
}

// nameOf names an owner in a message.
func nameOf(owner string) string {
	if owner == "" {
		return "the operator"
	}
	return owner
}
