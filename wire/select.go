package wire

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// SelectionKind says what a [Selection] writes.
type SelectionKind uint8

// The kinds of selections.
const (
	SelectField SelectionKind = iota // the value of Field
	SelectRaw                        // Raw, as it is: a type name, or null for a field this backend lacks
	SelectOneof                      // the entry of Cases for the member of Oneof that is set, or null
	SelectUnion                      // the one of Members that is set in Oneof, or null
	SelectJoin                       // whatever Sink.Splice appends for Join
)

// Selection is one entry of a GraphQL selection set after fragments were merged.
type Selection struct {
	Kind    SelectionKind
	Key     string // the response key
	NonNull bool   // null is a fault that moves to the parent
	// Field is read by SelectField.
	Field *Field
	// Children select from the message of Field, or from the entry of a map.
	// Nil: Field is written as one JSON value, also where it is a message or a map.
	Children []Selection
	// Raw is JSON text for SelectRaw.
	Raw string
	// Oneof is the index of the oneof in its message, for SelectOneof and SelectUnion.
	Oneof int
	// Members select from the members of a union. Each is of kind SelectField, with a message of the
	// oneof for its Field; its Key and NonNull count for nothing.
	Members []Selection
	// Cases names the members of the oneof.
	Cases map[protowire.Number]string
	// Join is the caller's number for a joined field, unique in the whole projection.
	Join int
}

// Select returns the projection of a GraphQL selection, in its order, and in the
// GraphQL forms of values: 64-bit integers are strings, maps are lists of
// entries, an unknown enum number is "UNRECOGNIZED" and a NullValue null, NaN and infinities are
// faults, absent singular messages are null. So are absent members of oneofs and
// optional fields without a default of their own; other absent scalars have their default, absent lists
// and maps are empty. Entries of maps are in order of their keys. An error says which selection
// does not fit the message. Nothing of selections is kept.
func (m *Message) Select(selections []Selection) (*Projection, error) {
	m.types.mu.Lock()
	defer m.types.mu.Unlock()
	c := selector{types: m.types, joins: make(map[int]int)}
	root, err := c.object(m, selections, false)
	if err != nil {
		return nil, err
	}
	root.joins = c.numbers
	return root, nil
}

// SelectWhole returns the projection of a message with a JSON form of its own as one value of
// GraphQL: that of ProtoJSON, but the number in a wrapper must be finite.
func (m *Message) SelectWhole() *Projection {
	m.types.mu.Lock()
	defer m.types.mu.Unlock()
	return m.types.projectAll(m, Options{}, m.wellKnown == wellKnownWrapper)
}

// selector compiles selections.
type selector struct {
	types   *Types
	joins   map[int]int // the caller's number to an index
	numbers []int       // and back
}

// object compiles a selection set. The fields of a map's entry are never absent.
func (c *selector) object(m *Message, selections []Selection, isEntry bool) (*Projection, error) {
	p := &Projection{message: m, selected: true}
	for i := range selections {
		s, err := c.step(p, &selections[i], isEntry)
		if err != nil {
			return nil, err
		}
		s.selected = true
		s.name = selections[i].Key
		s.setKey(s.name, false)
		s.nonNull = selections[i].NonNull
		p.steps = append(p.steps, s)
	}
	return p, nil
}

func (c *selector) step(p *Projection, sel *Selection, isEntry bool) (step, error) {
	switch sel.Kind {
	case SelectRaw:
		return step{shape: shapeRaw, raw: sel.Raw}, nil
	case SelectOneof:
		return c.oneof(p, sel)
	case SelectUnion:
		return c.union(p, sel)
	case SelectJoin:
		return c.join(sel)
	}
	if sel.Field == nil || sel.Field.parent != p.message {
		return step{}, fmt.Errorf("%s: %q is not one of its fields", p.message.FullName(), sel.Key)
	}
	s, err := c.field(p, sel)
	switch {
	case err != nil || !isEntry:
	case sel.Field.message == nil:
		s.implicit = false
		s.absent = s.value.zeroText()
	default:
		s.absent = ""
	}
	return s, err
}

func (p *Projection) hasOneof(index int) error {
	oneofs := p.message.desc.Oneofs()
	if index < 0 || index >= oneofs.Len() || oneofs.Get(index).IsSynthetic() {
		return fmt.Errorf("%s: no oneof %d", p.message.FullName(), index)
	}
	return nil
}

