package wire

import (
	"fmt"
	"math"
	"slices"
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

// Path compiles a dotted path of JSON or proto names, which may have dots and brackets themselves. Every field but the last
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
// through, which reports whether a path may lead through a field.
func (m *Message) fieldsAt(dotted string, through func(*Field) bool) ([]*Field, error) {
	w := pathWalk{dotted: dotted, through: through}
	if !w.from(m, dotted) {
		return nil, w.fault
	}
	slices.Reverse(w.fields)
	return w.fields, nil
}

// CutKey splits the name of a map entry, such as `labels[color]`, into the path of the map and the key. It returns false for
// any other name, also for that of a field whose own name has brackets.
func (m *Message) CutKey(name string) (path, key string, ok bool) {
	w := pathWalk{dotted: name, through: (*Field).isSingularMessage, entries: true}
	if !strings.HasSuffix(name, "]") || !w.from(m, name) || w.bracket == 0 {
		return name, "", false
	}
	return name[:w.bracket], name[w.bracket+1 : len(name)-1], true
}

// pathWalk finds the fields of a dotted path. A json_name and the name of an extension may have dots and brackets
// themselves; they are tried first, the longest first, so that a whole name takes precedence over its parts.
type pathWalk struct {
	dotted  string
	through func(*Field) bool
	entries bool // the last field may be a map with a key in brackets

	depth, steps int
	fields       []*Field // innermost first
	bracket      int      // where the key of a map begins, or 0
	fault        error    // of the first try
}

// maxPathSteps bounds the messages in which a name is looked up. Without names that have dots each message is one step.
const maxPathSteps = 10 * maxPathLength

// from finds the rest of the path in a message.
func (w *pathWalk) from(m *Message, rest string) bool {
	if w.depth++; w.depth > maxPathLength {
		return w.fail("%s: more than %d fields", w.dotted, maxPathLength)
	}
	defer func() { w.depth-- }()
	if w.steps++; w.steps > maxPathSteps {
		return w.fail("%s: the names in it can be read in too many ways", w.dotted)
	}
	for _, name := range m.oddNames {
		if tail, ok := strings.CutPrefix(rest, name); ok && w.behind(m.names[name], tail) {
			return true
		}
	}
	name := rest
	if end := strings.IndexAny(rest, w.separators()); end >= 0 {
		name = rest[:end]
	}
	f := m.names[name]
	if f == nil {
		return w.fail("%s: %s has no field %q", w.dotted, m.FullName(), name)
	}
	return w.behind(f, rest[len(name):])
}

func (w *pathWalk) separators() string {
	if w.entries {
		return ".["
	}
	return "."
}

// behind finds what is left of the path behind the name of a field.
func (w *pathWalk) behind(f *Field, tail string) bool {
	switch {
	case tail == "":
	case w.entries && tail[0] == '[' && f.isMap:
		w.bracket = len(w.dotted) - len(tail)
	case tail[0] != '.':
		return false
	case !w.through(f):
		return w.fail("%s: a path cannot lead through %s", w.dotted, f.desc.FullName())
	case !w.from(f.message, tail[1:]):
		return false
	}
	if !w.entries {
		w.fields = append(w.fields, f)
	}
	return true
}

// fail remembers why the first try failed. Nobody reads the reason for a map entry.
func (w *pathWalk) fail(format string, args ...any) bool {
	if w.fault == nil && !w.entries {
		w.fault = fmt.Errorf(format, args...)
	}
	return false
}

func (f *Field) isSingularMessage() bool {
	return f.message != nil && !f.repeated && !f.isMap
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
