package wire

import (
	"cmp"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options say how messages are written as JSON. The zero value is canonical ProtoJSON.
type Options struct {
	EmitDefaults bool // write absent fields without presence, empty lists and maps
	ProtoNames   bool // names as in the .proto file
	EnumNumbers  bool // enums as numbers
	HTMLSafe     bool // escape <, > and & in strings
}

const optionSets = 1 << 4

// index numbers the sets of options.
func (o Options) index() int {
	n := 0
	for i, on := range [...]bool{o.EmitDefaults, o.ProtoNames, o.EnumNumbers, o.HTMLSafe} {
		if on {
			n |= 1 << i
		}
	}
	return n
}

// Projection says which fields of a message are written as JSON, under which
// names and in which order. It is immutable and safe for concurrent use.
type Projection struct {
	message *Message
	options Options
	// selected: the GraphQL form of an object, whatever the message is.
	selected bool
	steps    []step
	layout
	// joins are the callers' numbers of joined fields; only at the root of a selection.
	joins []int
}

// step writes one member of a JSON object.
type step struct {
	shape shape
	slot  int32
	field *Field
	// key is `"name":`, and shortKey the same with bytes behind it, if it fits in there.
	key      string
	shortKey [16]byte
	// absent is what stands for a missing value: in ProtoJSON with the key and a
	// comma, or nothing at all; in a selection the value alone.
	absent string
	// implicit: a zero on the wire is no value.
	implicit bool
	usual    usualForm
	skipped  bool   // nothing is written for a missing value
	value    value  // the field, or one element of it
	entry    *entry // of maps

	selected bool   // belongs to a GraphQL selection
	nonNull  bool   // null is a fault that moves to the parent
	name     string // the response key
	raw      string
	cases    map[protowire.Number]string // quoted
	members  map[protowire.Number]*step  // of unions
	join     int                         // index in the root's joins
	joins    bool                        // there are joins below
}

// shape says what a step reads and writes.
type shape uint8

const (
	shapeScalar  shape = iota
	shapeMessage       // also groups
	shapeList
	shapeMap     // a map as JSON object
	shapeEntries // a map as list of entries
	shapeRaw
	shapeOneof
	shapeUnion
	shapeJoin
)

// value says how one value is written.
type value struct {
	field   *Field
	child   *Projection // of messages
	html    bool        // escape <, > and & in strings
	numbers bool        // enums as numbers
	graphql bool        // GraphQL forms
}

// Project returns the projection of all fields. It is made once for each set of
// options and kept as long as the Types.
func (m *Message) Project(o Options) *Projection {
	if p := m.full[o.index()].Load(); p != nil {
		return p
	}
	m.types.mu.Lock()
	defer m.types.mu.Unlock()
	p := m.types.projectAll(m, o, false)
	m.full[o.index()].Store(p)
	return p
}

type projectionKey struct {
	message *Message
	options Options
	graphql bool
}

// projectAll returns the projection of all fields of m. It is registered before
// it is filled, so recursion needs no special case. The GraphQL forms of values
// concern wrappers, which have no selection. The caller holds t.mu.
func (t *Types) projectAll(m *Message, o Options, graphql bool) *Projection {
	key := projectionKey{m, o, graphql}
	if p := t.projections[key]; p != nil {
		return p
	}
	p := &Projection{message: m, options: o}
	t.projections[key] = p
	b := builder{types: t, projection: p}
	for _, f := range outputOrder(m) {
		s := b.fieldStep(f, o, nil)
		s.value.graphql = graphql
		p.steps = append(p.steps, s)
	}
	return p
}

// outputOrder returns the fields as they are written: in declaration order, then
// extensions by full name. Well-known messages are by number, so that slots are known.
func outputOrder(m *Message) []*Field {
	fields := slices.Clone(m.fields)
	declared := m.desc.Fields().Len()
	if m.wellKnown != ordinary {
		slices.SortFunc(fields[:declared], func(a, b *Field) int { return cmp.Compare(a.number, b.number) })
	}
	slices.SortFunc(fields[declared:], func(a, b *Field) int {
		return cmp.Compare(a.desc.FullName(), b.desc.FullName())
	})
	return fields
}

// builder fills a projection.
type builder struct {
	types      *Types
	projection *Projection
}

// fieldStep returns the step that writes a field in ProtoJSON. Child projects its
// message; nil projects all of it.
func (b *builder) fieldStep(f *Field, o Options, child *Projection) step {
	name := f.jsonName
	if o.ProtoNames {
		name = f.protoName
	}
	s := step{
		field:    f,
		slot:     b.projection.slotOf(f),
		implicit: f.implicit(),
		shape:    shapeOf(f),
		value:    b.valueOf(f, o, child),
	}
	s.setKey(name, o.HTMLSafe)
	if f.isMap {
		s.entry = b.entryOf(f, o)
	}
	if text := s.defaultText(); o.EmitDefaults && text != "" && !f.desc.IsExtension() {
		s.absent = s.key + text + ","
	}
	s.skipped = s.absent == ""
	return s
}

func (b *builder) valueOf(f *Field, o Options, child *Projection) value {
	v := value{field: f, child: child, html: o.HTMLSafe, numbers: o.EnumNumbers}
	if child == nil && f.message != nil && !f.isMap {
		v.child = b.types.projectAll(f.message, o, false)
	}
	return v
}

func shapeOf(f *Field) shape {
	switch {
	case f.isMap:
		return shapeMap
	case f.repeated:
		return shapeList
	case f.message != nil:
		return shapeMessage
	default:
		return shapeScalar
	}
}

// setKey sets the name of the member, once its value is known.
func (s *step) setKey(name string, html bool) {
	s.key = quoted(name, html) + ":"
	copy(s.shortKey[:], s.key)
	s.usual = usualNot
	if s.shape == shapeScalar && len(s.key) <= len(s.shortKey) {
		s.usual = usualOf(&s.value)
	}
}

// appendKey appends the key. A copy of fixed size saves a call, and a list of books
// 2 % of its instructions.
func (s *step) appendKey(dst []byte) []byte {
	if len(s.key) > len(s.shortKey) {
		return append(dst, s.key...)
	}
	end := len(dst)
	dst = slices.Grow(dst, len(s.shortKey))
	*(*[16]byte)(dst[end : end+len(s.shortKey)]) = s.shortKey
	return dst[:end+len(s.key)]
}

// implicit reports whether a zero of the field is the same as its absence.
func (f *Field) implicit() bool {
	return !f.presence && !f.repeated && !f.isMap
}

// defaultText returns what stands for an absent field that has no presence, and
// "" for fields with presence.
func (s *step) defaultText() string {
	switch {
	case s.field.isMap:
		return "{}"
	case s.field.repeated:
		return "[]"
	case s.field.presence:
		return ""
	default:
		return s.value.zeroText()
	}
}

// zeroText returns the JSON of an absent scalar, map key or map value.
func (v *value) zeroText() string {
	switch v.field.kind {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.EnumKind:
		return string(v.appendNumber(nil, uint64(v.field.desc.Default().Enum())))
	default:
		return string(v.appendNumber(nil, 0))
	}
}

// quoted returns text as a JSON string. Names come from descriptors and
// documents: what is not UTF-8 in them is replaced.
func quoted(text string, html bool) string {
	q, _ := appendString(nil, []byte(strings.ToValidUTF8(text, "\uFFFD")), html)
	return string(q)
}
