package schema

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/wire"
)

// policies says what holds for a method. What is registered goes before the operator's
// words, and those before .proto files, whatever the selectors; among words of one origin
// the most specific selector wins. That is decided for each kind of policy by itself, and a
// kind's block is taken as a whole.
type policies struct {
	registered, operator *ruleBook
	positions            map[proto.Message]string
	problems             []Problem
	uses                 map[ruleUse]bool // of the part that is compiled
}

// ruleUse says that a rule names a method, or decides of a kind for some method.
type ruleUse struct {
	origin   Origin
	selector string
	kind     protoreflect.Name // empty: it names one
}

// ruleBook is all that one origin says, by selector.
type ruleBook struct {
	origin Origin
	rules  []*policyRule
	by     map[string]*policyRule
}

// policyRule is what one origin says of all methods of one selector.
type policyRule struct {
	origin   Origin
	selector string
	policy   *policyv1.Policy
	position string
	// ofOverlay: a selector that names nothing is the overlay's problem, not the policy's.
	ofOverlay bool
	used      bool                       // it names a method
	decides   map[protoreflect.Name]bool // kinds that hold for some method
}

// newPolicies collects what overlays and rules say. Where a selector says a kind
// twice, the later one holds, and rules come after overlays.
func newPolicies(in Input) *policies {
	p := &policies{
		registered: &ruleBook{origin: ByRegistration, by: make(map[string]*policyRule)},
		operator:   &ruleBook{origin: ByOperator, by: make(map[string]*policyRule)},
		positions:  in.Positions,
	}
	for _, o := range in.Overlays {
		said := o.GetMethod().GetPolicy()
		if said == nil {
			said = o.GetService().GetPolicy()
		}
		if said != nil {
			p.add(p.operator, o, o.GetSelector(), said).ofOverlay = true
		}
	}
	for _, r := range in.Policies {
		p.add(p.operator, r, r.GetSelector(), r.GetPolicy())
	}
	for _, r := range in.Registered {
		p.add(p.registered, r, r.GetSelector(), r.GetPolicy())
	}
	return p
}

func (p *policies) add(book *ruleBook, from proto.Message, selector string, said *policyv1.Policy) *policyRule {
	rule := book.by[selector]
	if rule == nil {
		rule = &policyRule{
			origin:   book.origin,
			selector: selector,
			policy:   new(policyv1.Policy),
			position: p.positions[from],
			decides:  make(map[protoreflect.Name]bool),
		}
		book.by[selector] = rule
		book.rules = append(book.rules, rule)
	}
	said.ProtoReflect().Range(func(kind protoreflect.FieldDescriptor, block protoreflect.Value) bool {
		if held := rule.policy.ProtoReflect(); held.Has(kind) {
			p.problems = append(p.problems, Problem{
				Severity: Warning,
				Element:  selector,
				Position: p.positions[held.Get(kind).Message().Interface()],
				Message:  fmt.Sprintf("the policy's %s does not count: it is said again for this selector", kind.Name()),
			})
		}
		rule.policy.ProtoReflect().Set(kind, block)
		return true
	})
	return rule
}

// findings returns a warning for each selector that names no method, and for each block
// that decides of none.
func (p *policies) findings() []Problem {
	problems := p.problems
	for _, r := range slices.Concat(p.registered.rules, p.operator.rules) {
		switch {
		case r.used:
			problems = append(problems, p.shadowed(r)...)
		case !r.ofOverlay:
			problems = append(problems, Problem{
				Severity: Warning,
				Element:  r.selector,
				Position: r.position,
				Message:  "the policy's selector names no method that is served",
			})
		}
	}
	return problems
}

// shadowed finds the blocks of a rule that never come to hold.
func (p *policies) shadowed(r *policyRule) (problems []Problem) {
	rangeKinds(r.policy, func(kind protoreflect.FieldDescriptor) {
		if !r.decides[kind.Name()] {
			problems = append(problems, Problem{
				Severity: Warning,
				Element:  r.selector,
				Position: p.positions[r.policy.ProtoReflect().Get(kind).Message().Interface()],
				Message:  fmt.Sprintf("the policy's %s decides of no method: for each of them another one goes before it", kind.Name()),
			})
		}
	})
	return problems
}

// rangeKinds goes through the kinds that a policy says, in the order of the language.
func rangeKinds(p *policyv1.Policy, f func(protoreflect.FieldDescriptor)) {
	m := p.ProtoReflect()
	for i := range m.Descriptor().Fields().Len() {
		if kind := m.Descriptor().Fields().Get(i); m.Has(kind) {
			f(kind)
		}
	}
}

