package wire

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Resolver finds what wire bytes can only name: the message in an Any and the
// extensions of a message. It must be safe for concurrent use and must answer
// the same for the life of a [Types].
type Resolver interface {
	// FindMessageByName returns nil where there is no such message.
	FindMessageByName(protoreflect.FullName) protoreflect.MessageDescriptor
	// ExtensionsOf returns the known extensions of a message, by number.
	ExtensionsOf(protoreflect.FullName) []protoreflect.ExtensionDescriptor
}

// Types compiles message descriptors and keeps what it compiled, one [Message]
// for each descriptor. It is safe for concurrent use.
//
// Nothing is ever forgotten: a Types lives as long as the schema it was made for. A compiled
// message takes about 0.5 KiB and a field 0.3 KiB; each set of [Options] that a message is projected with takes
// as much again per field. Descriptors are a stranger's, so whoever accepts them bounds how many they are:
// 200,000 fields are 75 MiB.
type Types struct {
	resolver Resolver
	required atomic.Bool // a message has required fields

	mu          sync.RWMutex
	messages    map[protoreflect.MessageDescriptor]*Message
	enums       map[protoreflect.EnumDescriptor]*enumPlan
	named       map[string]*Message // found by name so far; see named.go
	projections map[projectionKey]*Projection
}

// NewTypes returns an empty collection. A nil resolver knows nothing.
func NewTypes(resolver Resolver) *Types {
	return &Types{
		resolver:    resolver,
		messages:    make(map[protoreflect.MessageDescriptor]*Message),
		enums:       make(map[protoreflect.EnumDescriptor]*enumPlan),
		named:       make(map[string]*Message),
		projections: make(map[projectionKey]*Projection),
	}
}

// Message compiles a message type and all that it contains, or returns what an
// earlier call compiled. The descriptor is kept, and identified by its identity.
func (t *Types) Message(md protoreflect.MessageDescriptor) *Message {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.message(md)
}

// Message is a compiled message type. It is immutable and safe for concurrent use.
type Message struct {
	desc      protoreflect.MessageDescriptor
	types     *Types
	wellKnown wellKnown

	fields   []*Field                    // declared order, then extensions by number; a field's index is its slot
	dense    []*Field                    // by number, below denseFields
	sparse   map[protowire.Number]*Field // numbers from denseFields
	names    map[string]*Field           // JSON names, proto names, [extension.names]
	oddNames []string                    // those with a dot or a bracket, longest first; see path.go
	required []*Field                    // proto2 required and LEGACY_REQUIRED
	reach    requiredReach
	oneofs   int // how many oneofs are declared

	full [optionSets]atomic.Pointer[Projection] // projections of all fields, by Options.index
}

const denseFields = 64

// Descriptor returns what the message was compiled from.
func (m *Message) Descriptor() protoreflect.MessageDescriptor { return m.desc }

// FullName returns the message's name with its package.
func (m *Message) FullName() protoreflect.FullName { return m.desc.FullName() }

// Fields returns the fields in declaration order, then the known extensions by
// number. The slice must not be changed.
func (m *Message) Fields() []*Field { return m.fields }

// FieldByName finds a field by its JSON name, its name in the .proto file or,
// for an extension, its full name in brackets. It returns nil where there is none.
func (m *Message) FieldByName(name string) *Field { return m.names[name] }

// FieldByNumber finds a field by its number. It returns nil where there is none.
func (m *Message) FieldByNumber(n protowire.Number) *Field {
	if n >= 0 && int(n) < len(m.dense) {
		return m.dense[n]
	}
	return m.sparse[n]
}

