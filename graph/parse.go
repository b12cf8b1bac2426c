package graph

import (
	"errors"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"github.com/vektah/gqlparser/v2/parser"
	"github.com/vektah/gqlparser/v2/validator/core"
	"github.com/vektah/gqlparser/v2/validator/rules"
)

// rulesOf are the validation rules that a document must pass, in this order. The rule on
// overlapping fields is missing: see overlaps, which costs less. With quiet,
// errors do not suggest names, which would undo the hiding of the schema.
func rulesOf(quiet bool) []core.Rule {
	list := []core.Rule{
		rules.FragmentsOnCompositeTypesRule,
		rules.KnownDirectivesRule,
		rules.KnownFragmentNamesRule,
		rules.KnownRootTypeRule,
		rules.LoneAnonymousOperationRule,
		rules.MaxIntrospectionDepth,
		rules.NoFragmentCyclesRule,
		rules.NoUndefinedVariablesRule,
		rules.NoUnusedFragmentsRule,
		rules.NoUnusedVariablesRule,
		rules.PossibleFragmentSpreadsRule,
		rules.ProvidedRequiredArgumentsRule,
		rules.SingleFieldSubscriptionsRule,
		rules.UniqueArgumentNamesRule,
		rules.UniqueDirectivesPerLocationRule,
		rules.UniqueFragmentNamesRule,
		rules.UniqueInputFieldNamesRule,
		rules.UniqueOperationNamesRule,
		rules.UniqueVariableNamesRule,
		rules.VariablesAreInputTypesRule,
		rules.VariablesInAllowedPositionRule,
	}
	if quiet {
		return append(list,
			rules.FieldsOnCorrectTypeRuleWithoutSuggestions,
			rules.KnownArgumentNamesRuleWithoutSuggestions,
			rules.KnownTypeNamesRuleWithoutSuggestions,
			rules.ScalarLeafsRuleWithoutSuggestions,
			withoutNullMember(rules.ValuesOfCorrectTypeRuleWithoutSuggestions))
	}
	return append(list,
		rules.FieldsOnCorrectTypeRule,
		rules.KnownArgumentNamesRule,
		rules.KnownTypeNamesRule,
		rules.ScalarLeafsRule,
		withoutNullMember(rules.ValuesOfCorrectTypeRule))
}

// withoutNullMember drops the errors of a rule about members of @oneOf inputs that are null: gqlparser names the wrong
// member in them. See checkLiteral.
func withoutNullMember(rule core.Rule) core.Rule {
	return core.Rule{Name: rule.Name, RuleFunc: func(events *core.Events, addError core.AddErrFunc) {
		rule.RuleFunc(events, func(options ...core.ErrorOption) {
			var found gqlerror.Error
			for _, o := range options {
				o(&found)
			}
			if !strings.HasPrefix(found.Message, `Field "`) || !strings.HasSuffix(found.Message, `" must be non-null.`) {
				addError(options...)
			}
		})
	}}
}

// maxSuggested is the size of a document, in bytes, above which errors suggest no names: a name
// is compared with each that there is, and may be as long as the document.
const maxSuggested = 32 << 10

// parse reads and validates a document. The result is immutable.
func (e *Executor) parse(query string) (*ast.QueryDocument, gqlerror.List) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: query}, e.graph.options.MaxTokens)
	if err != nil {
		return nil, gqlerror.List{withCode(asError(err), codeParse)}
	}
	if err := checkTokens(query); err != nil {
		return nil, gqlerror.List{withCode(err, codeParse)}
	}
	if len(doc.Operations) == 0 {
		return nil, gqlerror.List{refusal("the document has no operation")}
	}
	if err := guard(doc, e.graph.options.MaxDepth); err != nil {
		return nil, gqlerror.List{err}
	}
	rules := e.rules
	if len(query) > maxSuggested {
		rules = e.quietRules
	}
	if errs := validate(e.graph.schema, doc, rules); len(errs) > 0 {
		return nil, errs
	}
	if err := checkSubscriptions(doc); err != nil {
		return nil, gqlerror.List{err}
	}
	if err := overlaps(doc); err != nil {
		return nil, gqlerror.List{withCode(err, codeValidation)}
	}
	return doc, nil
}

func asError(err error) *gqlerror.Error {
	var e *gqlerror.Error
	if errors.As(err, &e) {
		return e
	}
	return gqlerror.Errorf("the document cannot be parsed")
}

// maxErrors bounds the errors of one response, and with it the work that goes
// into wording them.
const maxErrors = 10

// maxMessage bounds an error's text, in bytes: rules repeat values that clients sent.
const maxMessage = 500

// enough ends a validation that has found its share of errors.
type enough struct{}

// validate applies the rules. It stops at the tenth error.
func validate(s *ast.Schema, doc *ast.QueryDocument, list []core.Rule) (errs gqlerror.List) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(enough); !ok {
				panic(r)
			}
		}
	}()
	events := &core.Events{}
	for _, rule := range list {
		rule.RuleFunc(events, func(options ...core.ErrorOption) {
			err := &gqlerror.Error{Rule: rule.Name}
			for _, o := range options {
				o(err)
			}
			err.Message = cut(err.Message, maxMessage)
			errs = append(errs, withCode(err, codeValidation))
			if len(errs) == maxErrors {
				panic(enough{})
			}
		})
	}
	core.Walk(s, doc, events)
	return errs
}
