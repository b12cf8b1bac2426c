package wire

import (
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
)

// redactPlan says what is done with the fields of a message. It is immutable once
// all plans that it leads to are compiled.
type redactPlan struct {
	message *Message
	active  bool // something may be redacted in the message or below
	merged  bool // what that is depends on all parts of a message that is split
	any     bool // a google.protobuf.Any: what is below its value depends on its type
	dense   []*redactField
	sparse  map[protowire.Number]*redactField
}

// redactField says what is done with the records of a field.
type redactField struct {
	field       *Field
	drop        bool
	replacement []byte      // a whole record
	sparesEmpty bool        // what is empty is not replaced
	below       *redactPlan // of messages
	once        bool        // a second record is refused
	guarded     bool        // a second member of its oneof is refused
}

// redactKey is what a plan depends on: the message, and the paths that lead on from
// where it is. Most plans have none, since paths begin at the root only.
type redactKey struct {
	message *Message
	paths   *redactPaths
}

func (p *redactPlan) field(n protowire.Number) *redactField {
	if int(n) < len(p.dense) {
		return p.dense[n]
	}
	return p.sparse[n]
}

func (p *redactPlan) set(f *redactField) {
	n := f.field.number
	if n >= denseFields {
		if p.sparse == nil {
			p.sparse = make(map[protowire.Number]*redactField)
		}
		p.sparse[n] = f
		return
	}
	for int(n) >= len(p.dense) {
		p.dense = append(p.dense, nil)
	}
	p.dense[n] = f
}

// holding returns the plan of an Any that holds a message of a known type.
func (p *redactPlan) holding(content *redactPlan) *redactPlan {
	value := p.field(2)
	if !content.active || value != nil {
		return p // nothing to do, or the value itself is redacted
	}
	with := &redactPlan{message: p.message, sparse: p.sparse, dense: slices.Clone(p.dense)}
	with.set(&redactField{field: p.message.FieldByNumber(2), below: content})
	return with
}

// planOf returns the plan for the message in an Any.
func (x *Redaction) planOf(m *Message) *redactPlan {
	x.mu.RLock()
	p := x.plans[redactKey{message: m}]
	x.mu.RUnlock()
	if p != nil {
		return p
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.compile(m, nil)
}

// compile returns the plan of a message and compiles those it leads to. The caller holds x.mu.
func (x *Redaction) compile(m *Message, paths *redactPaths) *redactPlan {
	c := redactCompiler{Redaction: x}
	p := c.plan(m, paths)
	c.spread(func(p *redactPlan) *bool { return &p.active }, func(*redactField) bool { return true })
	c.spread(func(p *redactPlan) *bool { return &p.merged }, func(f *redactField) bool { return !f.field.repeated && !f.field.isMap })
	for _, p := range c.fresh {
		p.prune()
	}
	return p
}

// redactCompiler compiles a plan and those that it leads to.
type redactCompiler struct {
	*Redaction
	fresh []*redactPlan
}

// plan returns the plan of a message, which is registered before it is filled, so
// that recursion needs no special case.
func (c *redactCompiler) plan(m *Message, paths *redactPaths) *redactPlan {
	key := redactKey{m, paths}
	if p := c.plans[key]; p != nil {
		return p
	}
	p := &redactPlan{message: m, any: m.wellKnown == wellKnownAny && len(c.fields) > 0}
	p.active, p.merged = p.any, p.any
	c.plans[key] = p
	c.fresh = append(c.fresh, p)
	dropped := make(map[int]bool) // oneofs that have a member which is dropped
	for _, f := range m.fields {
		rf := c.field(f, paths)
		p.set(rf)
		p.active = p.active || rf.drop || rf.replacement != nil
		if rf.drop && f.oneof >= 0 {
			dropped[f.oneof] = true
			p.merged = true
		}
	}
	for _, f := range m.fields {
		p.field(f.number).guarded = f.oneof >= 0 && dropped[f.oneof]
	}
	return p
}

func (c *redactCompiler) field(f *Field, paths *redactPaths) *redactField {
	rf := &redactField{field: f}
	rule := c.fields[f.desc.FullName()]
	var below *redactPaths
	if paths != nil {
		below = paths.below[f]
	}
	if below != nil && below.rule != nil {
		rule = below.rule
	}
	switch {
	case rule != nil && rule.Action == RedactReplace:
		rf.sparesEmpty = f.implicit() || f.parent.desc.IsMapEntry()
		rf.replacement = protowire.AppendString(slices.Clone(f.tag), rule.Text)
	case rule != nil:
		rf.drop = true
	case f.message != nil:
		rf.below = c.plan(f.message, below)
	}
	return rf
}

// spread sets a flag of all plans that lead to one that has it, by fields that pass it on.
func (c *redactCompiler) spread(flag func(*redactPlan) *bool, passes func(*redactField) bool) {
	above := make(map[*redactPlan][]*redactPlan)
	var flagged []*redactPlan
	for _, p := range c.fresh {
		p.each(func(f *redactField) {
			if f.below != nil && passes(f) {
				above[f.below] = append(above[f.below], p)
				flagged = append(flagged, f.below)
			}
		})
	}
	for len(flagged) > 0 {
		p := flagged[len(flagged)-1]
		flagged = flagged[:len(flagged)-1]
		if !*flag(p) {
			continue
		}
		for _, parent := range above[p] {
			if !*flag(parent) {
				*flag(parent) = true
				flagged = append(flagged, parent)
			}
		}
	}
}

func (p *redactPlan) each(yield func(*redactField)) {
	for _, f := range p.dense {
		if f != nil {
			yield(f)
		}
	}
	for _, f := range p.sparse {
		yield(f)
	}
}

// prune forgets the fields that need nothing, and completes the others.
func (p *redactPlan) prune() {
	kept := make([]*redactField, 0, 8)
	p.each(func(f *redactField) {
		f.once = f.below != nil && f.below.active && f.below.merged && !f.field.repeated && !f.field.isMap
		if f.drop || f.replacement != nil || f.guarded || f.below != nil && f.below.active {
			kept = append(kept, f)
		}
	})
	p.dense, p.sparse = nil, nil
	for _, f := range kept {
		p.set(f)
	}
}
