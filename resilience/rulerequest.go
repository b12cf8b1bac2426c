package resilience

import (
	"fmt"

	validatepb "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// typeCosts are what the rules of one message type cost.
type typeCosts struct {
	message []ruleCost // about the message
	fields  map[protoreflect.FieldNumber][]ruleCost
	always  float64 // steps, whatever is in the message
}

// ruleCosts are what the rules of message types cost, by name.
type ruleCosts map[protoreflect.FullName]*typeCosts

var errTooCostly = status.Error(codes.ResourceExhausted, "the request is too large for the rules that it is checked by")

// of returns how many steps the rules for a request take at the most, and how many parts it has.
func (c ruleCosts) of(request protoreflect.Message) (steps, parts float64) {
	s := stepCount{costs: c}
	all := s.message(request, nil)
	return s.steps, all[inParts]
}

// What a value has cost by the time that its rules are evaluated: it was decoded, and is looked at here.
const (
	numberSteps  = 2
	textSteps    = 5
	messageSteps = 8
)

// stepCount adds up what the rules cost for one request.
type stepCount struct {
	costs ruleCosts
	steps float64
}

// known is how much there is of a value, as in [amount].
type known [amounts]float64

func (k *known) add(other known) {
	for i := range k {
		k[i] += other[i]
	}
}

// message adds the rules of a message, and those about the field that it is the value of.
func (s *stepCount) message(m protoreflect.Message, about []ruleCost) known {
	t := s.costs[m.Descriptor().FullName()]
	all := known{inText: 1, inParts: 1}
	fields := make(map[protoreflect.Name]known)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		var rules []ruleCost
		if t != nil {
			rules = t.fields[fd.Number()]
		}
		k := s.field(fd, v, rules)
		all.add(k)
		all[inLength] = 0
		fields[fd.Name()] = k
		return true
	})
	if t != nil {
		s.steps += t.always
		s.add(t.message, all, fields)
	}
	s.add(about, all, fields)
	return all
}

func (s *stepCount) add(rules []ruleCost, all known, fields map[protoreflect.Name]known) {
	var told [amounts * (1 + maxRuleFields)]float64
	for _, r := range rules {
		copy(told[:], all[:])
		for i, name := range r.fields {
			k := fields[protoreflect.Name(name)]
			copy(told[amounts*(1+i):], k[:])
		}
		s.steps += r.steps.at(told[:amounts*(1+len(r.fields))]...)
	}
}

// field adds the rules of the value of a field.
func (s *stepCount) field(fd protoreflect.FieldDescriptor, v protoreflect.Value, rules []ruleCost) known {
	switch {
	case fd.IsMap():
		var all known
		v.Map().Range(func(key protoreflect.MapKey, value protoreflect.Value) bool {
			all.add(known{1, 1, 1})
			all.add(s.one(fd.MapKey(), key.Value(), nil))
			all.add(s.one(fd.MapValue(), value, nil))
			return true
		})
		all[inLength] = float64(v.Map().Len())
		s.add(rules, all, nil)
		return all
	case fd.IsList():
		var all known
		for i := range v.List().Len() {
			all.add(known{1, 1, 1})
			all.add(s.one(fd, v.List().Get(i), nil))
		}
		all[inLength] = float64(v.List().Len())
		s.add(rules, all, nil)
		return all
	default:
		return s.one(fd, v, rules)
	}
}

func (s *stepCount) one(fd protoreflect.FieldDescriptor, v protoreflect.Value, rules []ruleCost) known {
	k := known{inText: 1, inParts: 1}
	switch fd.Kind() {
	case protoreflect.MessageKind, protoreflect.GroupKind:
		s.steps += messageSteps
		return s.message(v.Message(), rules)
	case protoreflect.StringKind:
		s.steps += textSteps
		k[inText] += float64(len(v.String()))
	case protoreflect.BytesKind:
		s.steps += textSteps
		k[inText] += float64(len(v.Bytes()))
	default:
		s.steps += numberSteps
	}
	s.add(rules, k, nil)
	return k
}

// costing works out what the rules of message types cost.
type costing struct {
	extensions *protoregistry.Types // that may be rules
	known      ruleCosts
	failed     map[protoreflect.FullName]error
}

func newCosting(extensions *protoregistry.Types) *costing {
	return &costing{extensions, make(ruleCosts), make(map[protoreflect.FullName]error)}
}

// of returns what the rules of messages cost, or which of them costs too much whatever the request.
func (c *costing) of(messages []protoreflect.MessageDescriptor) (ruleCosts, error) {
	in := ruleInputs{defaults: defaultsOf(messages)}
	costs := make(ruleCosts)
	for _, md := range messages {
		name := md.FullName()
		if c.known[name] == nil && c.failed[name] == nil {
			c.known[name], c.failed[name] = c.ofType(md, in)
		}
		if err := c.failed[name]; err != nil {
			return nil, err
		}
		costs[name] = c.known[name]
	}
	return costs, nil
}

