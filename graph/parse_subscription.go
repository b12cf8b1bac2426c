package graph

import (
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
)

// checkSubscriptions refuses @skip and @include on what a subscription selects first: whether it has
// a field must not depend on variables (GraphQL September 2025, 5.2.4.1).
func checkSubscriptions(doc *ast.QueryDocument) *gqlerror.Error {
	for _, op := range doc.Operations {
		if op.Operation != ast.Subscription {
			continue
		}
		if d := conditionIn(op.SelectionSet); d != nil {
			return withCode(gqlerror.ErrorPosf(d.Position, "A subscription must not use @%s on its root field.", d.Name), codeValidation)
		}
	}
	return nil
}

// conditionIn finds @skip or @include in a selection set, less in the sets of its fields. The document
// has been validated, so its fragments end; each is spread a bounded number of times.
func conditionIn(set ast.SelectionSet) *ast.Directive {
	for _, selection := range set {
		var directives ast.DirectiveList
		var inner ast.SelectionSet
		switch s := selection.(type) {
		case *ast.Field:
			directives = s.Directives
		case *ast.InlineFragment:
			directives, inner = s.Directives, s.SelectionSet
		case *ast.FragmentSpread:
			directives, inner = s.Directives, s.Definition.SelectionSet
		}
		for _, d := range directives {
			if d.Name == "skip" || d.Name == "include" {
				return d
			}
		}
		if d := conditionIn(inner); d != nil {
			return d
		}
	}
	return nil
}
