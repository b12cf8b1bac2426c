package auth

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// fieldCompiler finds the rules about fields in a snapshot.
type fieldCompiler struct {
	environments *environments
	problems     []schema.Problem
	snapshot     *schema.Snapshot
	said         map[protoreflect.FullName]*policyv1.FieldPolicy
	expressions  map[string]*expression
	rules        map[*wire.Field]*compiledRule // nil: no rule
	packed       []*wire.Message               // messages that have fields with rules
	concerned    map[*wire.Message]bool        // messages that lead to fields with rules
}

// compiledRule is a rule whose exception is not numbered yet.
type compiledRule struct {
	fieldRule
	unless *expression
}

func newFieldCompiler(snap *schema.Snapshot, e *environments) *fieldCompiler {
	c := &fieldCompiler{
		environments: e,
		snapshot:     snap,
		said:         make(map[protoreflect.FullName]*policyv1.FieldPolicy),
		expressions:  make(map[string]*expression),
		rules:        make(map[*wire.Field]*compiledRule),
	}
	for _, b := range snap.Backends {
		b.Files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
			c.index(snap, f)
			return true
		})
	}
	c.concerned = c.leading(snap)
	return c
}

// leading returns the messages of answers that lead to a field with a rule. Each message is looked at once, however
// many methods answer with it.
func (c *fieldCompiler) leading(snap *schema.Snapshot) map[*wire.Message]bool {
	leading := make(map[*wire.Message]bool)
	if len(c.said) == 0 {
		return leading
	}
	holders := make(map[*wire.Message][]*wire.Message)
	var found []*wire.Message
	walk := fieldWalk{seen: make(map[*wire.Message]bool), packed: c.packed}
	for _, m := range snap.Methods {
		walk.visit(m.Output, func(in *wire.Message, f *wire.Field) {
			if c.said[f.Descriptor().FullName()] != nil {
				found = append(found, in)
			}
			if inside := f.Message(); inside != nil {
				holders[inside] = append(holders[inside], in)
			}
		})
	}
	for m := range walk.seen {
		if m.FullName() == anyName && len(c.packed) > 0 {
			found = append(found, m)
		}
	}
	for ; len(found) > 0; found = found[1:] {
		if !leading[found[0]] {
			leading[found[0]] = true
			found = append(found, holders[found[0]]...)
		}
	}
	return leading
}

