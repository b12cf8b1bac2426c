package gate

import (
	"reflect"
	"sync"

	"github.com/protean-gateway/protean/graph"
)

// graphPairs are the types of two graphs, less what both share.
type graphPairs struct {
	old    []graph.TypeShape
	byName map[string]graph.TypeShape // of the updated graph
	both   []typePair                 // those that differ
	roots  map[string]map[string]bool // of the updated graph, with their fields
}

var rootTypes = []string{"Query", "Mutation", "Subscription"}

// typePair is a type that is in both graphs and of one kind.
type typePair struct {
	old, updated graph.TypeShape
	then, now    map[string]graph.FieldShape
}

// pairGraphs compares shapes when they are first asked for.
func pairGraphs(old, updated *graph.Graph) func() graphPairs {
	return sync.OnceValue(func() graphPairs {
		was, is := graph.Differing(old, updated)
		pairs := graphPairs{old: was, byName: make(map[string]graph.TypeShape), roots: make(map[string]map[string]bool)}
		for _, t := range is {
			pairs.byName[t.Name] = t
		}
		for _, t := range pairs.old {
			if now, found := pairs.byName[t.Name]; found && now.Kind == t.Kind && !reflect.DeepEqual(t, now) {
				pairs.both = append(pairs.both, typePair{t, now, fieldsByName(t), fieldsByName(now)})
			}
		}
		for _, root := range rootTypes {
			pairs.roots[root] = make(map[string]bool)
			for _, f := range pairs.byName[root].Fields {
				pairs.roots[root][f.Name] = true
			}
		}
		return pairs
	})
}

// isInput reports whether clients write a type's fields.
func (p typePair) isInput() bool { return p.old.Kind == "INPUT_OBJECT" }

// fieldsByName is for root types, which have very many fields.
func fieldsByName(t graph.TypeShape) map[string]graph.FieldShape {
	fields := make(map[string]graph.FieldShape, len(t.Fields))
	for _, f := range t.Fields {
		fields[f.Name] = f
	}
	return fields
}

// argumentOf finds an argument of a field.
func argumentOf(f graph.FieldShape, name string) (graph.ArgumentShape, bool) {
	for _, a := range f.Arguments {
		if a.Name == name {
			return a, true
		}
	}
	return graph.ArgumentShape{}, false
}
