package gate

import (
	"sync"

	"github.com/protean-gateway/protean/graph"
)

// graphPairs are the types of two graphs.
type graphPairs struct {
	old    []graph.TypeShape
	byName map[string]graph.TypeShape // of the updated graph
	both   []typePair
}

// typePair is a type that is in both graphs and of one kind.
type typePair struct{ old, updated graph.TypeShape }

// pairGraphs compares shapes when they are first asked for.
func pairGraphs(old, updated *graph.Graph) func() graphPairs {
	return sync.OnceValue(func() graphPairs {
		pairs := graphPairs{old: old.Shape(), byName: make(map[string]graph.TypeShape)}
		for _, t := range updated.Shape() {
			pairs.byName[t.Name] = t
		}
		for _, t := range pairs.old {
			if now, found := pairs.byName[t.Name]; found && now.Kind == t.Kind {
				pairs.both = append(pairs.both, typePair{t, now})
			}
		}
		return pairs
	})
}

// isInput reports whether clients write a type's fields.
func (p typePair) isInput() bool { return p.old.Kind == "INPUT_OBJECT" }

// fieldOf finds a field of a type.
func fieldOf(t graph.TypeShape, name string) (graph.FieldShape, bool) {
	for _, f := range t.Fields {
		if f.Name == name {
			return f, true
		}
	}
	return graph.FieldShape{}, false
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
