package schema

import (
	"hash"
	"maps"
	"math"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Claims decide which registered backend serves a service that several have. They are immutable.
type Claims struct {
	// Default is the claim of services that are not in Services.
	Default Claim
	// Services are claims by the full names of services.
	Services map[string]Claim
}

// Claim is the right of one registered backend to serve a service.
type Claim struct {
	// Rank orders registered backends: the lowest serves the service. It counts up with each
	// registration that adds a service, and down from -1 with each that takes one over.
	Rank int64
	// BeforeConfigured says that the backend also takes precedence over configured ones.
	BeforeConfigured bool
}

// Of returns the claim of a service.
func (c *Claims) Of(service string) Claim {
	if claim, ok := c.Services[service]; ok {
		return claim
	}
	return c.Default
}

// Age orders registered backends by when they were registered: the smallest distance from zero among
// the ranks of their claims.
func (c *Claims) Age() int64 {
	age := distance(c.Default.Rank)
	for _, claim := range c.Services {
		age = min(age, distance(claim.Rank))
	}
	return age
}

func distance(rank int64) int64 {
	switch {
	case rank == math.MinInt64:
		return math.MaxInt64
	case rank < 0:
		return -rank
	}
	return rank
}

func (c *Claims) equal(other *Claims) bool {
	if c == nil || other == nil {
		return c == other
	}
	return c.Default == other.Default && maps.Equal(c.Services, other.Services)
}

// digest adds claims to a digest. Those of configured backends, and those that say nothing, add nothing.
func (c *Claims) digest(h hash.Hash) {
	if c == nil {
		return
	}
	writeText(h, "claims")
	c.Default.digest(h)
	for _, service := range slices.Sorted(maps.Keys(c.Services)) {
		writeText(h, service)
		c.Services[service].digest(h)
	}
}

func (c Claim) digest(h hash.Hash) {
	writeText(h, strconv.FormatInt(c.Rank, 10))
	writeText(h, strconv.FormatBool(c.BeforeConfigured))
}

// contenders are the backends that come first among those that have one service.
type contenders struct{ configured, registered int } // -1: none

// assignServices returns which backend of the snapshot serves each service: of the registered ones the one
// with the lowest rank, unless a configured one has the service and takes precedence over that one.
func (c *compiler) assignServices() map[protoreflect.FullName]int {
	first := make(map[protoreflect.FullName]contenders)
	for i := range c.snapshot.Backends {
		for _, sd := range c.wanted(i) {
			name := sd.FullName()
			among, known := first[name]
			if !known {
				among = contenders{-1, -1}
			}
			first[name] = c.contend(among, name, i)
		}
	}
	holders := make(map[protoreflect.FullName]int, len(first))
	for name, among := range first {
		holders[name] = c.holder(among, name)
	}
	return holders
}

// contend returns the contenders once backend i is among them.
func (c *compiler) contend(among contenders, service protoreflect.FullName, i int) contenders {
	switch {
	case c.claims[i] == nil:
		if among.configured < 0 {
			among.configured = i
		}
	case among.registered < 0 || c.rank(i, service) < c.rank(among.registered, service):
		among.registered = i
	}
	return among
}

func (c *compiler) rank(i int, service protoreflect.FullName) int64 {
	return c.claims[i].Of(string(service)).Rank
}

func (c *compiler) holder(among contenders, service protoreflect.FullName) int {
	if among.configured < 0 || among.registered >= 0 && c.claims[among.registered].Of(string(service)).BeforeConfigured {
		return among.registered
	}
	return among.configured
}

// wanted returns the services of a backend that are to be served, in the order of its files.
func (c *compiler) wanted(i int) (services []protoreflect.ServiceDescriptor) {
	names := make(map[string]bool, len(c.served[i]))
	for _, name := range c.served[i] {
		names[name] = true
	}
	for _, f := range c.snapshot.Backends[i].files {
		for i := range f.Services().Len() {
			if sd := f.Services().Get(i); names[string(sd.FullName())] {
				services = append(services, sd)
			}
		}
	}
	return services
}
