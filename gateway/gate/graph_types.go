package gate

import "slices"

// graphTypeRemoved finds types that are gone from the graph.
var graphTypeRemoved = Rule{"type-removed", GraphQL, func(c *comparison, r *reporter) {
	pairs := c.graph()
	for _, t := range pairs.old {
		if _, found := pairs.byName[t.Name]; !found {
			r.element(Breaking, t.Name, "the type is removed")
		}
	}
}}

// graphTypeKind finds types that are of another kind than before.
var graphTypeKind = Rule{"type-kind", GraphQL, func(c *comparison, r *reporter) {
	pairs := c.graph()
	for _, t := range pairs.old {
		if now, found := pairs.byName[t.Name]; found && now.Kind != t.Kind {
			r.element(Breaking, t.Name, "was of kind %s and is now of kind %s", t.Kind, now.Kind)
		}
	}
}}

// graphValues finds enum values that are gone, and new ones, which a client may not expect
// in an answer.
var graphValues = Rule{"enum-values", GraphQL, func(c *comparison, r *reporter) {
	for _, p := range c.graph().both {
		for _, v := range missing(p.old.Values, p.updated.Values) {
			r.element(Breaking, p.old.Name+"."+v, "the value is removed")
		}
		for _, v := range missing(p.updated.Values, p.old.Values) {
			r.element(Dangerous, p.old.Name+"."+v, "the value is new; clients that list all values do not know it")
		}
	}
}}

// graphMembers finds types that do not belong to a union or interface any more, and new
// members of unions.
var graphMembers = Rule{"members", GraphQL, func(c *comparison, r *reporter) {
	for _, p := range c.graph().both {
		for _, t := range missing(p.old.Members, p.updated.Members) {
			r.element(Breaking, p.old.Name, "%s is not a member of the union any more", t)
		}
		for _, t := range missing(p.updated.Members, p.old.Members) {
			r.element(Dangerous, p.old.Name, "%s is a new member of the union; clients do not know it", t)
		}
		for _, t := range missing(p.old.Interfaces, p.updated.Interfaces) {
			r.element(Breaking, p.old.Name, "does not implement %s any more", t)
		}
	}
}}

// graphKeys finds keys by which a supergraph cannot fetch objects any more. It may have planned to, and
// may not compose without.
var graphKeys = Rule{"keys", GraphQL, func(c *comparison, r *reporter) {
	for _, p := range c.graph().both {
		for _, key := range missing(p.old.Keys, p.updated.Keys) {
			r.element(Breaking, p.old.Name, "is no entity with the key %q any more", key)
		}
	}
}}

// missing returns what is in the first list and not in the second. An enum may have very many values.
func missing(from, in []string) []string {
	have := make(map[string]bool, len(in))
	for _, s := range in {
		have[s] = true
	}
	return slices.DeleteFunc(slices.Clone(from), func(s string) bool { return have[s] })
}
