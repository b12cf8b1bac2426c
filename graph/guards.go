package graph

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// Bounds of a document that nobody has had reason to configure. Operations and
// fragments are bounded because some validation rules compare each with each.
const (
	maxOperations = 10
	maxFragments  = 30
	maxVariables  = 250
	maxAliases    = 250
	maxDirectives = 250
	maxSelections = 10_000 // with fragments written out where they are spread
)

// guard refuses a parsed document that would be expensive to validate or plan.
// Its own cost is linear in the document.
func guard(doc *ast.QueryDocument, maxDepth int) *gqlerror.Error {
	if len(doc.Operations) > maxOperations {
		return refusal("the document has more than %d operations", maxOperations)
	}
	if len(doc.Fragments) > maxFragments {
		return refusal("the document has more than %d fragments", maxFragments)
	}
	g := &guards{maxDepth: maxDepth, fragments: make(map[string]*fragmentSize)}
	for _, f := range doc.Fragments {
		if g.fragments[f.Name] == nil {
			g.fragments[f.Name] = &fragmentSize{definition: f}
		}
		g.directives += len(f.Directives)
	}
	for _, f := range g.fragments {
		g.measure(f)
	}
	for _, op := range doc.Operations {
		if err := g.operation(op); err != nil {
			return err
		}
	}
	return g.counts()
}

// guards counts what a document has.
type guards struct {
	maxDepth   int
	fragments  map[string]*fragmentSize
	aliases    int
	directives int
}

// size is what a selection set amounts to with its fragments written out.
type size struct {
	depth      int
	selections int
}

// fragmentSize is measured once, however often the fragment is spread.
type fragmentSize struct {
	definition *ast.FragmentDefinition
	size       size
	state      uint8 // 0 not measured, 1 being measured, 2 measured
}

func (g *guards) operation(op *ast.OperationDefinition) *gqlerror.Error {
	if len(op.VariableDefinitions) > maxVariables {
		return refusal("the operation has more than %d variables", maxVariables)
	}
	g.directives += len(op.Directives)
	for _, v := range op.VariableDefinitions {
		g.directives += len(v.Directives)
	}
	s := g.selectionSet(op.SelectionSet)
	if s.depth > g.maxDepth {
		return refusal("the operation nests deeper than %d selections", g.maxDepth)
	}
	if s.selections > maxSelections {
		return refusal("the operation selects more than %d fields", maxSelections)
	}
	return nil
}

func (g *guards) counts() *gqlerror.Error {
	if g.aliases > maxAliases {
		return refusal("the document has more than %d aliases", maxAliases)
	}
	if g.directives > maxDirectives {
		return refusal("the document has more than %d directives", maxDirectives)
	}
	return nil
}

// measure returns the size of a fragment. A fragment that spreads itself counts
// for nothing there: a validation rule refuses it.
func (g *guards) measure(f *fragmentSize) size {
	if f.state == 0 {
		f.state = 1
		f.size = g.selectionSet(f.definition.SelectionSet)
		f.state = 2
	}
	return f.size
}

func (g *guards) selectionSet(set ast.SelectionSet) size {
	var total size
	for _, selection := range set {
		s := g.selection(selection)
		total.depth = max(total.depth, s.depth)
		// Saturating: sizes double with each level of fragments.
		total.selections = min(total.selections+s.selections, maxSelections+1)
	}
	return total
}

func (g *guards) selection(selection ast.Selection) size {
	switch s := selection.(type) {
	case *ast.Field:
		return g.field(s)
	case *ast.InlineFragment:
		g.directives += len(s.Directives)
		inner := g.selectionSet(s.SelectionSet)
		inner.selections++
		return inner
	case *ast.FragmentSpread:
		g.directives += len(s.Directives)
		if f := g.fragments[s.Name]; f != nil {
			inner := g.measure(f)
			inner.selections++
			return inner
		}
	}
	return size{selections: 1}
}

func (g *guards) field(f *ast.Field) size {
	g.directives += len(f.Directives)
	if f.Alias != f.Name {
		g.aliases++
	}
	s := g.selectionSet(f.SelectionSet)
	s.selections++
	s.depth++
	if strings.HasPrefix(f.Name, "__") {
		// Tools ask for types within types to a depth of their own. How often lists
		// may nest there, which is what costs, is a validation rule.
		s.depth = 0
	}
	return s
}

func refusal(format string, args ...any) *gqlerror.Error {
	return withCode(gqlerror.Errorf(format, args...), codeValidation)
}
