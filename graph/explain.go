package graph

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/protean-gateway/protean/schema"
)

// Explanation says how an operation is carried out.
type Explanation struct {
	// Operation is query, mutation or subscription.
	Operation string
	// Steps in the order of their waves.
	Steps []Step
	// Calls are the fewest that the operation makes where every join has keys and every entity is asked
	// for; of a subscription, for each event.
	Calls int
	// MaxCalls and MaxParallel are the bounds that hold.
	MaxCalls, MaxParallel int
}

// Step is one method that an operation calls: once for a root field, for a join
// once for each set of keys.
type Step struct {
	// Wave counts from 1. What is in one wave is fetched at once; a wave waits for the one before. The
	// root fields of a mutation run in series.
	Wave int
	// Paths are the response keys under which the result stands, with dots between.
	Paths  []string
	Method *schema.Method
	Origin Origin
	// Key is the field of the parent that has the key, Argument the field of the request that takes it; of
	// a key of several fields all, with spaces between. Empty for root fields.
	Key, Argument string
	// Keys is how many distinct keys go into one call. 0 for root fields.
	Keys int
	// Result is the field of the response with the results; empty: the response itself.
	Result string
	// ResultKey is the field of each result that is matched with the key; empty where each call has one key.
	ResultKey string
}

// Origin says why a method is called.
type Origin string

// The origins.
const (
	OriginRoot     Origin = "root field"
	OriginDeclared Origin = "declared join"
	OriginDerived  Origin = "join derived from google.api.resource_reference"
	OriginEntity   Origin = "entity"
)

// Explain plans an operation without carrying it out. The name may be empty where the document
// has one operation. Variables count as not given: with @skip and @include, the plan is that of
// their defaults, or false.
func (g *Graph) Explain(query, name string) (*Explanation, error) {
	doc, errs := g.executor.document(query)
	if len(errs) > 0 {
		return nil, worded(errs[0])
	}
	op, err := pick(doc.ast.Operations, name)
	if err != nil {
		return nil, worded(err)
	}
	var vs variables
	for _, def := range op.VariableDefinitions {
		if def.DefaultValue != nil {
			vs = append(vs, variable{def.Variable, value{literal: def.DefaultValue}})
		}
	}
	p, err := g.executor.plan(doc, op, vs)
	if err != nil {
		return nil, worded(err)
	}
	x := &explainer{planner: &planner{graph: g, conditions: &conditions{variables: vs, schema: g.schema}}}
	for _, group := range x.groups(p) {
		if err := x.group(p, group); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(x.steps, func(a, b Step) int { return a.Wave - b.Wave })
	return &Explanation{
		Operation:   string(op.Operation),
		Steps:       x.steps,
		Calls:       x.calls(op.Operation),
		MaxCalls:    g.options.MaxCalls,
		MaxParallel: g.options.MaxParallel,
	}, nil
}

// worded says where in the document an error is.
func worded(err *gqlerror.Error) error { return errors.New(strings.TrimPrefix(err.Error(), "input:")) }

type explainer struct {
	planner *planner
	steps   []Step
}

func (x *explainer) calls(o ast.Operation) int {
	if o == ast.Subscription {
		return len(x.steps) - 1
	}
	return len(x.steps)
}

// groups are the root fields that fetch in common.
func (*explainer) groups(p *plan) [][]int {
	if p.operation != ast.Mutation {
		return p.together
	}
	alone := make([][]int, len(p.fields))
	for i := range p.fields {
		alone[i] = []int{i}
	}
	return alone
}

// explainedSite is an output below a path of response keys.
type explainedSite struct {
	path string
	out  output
}

func (x *explainer) group(p *plan, fields []int) error {
	var sites []explainedSite
	for _, i := range fields {
		f := p.fields[i]
		more, err := x.lookup(f)
		if err != nil {
			return err
		}
		sites = append(sites, more...)
		if f.kind != rootCall {
			continue
		}
		x.steps = append(x.steps, Step{Wave: 1, Paths: []string{f.key}, Method: f.root.method, Origin: OriginRoot})
		sites = append(sites, explainedSite{f.key, f.output})
		if f.connection != nil {
			for i, node := range f.connection.nodes {
				sites = append(sites, explainedSite{f.key + "." + f.connection.paths[i], node})
			}
		}
	}
	x.joins(sites)
	return nil
}

// lookup adds the entities that a lookup's selection names; for others nothing but their type is asked.
func (x *explainer) lookup(f *rootField) ([]explainedSite, error) {
	if f.lookup == nil {
		return nil, nil
	}
	named := make(map[string]bool)
	for _, set := range f.lookup.sets {
		typeConditions(named, set)
	}
	var sites []explainedSite
	for _, typeName := range slices.Sorted(maps.Keys(named)) {
		entities := x.planner.graph.entities[typeName]
		if len(entities) == 0 {
			continue
		}
		out, err := f.lookup.outputOf(x.planner, entities[0])
		if err != nil {
			return nil, err
		}
		path := f.key + "." + typeName
		step := joinStep(entities[0].join, 1, path)
		step.Origin = OriginEntity
		x.steps = append(x.steps, step)
		sites = append(sites, explainedSite{path, out})
	}
	return sites, nil
}

// typeConditions collects the types that fragments at the top of a selection are for.
func typeConditions(named map[string]bool, set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.InlineFragment:
			named[s.TypeCondition] = true
			typeConditions(named, s.SelectionSet)
		case *ast.FragmentSpread:
			named[s.Definition.TypeCondition] = true
			typeConditions(named, s.Definition.SelectionSet)
		}
	}
}

// joins adds the joins of some sites, and those of their results. One that is selected in several
// places is fetched once a wave.
func (x *explainer) joins(sites []explainedSite) {
	for wave := 2; len(sites) > 0; wave++ {
		steps := make(map[*join]int)
		var next []explainedSite
		for _, s := range sites {
			for _, selected := range s.out.joins {
				if selected.join == nil {
					continue
				}
				path := s.path + "." + selected.path
				if i, ok := steps[selected.join]; ok {
					x.steps[i].Paths = append(x.steps[i].Paths, path)
				} else {
					steps[selected.join] = len(x.steps)
					x.steps = append(x.steps, joinStep(selected.join, wave, path))
				}
				next = append(next, explainedSite{path, selected.output})
			}
		}
		sites = next
	}
}

func joinStep(j *join, wave int, path string) Step {
	s := Step{Wave: wave, Paths: []string{path}, Method: j.method, Origin: OriginDeclared, Keys: 1}
	if j.derived {
		s.Origin = OriginDerived
	}
	if j.result != nil {
		s.Result = j.result.String()
	}
	if j.batch {
		s.Keys = j.maxKeys
	}
	if j.composite != nil {
		j.composite.explain(&s, j)
		return s
	}
	s.Key, s.Argument = j.key.String(), j.argument.String()
	if j.batch {
		s.ResultKey = j.resultKey.String()
	}
	return s
}

// explain tells the fields of a key, the others that come with it, and where they go.
func (c *compositeKey) explain(s *Step, j *join) {
	var fields, arguments []string
	for _, p := range c.parts {
		fields, arguments = append(fields, p.field.String()), append(arguments, p.argument.String())
	}
	if j.batch {
		s.ResultKey = strings.Join(fields, " ")
	}
	for _, e := range c.extras {
		fields, arguments = append(fields, e.field.String()), append(arguments, e.argument.String())
	}
	s.Key, s.Argument = strings.Join(fields, " "), strings.Join(arguments, " ")
	if j.batch {
		s.Argument = fmt.Sprintf("%s { %s }", j.argument, s.Argument)
	}
}
