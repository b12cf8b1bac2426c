package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// allocation gives names in one namespace, each at most once.
type allocation struct {
	claims  []*claim
	brought []*claim          // for the names that types bring with them
	byKey   map[string]*claim // all claims
	given   map[string]string // by key; also what the lock holds for others
	owner   map[string]string // by name: the key that has it, "" for reserved names
}

func newAllocation(lock map[string]string, reserved []string, claims []*claim) *allocation {
	a := &allocation{
		claims: claims,
		byKey:  make(map[string]*claim, len(claims)),
		given:  make(map[string]string, len(lock)+len(claims)),
		owner:  make(map[string]string, len(lock)+len(claims)),
	}
	maps.Copy(a.given, lock)
	for _, name := range reserved {
		a.owner[name] = ""
	}
	for _, c := range claims {
		a.byKey[c.key] = c
	}
	return a
}

// allocate gives every claim a name: first come those that the lock holds, then those
// that an option names, then the rest. What a type brings with it follows at once.
func (a *allocation) allocate() {
	a.giveUpReplaced()
	a.takeLocked()
	var locked, byOption, rest []*claim
	for _, c := range a.claims {
		switch {
		case a.given[c.key] != "":
			locked = append(locked, c)
		case c.byOption:
			byOption = append(byOption, c)
		default:
			rest = append(rest, c)
		}
	}
	for _, c := range slices.Concat(locked, byOption, rest) {
		if a.given[c.key] == "" {
			a.give(c)
		}
		a.derive(c)
	}
}

// giveUpReplaced gives up the names in the lock that an option replaces. Where the
// option's name is not free, the old one is kept.
func (a *allocation) giveUpReplaced() {
	for _, c := range a.claims {
		locked := a.given[c.key]
		if !c.byOption || locked == "" || locked == c.want {
			continue
		}
		delete(a.given, c.key)
		if isGraphQLName(locked) {
			c.qualified = locked
		}
	}
}

// takeLocked takes the names in the lock, less those that cannot be held: the lock is
// a file, and somebody may have edited it.
func (a *allocation) takeLocked() {
	for _, key := range slices.Sorted(maps.Keys(a.given)) {
		name := a.given[key]
		if !a.free(name) {
			delete(a.given, key)
			continue
		}
		a.owner[name] = key
	}
}

func (a *allocation) free(name string) bool {
	_, taken := a.owner[name]
	return !taken && isGraphQLName(name)
}

// give gives a claim the first name that is free: the wanted one, the qualified one,
// or that with a number.
func (a *allocation) give(c *claim) {
	name := c.want
	for n := 1; !a.free(name); n++ {
		name = c.qualified
		if n > 1 {
			name += "_" + strconv.Itoa(n)
		}
	}
	a.given[c.key] = name
	a.owner[name] = c.key
}

// derive takes the names that a type brings with it. They are given, and so come into
// the lock, only where they do not follow from the type's name.
func (a *allocation) derive(c *claim) {
	for _, d := range c.derived {
		key := d.key(c.key)
		part, _, _ := strings.Cut(key, "/")
		brought := &claim{
			key:        key,
			backend:    c.backend,
			descriptor: c.descriptor,
			noun:       d.kind + " type",
			want:       d.of(a.given[c.key]),
			qualified:  qualifiedType(part) + "_" + d.kind,
			mend:       c.mend,
		}
		a.brought = append(a.brought, brought)
		a.byKey[key] = brought
		switch {
		case a.given[key] != "":
		case a.free(brought.want):
			a.owner[brought.want] = key
		default:
			a.give(brought)
		}
	}
}

// describeOwner says who has a name.
func (a *allocation) describeOwner(key string) string {
	if key == "" {
		return "GraphQL itself"
	}
	c := a.byKey[key]
	if c == nil {
		return key + ", which is not there now"
	}
	if part, kind, ok := strings.Cut(key, "/"); ok {
		return fmt.Sprintf("the %s type of %s of backend %q", kind, part, c.backend.Name)
	}
	return fmt.Sprintf("%s of backend %q", key, c.backend.Name)
}
