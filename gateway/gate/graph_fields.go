package gate

import (
	"slices"
	"strings"

	"github.com/protean-gateway/protean/graph"
)

// graphFieldRemoved finds fields that are gone from objects, interfaces and inputs, root
// fields included.
var graphFieldRemoved = Rule{"field-removed", GraphQL, func(c *comparison, r *reporter) {
	pairs := c.graph()
	for _, p := range pairs.both {
		for _, f := range p.old.Fields {
			if _, found := p.now[f.Name]; found || f.Name == graph.DigestField {
				continue
			}
			message := "the field is removed"
			if root := pairs.rootWith(p.old.Name, f.Name); root != "" {
				message = "the field is now " + root + "." + f.Name
			}
			r.element(Breaking, p.old.Name+"."+f.Name, "%s", message)
		}
	}
}}

// rootWith returns the root type that has a field which another root had before.
func (p graphPairs) rootWith(before, field string) string {
	if !slices.Contains(rootTypes, before) {
		return ""
	}
	for _, root := range rootTypes {
		if p.roots[root][field] {
			return root
		}
	}
	return ""
}

// graphFieldType finds fields of answers that are of another type. One that is never null any more
// hurts nobody.
var graphFieldType = Rule{"field-type", GraphQL, func(c *comparison, r *reporter) {
	for _, p := range c.graph().both {
		if p.isInput() {
			continue
		}
		for _, f := range p.old.Fields {
			if now, found := p.now[f.Name]; found && now.Type != f.Type {
				severity := Breaking
				if satisfies(now.Type, f.Type) {
					severity = Safe
				}
				r.element(severity, p.old.Name+"."+f.Name, "was of type %s and is now of type %s", f.Type, now.Type)
			}
		}
	}
}}

// satisfies reports whether a value of one type can always stand for one of another, which
// holds where they differ in no more than that the first is never null.
func satisfies(t, wanted string) bool {
	inner, strict := strings.CutSuffix(t, "!")
	wantedInner, wantedStrict := strings.CutSuffix(wanted, "!")
	if wantedStrict && !strict {
		return false
	}
	if element, list := listOf(inner); list {
		wantedElement, wantedList := listOf(wantedInner)
		return wantedList && satisfies(element, wantedElement)
	}
	return inner == wantedInner
}

func listOf(t string) (element string, ok bool) {
	element, opened := strings.CutPrefix(t, "[")
	element, closed := strings.CutSuffix(element, "]")
	return element, opened && closed
}

// graphArguments finds arguments that are gone, needed, or of another type.
var graphArguments = Rule{"arguments", GraphQL, func(c *comparison, r *reporter) {
	for _, p := range c.graph().both {
		for _, f := range p.old.Fields {
			if now, found := p.now[f.Name]; found {
				compareArguments(r, p.old.Name+"."+f.Name, f, now)
			}
		}
	}
}}

func compareArguments(r *reporter, field string, old, updated graph.FieldShape) {
	for _, a := range old.Arguments {
		now, found := argumentOf(updated, a.Name)
		if !found {
			r.element(Breaking, field+"("+a.Name+":)", "the argument is removed")
			continue
		}
		compareInput(r, field+"("+a.Name+":)", a.Type, now.Type)
	}
	for _, a := range updated.Arguments {
		if _, found := argumentOf(old, a.Name); !found {
			reportNewInput(r, field+"("+a.Name+":)", a.Type)
		}
	}
}

// graphInputs finds fields of inputs that are needed, or of another type.
var graphInputs = Rule{"inputs", GraphQL, func(c *comparison, r *reporter) {
	for _, p := range c.graph().both {
		if !p.isInput() {
			continue
		}
		for _, f := range p.updated.Fields {
			old, found := p.then[f.Name]
			if !found {
				reportNewInput(r, p.old.Name+"."+f.Name, f.Type)
				continue
			}
			compareInput(r, p.old.Name+"."+f.Name, old.Type, f.Type)
		}
	}
}}

// compareInput reports an input that clients must write in another way. One that may be
// null now hurts nobody.
func compareInput(r *reporter, name, old, updated string) {
	switch {
	case old == updated:
	case satisfies(old, updated):
		r.element(Safe, name, "was of type %s and is now of type %s", old, updated)
	default:
		r.element(Breaking, name, "was of type %s and is now of type %s", old, updated)
	}
}

func reportNewInput(r *reporter, name, t string) {
	if strings.HasSuffix(t, "!") {
		r.element(Breaking, name, "is new, and must be given")
	}
}