// Field is a compiled field of a [Message]. It is immutable and safe for concurrent use.
type Field struct {
	desc     protoreflect.FieldDescriptor
	parent   *Message
	slot     int
	number   protowire.Number
	kind     protoreflect.Kind
	wireType protowire.Type // of one element, never of a packed list

	repeated bool // a list, not a map
	isMap    bool
	packed   bool
	presence bool // explicit presence: absence differs from the default
	utf8     bool // strings must be valid UTF-8

	tag       []byte // the encoded tag of one element
	packedTag []byte // the encoded tag of a packed list; nil where the kind cannot be packed
	endTag    []byte // ends a group; nil elsewhere

	jsonName  string    // lowerCamelCase or json_name, or [extension.name]; see setJSONNames
	key       string    // jsonName as JSON has it, and a colon; empty where it would need an escape
	shortKey  shortText // the same
	protoName string    // as in the .proto file, or [extension.name]

	message *Message // of messages, groups and map entries
	enum    *enumPlan
	oneof   int // index of the containing real oneof in its message, or -1
}

// Descriptor returns what the field was compiled from.
func (f *Field) Descriptor() protoreflect.FieldDescriptor { return f.desc }

// Number returns the field's number.
func (f *Field) Number() protowire.Number { return f.number }

// Kind returns the kind of one element.
func (f *Field) Kind() protoreflect.Kind { return f.kind }

// JSONName returns the name in JSON, which no other field of the message has. It differs from that of the descriptor only where
// another field has that one.
func (f *Field) JSONName() string { return f.jsonName }

// IsList reports whether the field is repeated and not a map.
func (f *Field) IsList() bool { return f.repeated }

// IsMap reports whether the field is a map. Its [Field.Message] is then the
// entry, with the fields key (1) and value (2).
func (f *Field) IsMap() bool { return f.isMap }

// HasPresence reports whether absence differs from the default value.
func (f *Field) HasPresence() bool { return f.presence }

// Message returns the compiled type of a message, group or map entry, and nil
// for scalars.
func (f *Field) Message() *Message { return f.message }

// enumPlan is a compiled enum. Aliases are written under their first name.
type enumPlan struct {
	desc    protoreflect.EnumDescriptor
	names   map[protoreflect.EnumNumber]string
	numbers map[string]protoreflect.EnumNumber
	dense   []string // quoted names of the numbers from 0, "" where there is none
	null    bool     // google.protobuf.NullValue
}

// message compiles md. A plan is registered before it is filled, so recursion
// needs no special case. The caller holds t.mu.
func (t *Types) message(md protoreflect.MessageDescriptor) *Message {
	if m := t.messages[md]; m != nil {
		return m
	}
	m := &Message{
		desc:      md,
		types:     t,
		wellKnown: wellKnownOf(md),
		names:     make(map[string]*Field),
		oneofs:    md.Oneofs().Len(),
	}
	t.messages[md] = m
	for i := range md.Fields().Len() {
		t.addField(m, md.Fields().Get(i))
	}
	if t.resolver != nil {
		for _, ext := range t.resolver.ExtensionsOf(md.FullName()) {
			if m.FieldByNumber(ext.Number()) == nil {
				t.addField(m, ext)
			}
		}
	}
	m.setNames()
	return m
}

// setNames gives each field a JSON name of its own, and fills the index of names. If a JSON name is also the name of another
// field in the .proto file, the JSON name wins.
func (m *Message) setNames() {
	m.setJSONNames()
	for _, f := range m.fields {
		m.setName(f.protoName, f)
		if !f.desc.IsExtension() {
			m.setName(string(f.desc.Name()), f) // a group's field is written with its type's name
		}
	}
	for name := range m.names {
		if strings.ContainsAny(name, ".[") {
			m.oddNames = append(m.oddNames, name)
		}
	}
	slices.SortFunc(m.oddNames, func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), strings.Compare(a, b))
	})
}

// setJSONNames settles which field has a JSON name that proto2 and json_name let several fields have: the one that is called
// so in the .proto file, or else the first. The others are called as in the .proto file, since readers of JSON resolve duplicate
// names differently (RFC 8259, section 4).
func (m *Message) setJSONNames() {
	for _, f := range m.fields {
		if owner := m.names[f.jsonName]; owner == nil || f.protoName == f.jsonName && owner.protoName != f.jsonName {
			m.names[f.jsonName] = f
		}
	}
	for _, f := range m.fields {
		if m.names[f.jsonName] != f {
			f.jsonName = m.freeName(f)
			m.names[f.jsonName] = f
		}
		f.setKey()
	}
}

