package wire

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Path leads from a message through singular message fields to a field. It is
// immutable and safe for concurrent use.
type Path struct {
	fields  []*Field
	layouts []*layout // of the message of each field: its slot is 0
}

// maxPathLength bounds the fields of a path; deeper messages are not read.
const maxPathLength = maxMessageDepth

// Path compiles a dotted path of JSON or proto names. Every field but the last
// must be a singular message. An error names the part that is wrong.
func (m *Message) Path(dotted string) (*Path, error) {
	fields, err := m.fieldsAt(dotted, (*Field).isSingularMessage)
	if err != nil {
		return nil, err
	}
	p := &Path{fields: fields}
	for _, f := range fields {
		l := &layout{}
		l.slotOf(f)
		l.required = nil // a path reads what is there
		p.layouts = append(p.layouts, l)
	}
	return p, nil
}

// fieldsAt finds the fields that a dotted path names. All but the last must pass
// through, which says whether a path may go on behind a field.
func (m *Message) fieldsAt(dotted string, through func(*Field) bool) ([]*Field, error) {
	var fields []*Field
	for rest := dotted; ; {
		name, tail, more := cutName(rest)
		f := m.FieldByName(name)
		switch {
		case f == nil:
			return nil, fmt.Errorf("%s: %s has no field %q", dotted, m.FullName(), name)
		case len(fields) == maxPathLength:
			return nil, fmt.Errorf("%s: more than %d fields", dotted, maxPathLength)
		}
		fields = append(fields, f)
		if !more {
			return fields, nil
		}
		if !through(f) {
			return nil, fmt.Errorf("%s: a path cannot lead through %s", dotted, f.desc.FullName())
		}
		m, rest = f.message, tail
	}
}

func (f *Field) isSingularMessage() bool {
	return f.message != nil && !f.repeated && !f.isMap
}

// cutName cuts the first name off a dotted path. The dots in the brackets of an
// extension's name are part of it.
func cutName(dotted string) (name, rest string, more bool) {
	from := 0
	if strings.HasPrefix(dotted, "[") {
		from = max(0, strings.IndexByte(dotted, ']'))
	}
	if dot := strings.IndexByte(dotted[from:], '.'); dot >= 0 {
		return dotted[:from+dot], dotted[from+dot+1:], true
	}
	return dotted, "", false
}

// Field returns the last field.
func (p *Path) Field() *Field { return p.fields[len(p.fields)-1] }

// Fields returns all fields of the path, outermost first. The slice must not be changed.
func (p *Path) Fields() []*Field { return p.fields }

// String returns the path in JSON names.
func (p *Path) String() string {
	names := make([]string, len(p.fields))
	for i, f := range p.fields {
		names[i] = f.jsonName
	}
	return strings.Join(names, ".")
}

// Value is one scalar of a message in a form that can be compared: fields of
// different integer kinds with the same number have equal values.
type Value struct {
	// Bits is the integer (sign-extended), bool, enum number or IEEE 754 double.
	Bits uint64
	// Text holds strings and bytes. It aliases the message it was read from.
	Text string
}

// Values yields the scalars at the path in msg: none where the path is absent,
// one for a singular field (the last wins, split messages are merged), all of a
// list. It returns an error for bytes that are no valid message.
//
// A zero that was written is yielded, also where it is the same as absence. It is an
// error, too, if the path ends in a message or a map.
func (p *Path) Values(msg []byte, yield func(Value) bool) error {
	if err := p.endsInScalar(); err != nil {
		return err
	}
	return p.read(msg, func(f *Field, start, end int) bool {
		return yield(f.valueOf(msg, start, end))
	})
}

func (p *Path) endsInScalar() error {
	if f := p.Field(); f.message != nil {
		return fmt.Errorf("%s is a message or a map", f.desc.FullName())
	}
	return nil
}

// Messages yields the messages at the path, which must end in a message field: the
// elements of a list, or the one message of a singular field, merged if it was split.
// What is yielded aliases msg where it can. Of a map, the entries are yielded, as
// they were written.
func (p *Path) Messages(msg []byte, yield func(element []byte) bool) error {
	f := p.Field()
	if f.message == nil {
		return fmt.Errorf("%s is not a message", f.desc.FullName())
	}
	if f.repeated || f.isMap {
		return p.read(msg, func(_ *Field, start, end int) bool { return yield(msg[start:end:end]) })
	}
	var whole []byte
	found := false
	err := p.read(msg, func(_ *Field, start, end int) bool {
		if !found {
			whole = msg[start:end:end] // no room behind: the next part makes a copy
		} else {
			whole = append(whole, msg[start:end]...)
		}
		found = true
		return true
	})
	if err == nil && found {
		yield(whole)
	}
	return err
}

// read calls yield for each value at the path: the elements of a list, the parts of
// a message, the scalar.
func (p *Path) read(msg []byte, yield func(f *Field, start, end int) bool) error {
	m := p.fields[0].parent
	if len(msg) > math.MaxInt32 {
		return m.malformed(errTooLong)
	}
	w := newWriter(nil, msg, nil)
	err := w.follow(p, span{end: int32(len(msg))}, yield)
	w.free()
	return err
}

// follow reads the path from a message.
func (w *writer) follow(p *Path, body span, yield func(f *Field, start, end int) bool) error {
	frame := w.frame()
	defer w.release(frame)
	for i, f := range p.fields {
		slots, err := w.index(f.parent, p.layouts[i], body)
		if err != nil || slots[0].empty() {
			return err
		}
		if i == len(p.fields)-1 {
			return w.yieldAll(f, slots[0], yield)
		}
		body = w.pieces(slots[0])
	}
	return nil
}

func (w *writer) yieldAll(f *Field, at slot, yield func(f *Field, start, end int) bool) error {
	switch {
	case f.repeated, f.isMap:
		it := w.elements(at)
		for {
			start, end, err := it.next(w, f)
			if err != nil || start < 0 || !yield(f, start, end) {
				return err
			}
		}
	case f.message != nil:
		for part := w.pieces(at); ; part = w.spans[part.next] {
			if !yield(f, int(part.start), int(part.end)) || part.next == 0 {
				return nil
			}
		}
	default:
		yield(f, int(at.first), int(at.last))
		return nil
	}
}

// valueOf reads the scalar that is between start and end.
func (f *Field) valueOf(src []byte, start, end int) Value {
	switch f.kind {
	case protoreflect.StringKind, protoreflect.BytesKind:
		// Messages are immutable, so text may share their memory.
		return Value{Text: unsafe.String(unsafe.SliceData(src[start:end]), end-start)}
	case protoreflect.FloatKind:
		single := math.Float32frombits(uint32(loadNumber(src, f.kind, start)))
		return Value{Bits: math.Float64bits(float64(single))}
	default:
		return Value{Bits: loadNumber(src, f.kind, start)}
	}
}
