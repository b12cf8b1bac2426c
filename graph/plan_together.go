package graph

import "slices"

// together puts those root fields in one group that have a join in common, at whatever depth: its keys are
// then fetched at once for all of them. Others don't wait for each other.
func together(fields []*rootField) [][]int {
	groups := make([][]int, 0, len(fields))
	var joins []map[*join]bool // by group
	for i, f := range fields {
		group, found := []int{i}, make(map[*join]bool)
		addJoins(found, f)
		for g := 0; g < len(groups); {
			if !shareJoin(joins[g], found) {
				g++
				continue
			}
			group = append(groups[g], group...)
			for j := range joins[g] {
				found[j] = true
			}
			groups, joins = slices.Delete(groups, g, g+1), slices.Delete(joins, g, g+1)
		}
		groups, joins = append(groups, group), append(joins, found)
	}
	return groups
}

func shareJoin(a, b map[*join]bool) bool {
	for j := range a {
		if b[j] {
			return true
		}
	}
	return false
}

// addJoins collects the joins of a root field. Those of a lookup are not known beforehand.
func addJoins(found map[*join]bool, f *rootField) {
	f.output.addJoins(found)
	if f.connection != nil {
		for _, node := range f.connection.nodes {
			node.addJoins(found)
		}
	}
}

func (o output) addJoins(found map[*join]bool) {
	for _, selected := range o.joins {
		if selected.join != nil {
			found[selected.join] = true
		}
		selected.output.addJoins(found)
	}
}
