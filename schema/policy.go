package schema

import (
	"math"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/wire"
)

// policies says what holds for a method. The operator's words go before those of
// .proto files, whatever the selectors; among words of one origin the most specific
// selector wins. That is decided for each kind of policy by itself, and a kind's block
// is taken as a whole.
type policies struct {
	rules []*operatorRule
	by    map[string]*operatorRule
}

// operatorRule is what the operator says of all methods of one selector.
type operatorRule struct {
	selector string
	policy   *policyv1.Policy
	used     bool
}

// newPolicies collects what overlays and rules say. Where a selector says a kind
// twice, the later one holds, and rules come after overlays.
func newPolicies(overlays []*configv1.Overlay, rules []*configv1.PolicyRule) *policies {
	p := &policies{by: make(map[string]*operatorRule)}
	for _, o := range overlays {
		said := o.GetMethod().GetPolicy()
		if said == nil {
			said = o.GetService().GetPolicy()
		}
		if said != nil {
			// A selector that names nothing is the overlay's problem, not the policy's.
			p.add(o.GetSelector(), said).used = true
		}
	}
	for _, r := range rules {
		p.add(r.GetSelector(), r.GetPolicy())
	}
	return p
}

func (p *policies) add(selector string, said *policyv1.Policy) *operatorRule {
	rule := p.by[selector]
	if rule == nil {
		rule = &operatorRule{selector: selector, policy: new(policyv1.Policy)}
		p.by[selector] = rule
		p.rules = append(p.rules, rule)
	}
	said.ProtoReflect().Range(func(kind protoreflect.FieldDescriptor, block protoreflect.Value) bool {
		rule.policy.ProtoReflect().Set(kind, block)
		return true
	})
	return rule
}

// problems returns a warning for each selector that names no method.
func (p *policies) problems() []Problem {
	var problems []Problem
	for _, r := range p.rules {
		if !r.used {
			problems = append(problems, Problem{
				Severity: Warning,
				Element:  r.selector,
				Message:  "the policy's selector names no method that is served",
			})
		}
	}
	return problems
}

// of returns what holds for a method, and what the operator alone says of it.
// Blocks are shared with their origin.
func (p *policies) of(m *Method) (held, operator *policyv1.Policy) {
	said := p.operatorSays(m)
	operator = merged(said)
	return merged(append(said, m.Options.GetPolicy(), m.Service.Options.GetPolicy())), operator
}

// merged takes each kind's block from the first that has it.
func merged(said []*policyv1.Policy) *policyv1.Policy {
	held := new(policyv1.Policy)
	for _, p := range said {
		p.ProtoReflect().Range(func(kind protoreflect.FieldDescriptor, block protoreflect.Value) bool {
			if !held.ProtoReflect().Has(kind) {
				held.ProtoReflect().Set(kind, block)
			}
			return true
		})
	}
	return held
}

// operatorSays returns all that the operator says of a method, what counts most first.
func (p *policies) operatorSays(m *Method) []*policyv1.Policy {
	var said []*policyv1.Policy
	for _, selector := range selectorsOf(m.FullName()) {
		if rule := p.by[selector]; rule != nil {
			rule.used = true
			said = append(said, rule.policy)
		}
	}
	return said
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
	return slices.Contains(selectorsOf(m.FullName()), selector)
}