// set says what holds for a method and where each block of it was said. Blocks are
// shared with their origin.
func (p *policies) set(m *Method) {
	m.Policy, m.Operator = new(policyv1.Policy), new(policyv1.Policy)
	m.Said = make(map[protoreflect.Name]Said)
	for _, book := range []*ruleBook{p.registered, p.operator} {
		for _, selector := range selectorsOf(m.FullName()) {
			if rule := book.by[selector]; rule != nil {
				p.take(m, rule)
			}
		}
	}
	take(m.Operator, m.Policy, nil)
	p.takeOption(m, m.Options.GetPolicy(), ByMethod, m.Descriptor)
	p.takeOption(m, m.Service.Options.GetPolicy(), ByService, m.Service.Descriptor)
}

// take adds what a rule says and nothing before it did.
func (p *policies) take(m *Method, rule *policyRule) {
	p.uses[ruleUse{origin: rule.origin, selector: rule.selector}] = true
	take(rule.policy, m.Operator, func(kind protoreflect.Name, block proto.Message) {
		p.uses[ruleUse{rule.origin, rule.selector, kind}] = true
		m.Said[kind] = Said{By: rule.origin, Selector: rule.selector, Position: cmp.Or(p.positions[block], rule.position)}
	})
}

// note marks the rules that a part uses.
func (p *policies) note(uses []ruleUse) {
	for _, use := range uses {
		book := p.operator
		if use.origin == ByRegistration {
			book = p.registered
		}
		if rule := book.by[use.selector]; use.kind == "" {
			rule.used = true
		} else {
			rule.decides[use.kind] = true
		}
	}
}

func (p *policies) takeOption(m *Method, option *policyv1.Policy, by Origin, d protoreflect.Descriptor) {
	take(option, m.Policy, func(kind protoreflect.Name, _ proto.Message) {
		m.Said[kind] = Said{By: by, Selector: string(d.FullName()), Position: PositionOf(d)}
	})
}

// take copies the kinds that are said and not held yet.
func take(said, held *policyv1.Policy, taken func(protoreflect.Name, proto.Message)) {
	rangeKinds(said, func(kind protoreflect.FieldDescriptor) {
		if held.ProtoReflect().Has(kind) {
			return
		}
		block := said.ProtoReflect().Get(kind)
		held.ProtoReflect().Set(kind, block)
		if taken != nil {
			taken(kind.Name(), block.Message().Interface())
		}
	})
}

// selectorsOf returns the selectors that name a method, the most specific first:
// itself, its service, `service.*`, `package.*` and so on outwards, `*`.
func selectorsOf(method string) []string {
	scope := method[:strings.LastIndexByte(method, '.')]
	selectors := []string{method, scope}
	for {
		selectors = append(selectors, scope+".*")
		end := strings.LastIndexByte(scope, '.')
		if end < 0 {
			return append(selectors, "*")
		}
		scope = scope[:end]
	}
}

// limits fills in the defaults. A limit of 0 is the default, as if it were not said.
func (c *compiler) limits(m *Method) Limits {
	said := m.Policy.GetLimits()
	l := Limits{
		RequestBytes:   limit(said.GetRequestBytes(), DefaultRequestBytes),
		ResponseBytes:  limit(said.GetResponseBytes(), DefaultResponseBytes),
		JSONBytes:      limit(said.GetJsonBytes(), wire.DefaultMaxJSON),
		Idle:           c.length(m, "limits.idle", said.GetIdle()),
		MaxLife:        c.length(m, "limits.max_life", said.GetMaxLife()),
		SlowConsumer:   c.length(m, "limits.slow_consumer", said.GetSlowConsumer()),
		StreamMessages: said.GetStreamMessages(),
		StreamBytes:    said.GetStreamBytes(),
	}
	if l.SlowConsumer == 0 {
		l.SlowConsumer = DefaultSlowConsumer
	}
	return l
}

// limit clamps to what has a 32-bit offset; protobuf messages end there too.
func limit(said uint32, unsaid int) int {
	if said == 0 {
		return unsaid
	}
	return int(min(said, math.MaxInt32))
}

// timeout returns how long a call may take. Zero said aloud is no bound.
func (c *compiler) timeout(m *Method) time.Duration {
	if call := m.Policy.GetTimeout().GetCall(); call != nil {
		if call.IsValid() && call.AsDuration() >= 0 {
			return call.AsDuration()
		}
		c.warn(m.Service.Backend, m.Descriptor, "the policy's timeout.call is no length of time; the default holds")
	}
	if m.Streams() {
		return 0
	}
	return DefaultTimeout
}

// Selected reports whether a policy's selector names the method: `*`, `pkg.*`, the service or
// the method itself.
func (m *Method) Selected(selector string) bool {
	return slices.Contains(m.Selectors(), selector)
}

// Selectors returns all selectors that name the method, the most specific first.
func (m *Method) Selectors() []string { return selectorsOf(m.FullName()) }
