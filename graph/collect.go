package graph

import "github.com/vektah/gqlparser/v2/ast"

// conditions decide which selections count: by @skip and @include, and by the types
// that fragments are for. Nil conditions take everything in, as validation has to.
type conditions struct {
	variables variables
	schema    *ast.Schema
}

// applies reports whether a fragment for a type is for objects of an object type.
func (c *conditions) applies(condition, object string) bool {
	if c == nil || condition == "" || condition == object {
		return true
	}
	for _, def := range c.schema.PossibleTypes[condition] {
		if def.Name == object {
			return true
		}
	}
	return false
}

// includes reports whether the directives of a selection let it in. The arguments are
// Boolean!, so they are literals or variables that have been checked.
func (c *conditions) includes(list ast.DirectiveList) bool {
	if c == nil {
		return true
	}
	for _, d := range list {
		switch d.Name {
		case "skip":
			if c.truth(d) {
				return false
			}
		case "include":
			if !c.truth(d) {
				return false
			}
		}
	}
	return true
}

func (c *conditions) truth(d *ast.Directive) bool {
	arg := d.Arguments.ForName("if")
	if arg == nil {
		return false
	}
	return c.variables.boolean(arg.Value)
}

// collect merges selection sets of an object type into groups by response key, in the order in which keys
// come first (GraphQL September 2025, 6.3.2). A fragment is taken once for the sets together.
func collect(sets []ast.SelectionSet, object string, c *conditions) []*fieldGroup {
	m := merger{object: object, conditions: c}
	for _, set := range sets {
		m.merge(set)
	}
	return m.groups
}

// merger is one merged selection set in the making.
type merger struct {
	object     string
	conditions *conditions
	groups     []*fieldGroup
	byKey      map[string]*fieldGroup
	fragments  map[string]bool
}

func (m *merger) merge(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			if m.conditions.includes(s.Directives) {
				m.add(s)
			}
		case *ast.InlineFragment:
			if m.conditions.includes(s.Directives) && m.conditions.applies(s.TypeCondition, m.object) {
				m.merge(s.SelectionSet)
			}
		case *ast.FragmentSpread:
			if m.conditions.includes(s.Directives) && m.conditions.applies(s.Definition.TypeCondition, m.object) && m.enter(s.Name) {
				m.merge(s.Definition.SelectionSet)
			}
		}
	}
}

// enter reports whether the fragment is new here.
func (m *merger) enter(fragment string) bool {
	if m.fragments[fragment] {
		return false
	}
	if m.fragments == nil {
		m.fragments = make(map[string]bool)
	}
	m.fragments[fragment] = true
	return true
}

// fewGroups is how many groups are searched one by one before a map is worth it.
const fewGroups = 8

func (m *merger) add(f *ast.Field) {
	g := m.find(f.Alias)
	if g == nil {
		g = &fieldGroup{key: f.Alias}
		m.groups = append(m.groups, g)
		m.remember(g)
	}
	g.fields = append(g.fields, f)
}

func (m *merger) find(key string) *fieldGroup {
	if m.byKey != nil {
		return m.byKey[key]
	}
	for _, g := range m.groups {
		if g.key == key {
			return g
		}
	}
	return nil
}

func (m *merger) remember(g *fieldGroup) {
	if m.byKey == nil && len(m.groups) <= fewGroups {
		return
	}
	if m.byKey == nil {
		m.byKey = make(map[string]*fieldGroup, 2*len(m.groups))
		for _, have := range m.groups {
			m.byKey[have.key] = have
		}
	}
	m.byKey[g.key] = g
}