// declarations are what a file and a message have in common.
type declarations interface {
	Messages() protoreflect.MessageDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

// index finds all that is said of fields, and the messages that have them: any of
// those may be inside an Any. What is said holds for a field of that full name in
// whatever backend's answers; of several backends the first counts.
func (c *fieldCompiler) index(snap *schema.Snapshot, d declarations) {
	for i := range d.Extensions().Len() {
		c.indexField(snap, d.Extensions().Get(i))
	}
	for i := range d.Messages().Len() {
		md := d.Messages().Get(i)
		for j := range md.Fields().Len() {
			c.indexField(snap, md.Fields().Get(j))
		}
		c.index(snap, md)
	}
}

func (c *fieldCompiler) indexField(snap *schema.Snapshot, fd protoreflect.FieldDescriptor) {
	said := FieldPolicy(fd)
	if said.GetAction() == policyv1.FieldPolicy_ACTION_UNSPECIFIED || c.said[fd.FullName()] != nil {
		return
	}
	c.said[fd.FullName()] = said
	if m := snap.FindMessage(fd.ContainingMessage().FullName()); m != nil && !slices.Contains(c.packed, m) {
		c.packed = append(c.packed, m)
	}
}

// of returns the rules about a method's answers, or nil where there are none.
func (c *fieldCompiler) of(m *schema.Method) *fieldRules {
	if !c.concerned[m.Output] {
		return nil
	}
	found := &fieldRules{output: m.Output, views: make(map[uint64]*view)}
	numbers := make(map[*expression]int)
	walk := fieldWalk{seen: make(map[*wire.Message]bool), packed: c.packed}
	walk.visit(m.Output, func(_ *wire.Message, f *wire.Field) {
		rule := c.rule(m, f)
		if rule == nil {
			return
		}
		numbered := rule.fieldRule
		numbered.unless = -1
		if rule.unless != nil {
			numbered.unless = c.number(m, f, rule.unless, numbers, found)
		}
		found.rules = append(found.rules, numbered)
	})
	if len(found.rules) == 0 {
		return nil
	}
	return found
}

// number returns the index of an exception among a method's, or a negative number
// for one too many, which then excepts nobody.
func (c *fieldCompiler) number(m *schema.Method, f *wire.Field, x *expression, numbers map[*expression]int, r *fieldRules) int {
	if n, known := numbers[x]; known {
		return n
	}
	if len(r.unless) == maxUnless {
		c.problem(m, f, "the answer has fields with more than %d different `unless`; here it does not hold", maxUnless)
		return -1
	}
	numbers[x] = len(r.unless)
	r.unless = append(r.unless, x)
	return numbers[x]
}

// rule compiles what is said of a field, once for all methods.
func (c *fieldCompiler) rule(m *schema.Method, f *wire.Field) *compiledRule {
	if rule, known := c.rules[f]; known {
		return rule
	}
	c.rules[f] = c.compileRule(m, f)
	return c.rules[f]
}

func (c *fieldCompiler) compileRule(m *schema.Method, f *wire.Field) *compiledRule {
	said := c.said[f.Descriptor().FullName()]
	if said == nil {
		return nil
	}
	rule := &compiledRule{fieldRule: fieldRule{
		field:  f,
		redact: wire.RedactRule{Field: f.Descriptor().FullName()},
		deny:   said.GetAction() == policyv1.FieldPolicy_ACTION_DENY,
	}}
	switch {
	case said.GetAction() != policyv1.FieldPolicy_ACTION_MASK:
		c.checkNullable(m, f, rule.deny)
	case f.Kind() == protoreflect.StringKind && !f.IsMap():
		rule.redact.Action, rule.redact.Text = wire.RedactReplace, maskText(said)
	default:
		c.problem(m, f, "only text can be masked; the field is left out instead")
	}
	if _, err := m.Output.NewRedaction([]wire.RedactRule{rule.redact}); err != nil {
		c.problem(m, f, "the policy cannot be applied, and no answer with the field is passed on: %s", err)
	}
	if text := said.GetUnless(); text != "" {
		rule.unless = c.unless(m, f, text)
	}
	return rule
}

func maskText(said *policyv1.FieldPolicy) string {
	if said.Mask == nil {
		return "***"
	}
	return said.GetMask()
}

// unless compiles an exception, once for each text. One that makes no sense excepts nobody.
func (c *fieldCompiler) unless(m *schema.Method, f *wire.Field, text string) *expression {
	if x, known := c.expressions[text]; known {
		return x
	}
	x, err := c.environments.unless(text)
	if err != nil {
		c.problem(m, f, "policy.unless: %s; it holds for nobody", err)
		x = nil
	}
	c.expressions[text] = x
	return x
}

// checkNullable reports a field that may be left out and that GraphQL clients are
// promised in every answer.
func (c *fieldCompiler) checkNullable(m *schema.Method, f *wire.Field, denied bool) {
	fd := f.Descriptor()
	options, _ := proto.GetExtension(fd.Options(), optionsv1.E_Field).(*optionsv1.FieldOptions)
	promised := fd.IsList() || fd.IsMap() || fd.Message() == nil && !fd.HasPresence() ||
		fd.Cardinality() == protoreflect.Required || options.GetNonNull()
	switch {
	case !promised || options.GetDeniable():
	case denied:
		c.problem(m, f, "the field has a policy and is not nullable in GraphQL; set deniable, or where it is denied its parent is null")
	default:
		c.problem(m, f, "the field has a policy and is not nullable in GraphQL; where it is left out clients are told its default, or null for its parent. "+
			"With deniable and ACTION_DENY they are told null")
	}
}

func (c *fieldCompiler) problem(m *schema.Method, f *wire.Field, format string, arguments ...any) {
	c.problems = append(c.problems, schema.Problem{
		Severity: schema.Warning,
		Backend:  m.Service.Backend.Name,
		Element:  string(f.Descriptor().FullName()),
		Position: c.snapshot.FieldSaid(f.Descriptor()).Position,
		Message:  fmt.Sprintf(format, arguments...),
	})
}

const anyName protoreflect.FullName = "google.protobuf.Any"

// fieldWalk visits all fields that a message can contain, at any depth.
type fieldWalk struct {
	seen   map[*wire.Message]bool
	packed []*wire.Message
}

func (w *fieldWalk) visit(m *wire.Message, f func(in *wire.Message, field *wire.Field)) {
	if w.seen[m] {
		return
	}
	w.seen[m] = true
	if m.FullName() == anyName {
		for _, inside := range w.packed {
			w.visit(inside, f)
		}
	}
	for _, field := range m.Fields() {
		f(m, field)
		if inside := field.Message(); inside != nil {
			w.visit(inside, f)
		}
	}
}