func (c *selector) oneof(p *Projection, sel *Selection) (step, error) {
	if err := p.hasOneof(sel.Oneof); err != nil {
		return step{}, err
	}
	s := step{shape: shapeOneof, slot: p.follow(p.message, sel.Oneof)}
	s.cases = make(map[protowire.Number]string, len(sel.Cases))
	for number, name := range sel.Cases {
		s.cases[number] = quoted(name, false)
	}
	return s, nil
}

// union compiles a step for each member; the one that is set is written.
func (c *selector) union(p *Projection, sel *Selection) (step, error) {
	if err := p.hasOneof(sel.Oneof); err != nil {
		return step{}, err
	}
	s := step{shape: shapeUnion, slot: p.follow(p.message, sel.Oneof), members: make(map[protowire.Number]*step)}
	for i := range sel.Members {
		m := &sel.Members[i]
		if m.Field == nil || m.Field.parent != p.message || m.Field.oneof != sel.Oneof || !m.Field.isSingularMessage() {
			return step{}, fmt.Errorf("%s: a member of %q is no message of oneof %d", p.message.FullName(), sel.Key, sel.Oneof)
		}
		member, err := c.field(p, m)
		if err != nil {
			return step{}, err
		}
		s.members[m.Field.number] = &member
		s.joins = s.joins || member.joins
	}
	return s, nil
}

func (c *selector) join(sel *Selection) (step, error) {
	if _, twice := c.joins[sel.Join]; twice {
		return step{}, fmt.Errorf("join %d is selected twice", sel.Join)
	}
	index := len(c.numbers)
	c.joins[sel.Join] = index
	c.numbers = append(c.numbers, sel.Join)
	return step{shape: shapeJoin, join: index, joins: true}, nil
}

func (c *selector) field(p *Projection, sel *Selection) (step, error) {
	f := sel.Field
	b := builder{types: c.types, projection: p}
	if f.message == nil && sel.Children != nil {
		return step{}, fmt.Errorf("%s has no fields to select", f.desc.FullName())
	}
	if f.message == nil {
		s := b.fieldStep(f, Options{}, nil)
		s.value.graphql = true
		s.absent = orNull(s.defaultText())
		if text := s.declaredDefault(); text != "" {
			s.absent = text
		}
		return s, nil
	}
	if sel.Children == nil {
		return c.whole(&b, f), nil
	}
	joined := len(c.numbers)
	child, err := c.object(f.message, sel.Children, f.isMap)
	if err != nil {
		return step{}, err
	}
	s := b.fieldStep(f, Options{}, child)
	if f.isMap {
		s.shape = shapeEntries
		s.entry.child = child
	}
	s.joins = len(c.numbers) > joined
	s.absent = "null"
	if f.isMap || f.repeated {
		s.absent = "[]"
	}
	return s, nil
}

// whole returns the step that writes a message or a map as one JSON value. A
// wrapper is a scalar of GraphQL, so its number must be finite.
func (c *selector) whole(b *builder, f *Field) step {
	s := b.fieldStep(f, Options{}, nil)
	if f.message.wellKnown == wellKnownWrapper {
		s.value.child = c.types.projectAll(f.message, Options{}, true)
	}
	s.absent = orNull(s.defaultText())
	return s
}

// declaredDefault returns the default that the file declares for an optional scalar, such as `[default = 1]`, and "" if
// it declares none that JSON can contain. An absent member of a oneof has none: another member is set.
func (s *step) declaredDefault() string {
	fd := s.field.desc
	if !fd.HasDefault() || fd.ContainingOneof() != nil {
		return ""
	}
	switch v := fd.Default(); fd.Kind() {
	case protoreflect.StringKind:
		return quoted(v.String(), false)
	case protoreflect.BytesKind:
		return string(appendBase64(nil, v.Bytes()))
	default:
		bits, ok := numberBits(v)
		if !ok || !finite(fd.Kind(), bits) {
			return ""
		}
		return string(s.value.appendNumber(nil, bits))
	}
}

// numberBits returns a number as loadNumber does.
func numberBits(v protoreflect.Value) (bits uint64, ok bool) {
	switch n := v.Interface().(type) {
	case bool:
		return protowire.EncodeBool(n), true
	case int32:
		return uint64(n), true
	case int64:
		return uint64(n), true
	case uint32:
		return uint64(n), true
	case uint64:
		return n, true
	case float32:
		return uint64(math.Float32bits(n)), true
	case float64:
		return math.Float64bits(n), true
	case protoreflect.EnumNumber:
		return uint64(n), true
	}
	return 0, false
}

func orNull(text string) string {
	if text == "" {
		return "null"
	}
	return text
}
