package schema

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// allocation gives names in one namespace, each at most once.
type allocation struct {
	claims    []*claim
	reserved  []string
	brought   []*claim          // of the types that others bring with them, those that were given a name
	given     map[string]string // by key; also what the lock holds for others
	owner     map[string]string // by name: the key that has it, "" for reserved names
	qualified map[*claim]string // where an option replaces what a claim had: that
	byKey     func() map[string]*claim

	prefixAlways bool // root fields get the prefix of their service although their own name is free
	prefixes     prefixes
}

func newAllocation(lock map[string]string, reserved []string, claims []*claim) *allocation {
	names := len(lock) + len(claims) + len(reserved)
	for _, c := range claims {
		names += len(c.derived)
	}
	a := &allocation{
		claims:    claims,
		reserved:  reserved,
		given:     maps.Clone(lock),
		owner:     make(map[string]string, names),
		qualified: make(map[*claim]string),
		prefixes:  make(prefixes),
	}
	if a.given == nil {
		a.given = make(map[string]string, len(claims))
	}
	a.byKey = sync.OnceValue(a.index)
	a.reserve()
	return a
}

func (a *allocation) reserve() {
	for _, name := range a.reserved {
		a.owner[name] = ""
	}
}

// index finds claims by what they claim and bring. Only a name that is not free asks for it.
func (a *allocation) index() map[string]*claim {
	index := make(map[string]*claim, len(a.owner))
	for _, c := range a.claims {
		index[c.key] = c
		for _, d := range c.derived {
			index[d.key] = c
		}
	}
	return index
}

// allocate gives every claim a name: first those that the lock holds, then those
// that an option names, then the others. What a type brings with it follows at once.
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
	a.giveAll(slices.Concat(locked, byOption))
	a.giveAll(a.giveFields(rest))
}

// giveAll gives names in the order of the claims.
func (a *allocation) giveAll(claims []*claim) {
	for _, c := range claims {
		if a.given[c.key] == "" {
			a.give(c)
		}
		a.derive(c)
	}
}

// giveFields gives names to root fields and returns the claims of types. Root fields that want the same name all get
// the prefix of their service, or if that is not unique their full name, so that no name depends on the order of backends.
func (a *allocation) giveFields(claims []*claim) (types []*claim) {
	var fields []*claim
	for _, c := range claims {
		if c.method == nil {
			types = append(types, c)
		} else {
			fields = append(fields, c)
		}
	}
	if !a.prefixAlways {
		fields = a.giveUnique(fields, func(c *claim) string { return c.want })
	}
	fields = a.giveUnique(fields, func(c *claim) string { return a.prefixes.of(c.method) })
	fields = a.giveUnique(fields, func(c *claim) string { return c.qualified })
	for _, c := range fields {
		a.giveFree(c, c.qualified)
	}
	return types
}

// giveUnique gives each name that is free and that one claim alone asks for. It returns the other claims.
func (a *allocation) giveUnique(claims []*claim, name func(*claim) string) (others []*claim) {
	names, asked := make([]string, len(claims)), make(map[string]int, len(claims))
	for i, c := range claims {
		names[i] = name(c)
		asked[names[i]]++
	}
	for i, c := range claims {
		if asked[names[i]] > 1 || !a.free(names[i]) {
			others = append(others, c)
			continue
		}
		a.enter(c, names[i])
	}
	return others
}

func (a *allocation) enter(c *claim, name string) {
	a.given[c.key] = name
	a.owner[name] = c.key
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
			a.qualified[c] = locked
		}
	}
}

// takeLocked takes the names in the lock, less those that cannot be held: the lock is
// a file, and somebody may have edited it.
func (a *allocation) takeLocked() {
	if a.takeAll() {
		return
	}
	clear(a.owner)
	a.reserve()
	for _, key := range slices.Sorted(maps.Keys(a.given)) {
		name := a.given[key]
		if !a.free(name) {
			delete(a.given, key)
			continue
		}
		a.owner[name] = key
	}
}

// takeAll takes the names in the lock, in whatever order. It reports whether all of them could be taken.
func (a *allocation) takeAll() bool {
	for key, name := range a.given {
		if !a.free(name) {
			return false
		}
		a.owner[name] = key
	}
	return true
}

func (a *allocation) free(name string) bool {
	_, taken := a.owner[name]
	return !taken && isGraphQLName(name)
}

// give gives a claim the first name that is free: the wanted one, the qualified one,
// or that with a number.
func (a *allocation) give(c *claim) {
	if a.free(c.want) {
		a.enter(c, c.want)
		return
	}
	qualified, replaced := a.qualified[c]
	if !replaced {
		qualified = c.qualified
	}
	a.giveFree(c, qualified)
}

// giveFree gives a claim the name, or the name with the first number that makes it free.
func (a *allocation) giveFree(c *claim, qualified string) {
	name := qualified
	for n := 2; !a.free(name); n++ {
		name = validStart(qualified + "_" + strconv.Itoa(n)) // "_" with a number would begin with two underscores
	}
	a.enter(c, name)
}

// derive takes the names that a type brings with it. They are given, and so come into
// the lock, only where they do not follow from the type's name.
func (a *allocation) derive(c *claim) {
	base := a.given[c.key]
	for _, d := range c.derived {
		want := base + d.end
		locked := a.given[d.key] != ""
		if !locked && a.free(want) {
			a.owner[want] = d.key
			continue
		}
		part, _, _ := strings.Cut(d.key, "/")
		brought := &claim{
			key:        d.key,
			backend:    c.backend,
			descriptor: c.descriptor,
			position:   c.position,
			noun:       d.kind + " type",
			want:       want,
			qualified:  qualifiedType(part) + "_" + d.kind,
			mend:       c.mend,
		}
		a.brought = append(a.brought, brought)
		if !locked {
			a.give(brought)
		}
	}
}

// describeOwner says who has a name.
func (a *allocation) describeOwner(key string) string {
	if key == "" {
		return "GraphQL itself"
	}
	c := a.byKey()[key]
	if c == nil {
		return key + ", which is not there now"
	}
	if part, kind, ok := strings.Cut(key, "/"); ok {
		return fmt.Sprintf("the %s type of %s of backend %q", kind, part, c.backend.Name)
	}
	return fmt.Sprintf("%s of backend %q", key, c.backend.Name)
}
