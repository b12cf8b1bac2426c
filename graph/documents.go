package graph

import (
	"slices"
	"sync"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// document is a validated document with the plans made of it so far. It is safe
// for concurrent use.
type document struct {
	text string
	ast  *ast.QueryDocument
	// conditional are the variables of @skip and @include: on them, and on nothing else, a plan depends.
	conditional []string

	mu    sync.Mutex
	plans map[string]*plan
}

// maxPlans bounds the plans of one document. Further ones are made each time.
const maxPlans = 16

func newDocument(text string, doc *ast.QueryDocument) *document {
	d := &document{text: text, ast: doc, plans: make(map[string]*plan, 1)}
	for _, op := range doc.Operations {
		d.findConditions(op.SelectionSet)
	}
	for _, f := range doc.Fragments {
		d.findConditions(f.SelectionSet)
	}
	slices.Sort(d.conditional)
	d.conditional = slices.Compact(d.conditional)
	return d
}

func (d *document) findConditions(set ast.SelectionSet) {
	for _, selection := range set {
		switch s := selection.(type) {
		case *ast.Field:
			d.addConditions(s.Directives)
			d.findConditions(s.SelectionSet)
		case *ast.InlineFragment:
			d.addConditions(s.Directives)
			d.findConditions(s.SelectionSet)
		case *ast.FragmentSpread:
			d.addConditions(s.Directives)
		}
	}
}

func (d *document) addConditions(directives ast.DirectiveList) {
	for _, directive := range directives {
		if arg := directive.Arguments.ForName("if"); arg != nil && arg.Value.Kind == ast.Variable {
			d.conditional = append(d.conditional, arg.Value.Raw)
		}
	}
}

// checkConditions refuses a variable that is null where a condition is wanted.
func (d *document) checkConditions(vs variables) *gqlerror.Error {
	for _, name := range d.conditional {
		if v, ok := vs.named(name); ok && v.isNull() {
			return withCode(gqlerror.Errorf("Variable $%s: a condition cannot be null.", name), codeInput)
		}
	}
	return nil
}

// planKey names an operation and the outcome of its conditions.
func (d *document) planKey(op *ast.OperationDefinition, vs variables) string {
	if len(d.conditional) == 0 {
		return op.Name
	}
	key := make([]byte, 0, 64)
	key = append(append(key, op.Name...), ' ')
	for _, name := range d.conditional {
		v, _ := vs.named(name)
		digit := byte('0')
		if truth, _ := v.boolean(); truth {
			digit = '1'
		}
		key = append(key, digit)
	}
	return string(key)
}

func (d *document) plan(key string) *plan {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.plans[key]
}

func (d *document) keep(key string, p *plan) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.plans) < maxPlans {
		d.plans[key] = p
	}
}

// costOf estimates what a document and a plan or two of it take: some hundred bytes
// for each name, which is a few characters long.
func costOf(query string) int { return 1<<10 + 128*len(query) }