// freeName returns the name of a field in the .proto file, with its number if that is the JSON name of another field.
func (m *Message) freeName(f *Field) string {
	name := f.protoName
	for m.names[name] != nil {
		name += "_" + strconv.Itoa(int(f.number))
	}
	return name
}

func (m *Message) setName(name string, f *Field) {
	if _, taken := m.names[name]; !taken {
		m.names[name] = f
	}
}

// setKey prepares the JSON name for writing.
func (f *Field) setKey() {
	if quoted := strconv.Quote(f.jsonName); quoted == `"`+f.jsonName+`"` {
		f.key = quoted + ":"
	}
	f.shortKey = newShortText(f.key)
}

func (t *Types) addField(m *Message, fd protoreflect.FieldDescriptor) {
	f := &Field{
		desc:      fd,
		parent:    m,
		slot:      len(m.fields),
		number:    fd.Number(),
		kind:      fd.Kind(),
		wireType:  wireTypeOf(fd.Kind()),
		repeated:  fd.IsList(),
		isMap:     fd.IsMap(),
		packed:    fd.IsPacked(),
		presence:  fd.HasPresence(),
		utf8:      enforceUTF8(fd),
		jsonName:  fd.JSONName(),
		protoName: fd.TextName(),
		oneof:     -1,
	}
	if fd.IsExtension() {
		f.jsonName = "[" + string(fd.FullName()) + "]"
		f.protoName = f.jsonName
	}
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		f.oneof = od.Index()
	}
	f.tag = protowire.AppendTag(nil, f.number, f.wireType)
	switch f.wireType {
	case protowire.StartGroupType:
		f.endTag = protowire.AppendTag(nil, f.number, protowire.EndGroupType)
	case protowire.VarintType, protowire.Fixed32Type, protowire.Fixed64Type:
		f.packedTag = protowire.AppendTag(nil, f.number, protowire.BytesType)
	}
	m.fields = append(m.fields, f)
	m.setNumber(f)
	if fd.Cardinality() == protoreflect.Required {
		m.required = append(m.required, f)
		t.required.Store(true)
	}
	if ed := fd.Enum(); ed != nil {
		f.enum = t.enum(ed)
	}
	if md := fd.Message(); md != nil {
		f.message = t.message(md)
	}
}

func (m *Message) setNumber(f *Field) {
	if f.number < denseFields {
		for int(f.number) >= len(m.dense) {
			m.dense = append(m.dense, nil)
		}
		m.dense[f.number] = f
		return
	}
	if m.sparse == nil {
		m.sparse = make(map[protowire.Number]*Field)
	}
	m.sparse[f.number] = f
}

func (t *Types) enum(ed protoreflect.EnumDescriptor) *enumPlan {
	if e := t.enums[ed]; e != nil {
		return e
	}
	e := &enumPlan{
		desc:    ed,
		names:   make(map[protoreflect.EnumNumber]string),
		numbers: make(map[string]protoreflect.EnumNumber),
		null:    ed.FullName() == "google.protobuf.NullValue",
	}
	t.enums[ed] = e
	for i := range ed.Values().Len() {
		v := ed.Values().Get(i)
		e.numbers[string(v.Name())] = v.Number()
		if _, alias := e.names[v.Number()]; alias {
			continue
		}
		e.names[v.Number()] = string(v.Name())
	}
	for n := protoreflect.EnumNumber(0); n < 256; n++ {
		name, ok := e.names[n]
		if !ok {
			if len(e.dense) >= len(e.names) {
				break
			}
			e.dense = append(e.dense, "")
			continue
		}
		e.dense = append(e.dense, strconv.Quote(name))
	}
	return e
}

func wireTypeOf(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	default:
		return protowire.VarintType
	}
}

// enforceUTF8 reports whether strings of the field must be valid UTF-8. JSON has
// no other strings, so a proto2 string that is not is refused on the way out too.
func enforceUTF8(fd protoreflect.FieldDescriptor) bool {
	if e, ok := fd.(interface{ EnforceUTF8() bool }); ok {
		return e.EnforceUTF8()
	}
	return fd.Syntax() == protoreflect.Proto3
}
