package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// layout says into which slots an index pass sorts the records of a message.
type layout struct {
	dense    []target                     // by number, below denseFields
	sparse   map[protowire.Number]*target // numbers from denseFields
	slots    int
	oneofs   map[int]int32 // the slots that follow oneofs
	required []requirement
}

// requirement is a slot that must be filled.
type requirement struct {
	slot  int32
	field *Field
}

// target is where records of one number go.
type target struct {
	tag    uint32 // of the records that are kept, or 0: the field is not selected
	packed uint32 // the tag of a packed list, which is taken too, or 0
	slot   int32  // -1: nothing is kept, only the oneof is followed
	oneof  int32  // the slot that follows the oneof, or -1
	keep   keep
	usual  usual
	utf8   bool
}

// keep says what a slot keeps of the records of its field.
type keep uint8

const (
	keepLast    keep = iota // the value of the last record
	keepAll                 // values that are one merged message
	keepRecords             // runs of records: the elements of a list
)

// usual says which of its records indexUsual keeps by itself.
type usual uint8

const (
	usualNone    usual = iota
	usualValue         // the first one
	usualElement       // the first one, and those that follow on it
)

var unselected target

// takes reports whether records with a tag are kept.
func (t *target) takes(tag uint32) bool { return tag == t.tag || tag == t.packed }

// target returns where records of a number go.
func (l *layout) target(n protowire.Number) *target {
	if int(n) < len(l.dense) {
		return &l.dense[n]
	}
	if n >= denseFields {
		if t := l.sparse[n]; t != nil {
			return t
		}
	}
	return &unselected
}

// slotOf returns the slot of a field and makes one where there is none.
func (l *layout) slotOf(f *Field) int32 {
	if t := l.target(f.number); t.tag != 0 && t.slot >= 0 {
		return t.slot
	}
	t := newTarget(f)
	t.slot = l.newSlot()
	if f.oneof >= 0 {
		t.oneof = l.follow(f.parent, f.oneof)
	}
	switch {
	case t.keep == keepRecords:
		t.usual = usualElement
	case f.oneof < 0:
		t.usual = usualValue
	}
	l.set(f.number, t)
	if f.desc.Cardinality() == protoreflect.Required {
		l.required = append(l.required, requirement{t.slot, f})
	}
	return t.slot
}

// follow returns the slot that holds which member of a oneof is set. It needs
// the records of all members, also of those that are not selected.
func (l *layout) follow(m *Message, oneof int) int32 {
	if slot, ok := l.oneofs[oneof]; ok {
		return slot
	}
	if l.oneofs == nil {
		l.oneofs = make(map[int]int32)
	}
	slot := l.newSlot()
	l.oneofs[oneof] = slot
	for _, f := range m.fields {
		if f.oneof == oneof {
			t := newTarget(f)
			t.oneof = slot
			l.set(f.number, t)
		}
	}
	return slot
}

func newTarget(f *Field) target {
	t := target{
		tag:   uint32(protowire.EncodeTag(f.number, f.wireType)),
		utf8:  f.utf8 && f.kind == protoreflect.StringKind,
		slot:  -1,
		oneof: -1,
	}
	switch {
	case f.repeated, f.isMap:
		t.keep = keepRecords
		if f.packedTag != nil {
			t.packed = uint32(protowire.EncodeTag(f.number, protowire.BytesType))
		}
	case f.message != nil:
		t.keep = keepAll
	}
	return t
}

func (l *layout) newSlot() int32 {
	l.slots++
	return int32(l.slots - 1)
}

func (l *layout) set(n protowire.Number, t target) {
	if n >= denseFields {
		if l.sparse == nil {
			l.sparse = make(map[protowire.Number]*target)
		}
		l.sparse[n] = &t
		return
	}
	for int(n) >= len(l.dense) {
		l.dense = append(l.dense, target{})
	}
	l.dense[n] = t
}
