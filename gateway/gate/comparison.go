package gate

import (
	"github.com/protean-gateway/protean/schema"
)

// comparison holds the pairs that rules look at, each in the order of the snapshots.
type comparison struct {
	old, updated Views

	methods []methodPair
	*pairWalk
	graph func() graphPairs
}

// methodPair is a method in both snapshots.
type methodPair struct{ old, updated *schema.Method }

func newComparison(old, updated Views) *comparison {
	c := &comparison{old: old, updated: updated, pairWalk: newPairWalk()}
	for _, m := range eachMethod(old.Snapshot) {
		twin := updated.Snapshot.Method(m.Path)
		if twin == nil {
			continue
		}
		c.methods = append(c.methods, methodPair{m, twin})
		c.method(m, twin)
	}
	c.graph = pairGraphs(old.Graph, updated.Graph)
	return c
}

func eachMethod(s *schema.Snapshot) []*schema.Method {
	var methods []*schema.Method
	for _, service := range s.Services {
		methods = append(methods, service.Methods...)
	}
	return methods
}
