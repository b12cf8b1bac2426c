// Package gate compares what is served with what would be, and says whom a change
// would hurt: clients that speak protobuf, ProtoJSON, REST or GraphQL, and the operator's
// policies.
//
// [Compare] is a pure function of two sets of [Views]. It pairs methods by their paths, the
// messages and enums that those lead to, routes, and GraphQL types, and asks each [Rule]
// what it finds. A rule is a file. What a finding is worth depends on who may suffer: a
// field that is removed from an answer hurts its readers, one removed from a request
// those who send it.
package gate

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// Views are what clients see of one snapshot, and what the operator said that depends on it.
type Views struct {
	Snapshot *schema.Snapshot
	REST     *translate.REST
	Graph    *graph.Graph
	// Access says who may call the methods of the snapshot.
	Access *auth.Policies
	// Selectors are those of the operator's policies.
	Selectors []string
	// Documents are the GraphQL documents that clients are known to use, by a name for people.
	Documents map[string]string
	// Registration is what the updated views come from. The zero value: something else.
	Registration Registration
}

// Registration is a backend that is registered.
type Registration struct {
	Backend string
	// Claims are services that the backend has for the first time.
	Claims []string
	// TakesOver are services of other backends that the registration moves to this one on purpose.
	TakesOver []string
}

// Severity says what a finding means for those who use what it is about.
type Severity uint8

// The severities.
const (
	Safe      Severity = iota + 1 // nobody notices
	Dangerous                     // some clients may behave differently
	Breaking                      // some clients or policies stop working
)

func (s Severity) String() string {
	switch s {
	case Breaking:
		return "breaking"
	case Dangerous:
		return "dangerous"
	default:
		return "safe"
	}
}

// Surface is what a finding is seen on.
type Surface uint8

// The surfaces.
const (
	Wire    Surface = iota + 1 // protobuf's binary form: gRPC, and binary gRPC-Web and Connect
	JSON                       // ProtoJSON, on every door that has it
	REST                       // routes, bodies and parameters
	GraphQL                    // the graph and documents that clients use
	Policy                     // what the operator or a file says of methods and fields
	Backend                    // where a backend is and what its server has
)

func (s Surface) String() string {
	return [...]string{"", "wire", "json", "rest", "graphql", "policy", "backend"}[s]
}

// Finding is one difference.
type Finding struct {
	Severity Severity
	Surface  Surface
	// Rule is the name of the rule that found it, such as field-removed.
	Rule string
	// Element is the full name of what differs: `pkg.Message.field`, `GET /v1/books/{id}`,
	// a GraphQL coordinate such as `Book.title`, or a selector.
	Element string
	// Position is where the element stands, in the new files if it is in them: `file.proto:line:column`.
	// Empty where it is not in a file.
	Position string
	// Message says what differs, in one sentence.
	Message string
	// Methods are the paths of the served methods whose callers see it, sorted. Empty where the
	// finding is not about messages of methods, and behind the first findings, see [Compare].
	Methods []string

	// about is the message or enum of the old snapshot whose methods they are, until those are looked for.
	about protoreflect.Descriptor
}

// Rule finds differences of one kind.
type Rule struct {
	Name    string
	Surface Surface
	find    func(*comparison, *reporter)
}

// Rules returns all rules. The order does not matter.
func Rules() []Rule {
	return slices.Concat(wireRules, jsonRules, restRules, graphRules, policyRules)
}

var (
	wireRules = []Rule{
		serviceRemoved, serviceServedByOther, methodRemoved, methodAdded, methodStreams, methodMessage,
		fieldRemoved, fieldAdded, fieldType, fieldCardinality, fieldOneof, fieldPresence, fieldRequired,
		enumValueRemoved, enumClosed,
	}
	jsonRules   = []Rule{jsonFieldRemoved, jsonFieldName, jsonFieldType, jsonEnumValue, jsonFieldNeeded}
	restRules   = []Rule{routeRemoved, routeAdded, routeServedByOther, routeBody, routeResponse, routeVariables, restConventions}
	graphRules  = []Rule{graphTypeRemoved, graphTypeKind, graphFieldRemoved, graphFieldType, graphArguments, graphInputs, graphValues, graphMembers, graphKeys, graphDocuments}
	policyRules = []Rule{selectorOrphaned, methodOpened, fieldUncovered, sideEffects}
)

// ErrTooDifferent says that more messages took each other's place than can be compared.
var ErrTooDifferent = errors.New("more messages are replaced by others than can be compared; register the change in parts")

// mostFindings bounds how many differences are told, of several hundred thousand that there may be.
const mostFindings = 10_000

// Compare returns the differences between two sets of views, the worst first, then in the
// order of surfaces, elements and rules, and of very many the first 10,000. Equal views have none.
// The methods are found for the first 2,000 findings, and for fewer where each concerns very many.
// Where ctx ends on the way its cause is the error, and nothing is returned; so it is where the
// error is [ErrTooDifferent].
func Compare(ctx context.Context, old, updated Views) ([]Finding, error) {
	c := newComparison(ctx, old, updated)
	var findings []Finding
	for _, rule := range Rules() {
		if err := c.failed(); err != nil {
			return nil, err
		}
		rule.find(c, &reporter{rule: rule, findings: &findings})
	}
	sortFindings(findings)
	findings = findings[:min(len(findings), mostFindings)]
	c.findMethods(findings)
	return findings, c.failed()
}

func sortFindings(findings []Finding) {
	slices.SortStableFunc(findings, func(a, b Finding) int {
		return cmp.Or(
			-cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Surface, b.Surface),
			cmp.Compare(a.Element, b.Element),
			cmp.Compare(a.Rule, b.Rule),
			cmp.Compare(a.Message, b.Message),
		)
	})
}

// Worst returns the highest severity among findings, and 0 where there are none.
func Worst(findings []Finding) Severity {
	var worst Severity
	for _, f := range findings {
		worst = max(worst, f.Severity)
	}
	return worst
}
