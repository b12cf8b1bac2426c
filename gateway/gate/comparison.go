package gate

import (
	"context"
	"sync"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// comparison holds the pairs that rules look at, each in the order of the snapshots.
type comparison struct {
	ctx          context.Context //nolint:containedctx // its own life
	old, updated Views

	methods []methodPair
	*pairWalk
	graph                  func() graphPairs
	routesThen, routesNow  func() map[string]translate.Route // by name
	gone, come             []translate.Route                 // those that the views do not share
	selectedThen, selected func() map[string]bool            // selectors that name a method
}

// methodPair is a method in both snapshots.
type methodPair struct{ old, updated *schema.Method }

func newComparison(ctx context.Context, old, updated Views) *comparison {
	c := &comparison{
		ctx: ctx, old: old, updated: updated, pairWalk: newPairWalk(),
		graph:        pairGraphs(old.Graph, updated.Graph),
		routesThen:   sync.OnceValue(func() map[string]translate.Route { return routesByName(old.REST) }),
		routesNow:    sync.OnceValue(func() map[string]translate.Route { return routesByName(updated.REST) }),
		selectedThen: sync.OnceValue(func() map[string]bool { return selectorsThatName(old.Snapshot) }),
		selected:     sync.OnceValue(func() map[string]bool { return selectorsThatName(updated.Snapshot) }),
	}
	c.gone, c.come = translate.Differing(old.REST, updated.REST)
	for _, m := range eachMethod(old.Snapshot) {
		twin := updated.Snapshot.Method(m.Path)
		if twin == nil {
			continue
		}
		c.methods = append(c.methods, methodPair{m, twin})
		c.method(m, twin)
	}
	c.walk(ctx)
	return c
}

// failed returns why the comparison comes to nothing, or nil.
func (c *comparison) failed() error {
	if c.ctx.Err() != nil {
		return context.Cause(c.ctx)
	}
	if c.cut {
		return ErrTooDifferent
	}
	return nil
}

func eachMethod(s *schema.Snapshot) []*schema.Method {
	var methods []*schema.Method
	for _, service := range s.Services {
		methods = append(methods, service.Methods...)
	}
	return methods
}