// defaultsOf is how many bytes the texts have that fields are when they are not set.
func defaultsOf(messages []protoreflect.MessageDescriptor) (n float64) {
	for _, md := range messages {
		for i := range md.Fields().Len() {
			switch fd := md.Fields().Get(i); {
			case !fd.HasDefault():
			case fd.Kind() == protoreflect.StringKind:
				n += float64(len(fd.Default().String()))
			case fd.Kind() == protoreflect.BytesKind:
				n += float64(len(fd.Default().Bytes()))
			}
		}
	}
	return n
}

func (c *costing) ofType(md protoreflect.MessageDescriptor, in ruleInputs) (*typeCosts, error) {
	t := &typeCosts{fields: make(map[protoreflect.FieldNumber][]ruleCost), always: 1}
	if rules, ok := proto.GetExtension(md.Options(), validatepb.E_Message).(*validatepb.MessageRules); ok {
		found := costed{costing: c, in: in}
		found.expressions(rules.GetCel(), rules.GetCelExpression(), false)
		if found.err != nil {
			return nil, fmt.Errorf("%s: %w", md.FullName(), found.err)
		}
		t.message = found.rules
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		rules, ok := proto.GetExtension(fd.Options(), validatepb.E_Field).(*validatepb.FieldRules)
		if !ok || rules == nil {
			continue
		}
		in.options = float64(proto.Size(rules))
		found := costed{costing: c, in: in}
		found.field(rules, false)
		if found.err != nil {
			return nil, fmt.Errorf("%s: %w", fd.FullName(), found.err)
		}
		t.fields[fd.Number()] = found.rules
		for _, r := range found.rules {
			t.always += r.steps.at()
		}
	}
	return t, nil
}

// costed collects what the rules about one value cost.
type costed struct {
	*costing
	in    ruleInputs
	rules []ruleCost
	err   error
}

// add takes a rule; each says that it is about each element of the value.
func (c *costed) add(r ruleCost, each bool) {
	if each {
		r.steps = r.steps.inAll(unknownAmount(0), 0)
	}
	c.rules = append(c.rules, r)
}

// plain is a rule that takes some steps, and some for each byte of text.
func (c *costed) plain(steps, eachByte float64, each bool) {
	c.add(ruleCost{steps: constant(steps).plus(unknown(inText).scaled(eachByte))}, each)
}

func (c *costed) field(rules *validatepb.FieldRules, each bool) {
	c.plain(1, 0, each)
	c.expressions(rules.GetCel(), rules.GetCelExpression(), each)
	rules.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.Message() != nil && !fd.IsList() {
			c.ofKind(v.Message(), each)
		}
		return true
	})
}

// ofKind takes the rules for one kind of values, such as buf.validate.StringRules.
func (c *costed) ofKind(rules protoreflect.Message, each bool) {
	rules.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsExtension():
			c.predefined(fd, each)
		case fd.Message() != nil && !fd.IsList():
			if elements, ok := v.Message().Interface().(*validatepb.FieldRules); ok {
				c.field(elements, true)
			}
		case fd.IsList(): // values that are allowed, or not
			c.plain(float64(v.List().Len())/32, 0, each)
		case fd.Name() == "pattern":
			c.plain(2, patternCost(v.String()), each)
		case fd.Kind() == protoreflect.BoolKind || fd.Kind() == protoreflect.EnumKind: // that it is an address, or the like
			c.plain(1, 1, each)
		}
		return true
	})
	for rest := rules.GetUnknown(); len(rest) > 0; {
		number, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return
		}
		rest = rest[n:]
		if x, err := c.extensions.FindExtensionByNumber(rules.Descriptor().FullName(), number); err == nil {
			c.predefined(x.TypeDescriptor(), each)
		}
	}
}

// predefined takes the rules that a team declares once, as an extension, for many fields.
func (c *costed) predefined(x protoreflect.FieldDescriptor, each bool) {
	if rules, ok := proto.GetExtension(x.Options(), validatepb.E_Predefined).(*validatepb.PredefinedRules); ok {
		c.expressions(rules.GetCel(), nil, each)
	}
}

func (c *costed) expressions(rules []*validatepb.Rule, texts []string, each bool) {
	for _, r := range rules {
		c.expression(r.GetId(), r.GetExpression(), each)
	}
	for _, expression := range texts {
		c.expression("", expression, each)
	}
}

func (c *costed) expression(id, expression string, each bool) {
	if c.err != nil {
		return
	}
	cost, err := costOfText(expression, c.in)
	switch {
	case err == nil:
		c.add(cost.about(each), each)
	case id == "":
		c.err = fmt.Errorf("the rule %.60q: %w", expression, err)
	default:
		c.err = fmt.Errorf("the rule %.60q: %w", id, err)
	}
}

// about counts fields as the whole value where there is no one value.
func (c ruleCost) about(each bool) ruleCost {
	if !each || len(c.fields) == 0 {
		return c
	}
	all := unknownAmount(0)
	for i := range c.fields {
		c.steps = c.steps.with(amounts*(1+i), all.part())
	}
	return ruleCost{steps: c.steps}
}
