package wire

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// NewRedaction compiles rules for messages of a type. An error names the rule that is wrong:
// a field that does not exist, the key of a map, a required field that
// would be dropped, a text for what is neither string nor bytes. Rules is not kept. Of two
// rules for the same path or field the later one holds.
func (m *Message) NewRedaction(rules []RedactRule) (*Redaction, error) {
	x := &Redaction{
		message: m,
		fields:  make(map[protoreflect.FullName]*RedactRule),
		plans:   make(map[redactKey]*redactPlan),
	}
	paths := &redactPaths{}
	rules = slices.Clone(rules)
	for i := range rules {
		if err := x.add(paths, &rules[i]); err != nil {
			return nil, err
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.root = x.compile(m, paths)
	return x, nil
}

// redactPaths are the rules with paths, as a tree of fields.
type redactPaths struct {
	rule  *RedactRule
	below map[*Field]*redactPaths
}

func (x *Redaction) add(paths *redactPaths, rule *RedactRule) error {
	switch {
	case (rule.Path == "") == (rule.Field == ""):
		return errors.New("a rule of a redaction needs a path or a field, and not both")
	case rule.Field != "":
		f := x.message.types.fieldByFullName(x.message, rule.Field)
		if f == nil {
			return fmt.Errorf("there is no field %s", rule.Field)
		}
		x.fields[rule.Field] = rule
		return rule.check(f)
	}
	fields, err := x.message.fieldsAt(rule.Path, func(f *Field) bool { return f.message != nil })
	if err != nil {
		return err
	}
	for _, f := range fields {
		if paths.below == nil {
			paths.below = make(map[*Field]*redactPaths)
		}
		if paths.below[f] == nil {
			paths.below[f] = new(redactPaths)
		}
		paths = paths.below[f]
	}
	paths.rule = rule
	return rule.check(fields[len(fields)-1])
}

// check reports why a rule cannot hold for a field.
func (rule *RedactRule) check(f *Field) error {
	text := f.kind == protoreflect.StringKind || f.kind == protoreflect.BytesKind
	switch name := f.desc.FullName(); {
	case f.parent.desc.IsMapEntry() && f.number == 1:
		return fmt.Errorf("%s is the key of a map and cannot be redacted", name)
	case rule.Action == RedactReplace && !text:
		return fmt.Errorf("%s is neither string nor bytes and can only be dropped", name)
	case rule.Action == RedactDrop && f.desc.Cardinality() == protoreflect.Required:
		return fmt.Errorf("%s is required and cannot be dropped", name)
	}
	return nil
}

// fieldByFullName finds a field in its message, which the resolver knows or is
// reached from m, and an extension in those that are reached. It returns nil where there is none.
func (t *Types) fieldByFullName(m *Message, name protoreflect.FullName) *Field {
	seen := make(map[*Message]bool)
	var find func(m *Message) *Field
	find = func(m *Message) *Field {
		if seen[m] {
			return nil
		}
		seen[m] = true
		for _, f := range m.fields {
			if f.desc.FullName() == name {
				return f
			}
			if f.message == nil {
				continue
			}
			if found := find(f.message); found != nil {
				return found
			}
		}
		return nil
	}
	if f := find(m); f != nil {
		return f
	}
	if parent := t.messageByURL([]byte(name.Parent())); parent != nil {
		return find(parent)
	}
	return nil
}
