package wire

import (
	"math"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Redaction takes fields out of messages, or puts a text in their place, without
// decoding the messages. It is immutable to its users and safe for concurrent use.
// Not to be confused with a field mask, which says what a client wants to see.
type Redaction struct {
	message *Message
	fields  map[protoreflect.FullName]*RedactRule // by Field
	root    *redactPlan

	mu    sync.RWMutex
	plans map[redactKey]*redactPlan // those for messages in Any are added when one is met
}

// RedactRule says what becomes of one field. Exactly one of Path and Field is given.
type RedactRule struct {
	// Path leads from the message to the field, in JSON or proto names, through
	// singular messages, groups and lists, and through maps by way of the entry: `prices.value.units`.
	// The field is redacted there and nowhere else.
	Path string
	// Field is the full name of a field or extension, such as acme.v1.User.email. It is
	// redacted wherever its message occurs, also in an Any whose type the resolver knows.
	Field protoreflect.FullName
	// Action is what is done. Where both a Path and a Field name a field, Path decides.
	Action RedactAction
	// Text stands in the place of each string or bytes that is replaced.
	Text string
}

// RedactAction says what a [RedactRule] does.
type RedactAction uint8

// The actions of rules.
const (
	// RedactDrop leaves the field out, whatever it holds.
	RedactDrop RedactAction = iota
	// RedactReplace puts a text in the place of a string or bytes that is present, or of
	// each element of a list. Where the field has no presence, and in maps, an empty one is absent.
	RedactReplace
)

// Apply returns msg as the rules want it. Where nothing is to be redacted that is
// msg itself; otherwise it is a new slice, which the caller owns. Msg is not changed.
//
// Bytes that are no valid message are an error that wraps [ErrMalformed], and nothing
// is returned. What cannot hold a redacted field is copied as it is, and only checked to be a
// sequence of records. Unknown fields are kept, and so is an Any of unknown type.
// The time is linear in the size of msg, and so is the memory: texts may make it at most 16 MiB
// longer. Messages may be nested 100 levels deep and be smaller than
// 2 GiB.
//
// Three things that no encoder writes are refused, since only a parser that merges
// could say what is to be redacted: a singular message in several records, or an Any
// with several types or none, if a redacted field may be in it, and several members
// of a oneof if one of them is dropped.
func (x *Redaction) Apply(msg []byte) ([]byte, error) {
	if !x.root.active {
		return msg, nil
	}
	if len(msg) > math.MaxInt32 {
		return nil, x.message.malformed(errTooLong)
	}
	r := redactors.Get().(*redactor)
	r.redaction, r.src = x, msg
	err := r.message(x.root, 0, len(msg))
	out := r.result()
	r.free()
	if err != nil {
		return nil, err
	}
	return out, nil
}

// maxRedactGrowth bounds what texts in the place of shorter ones add to a message, in bytes.
const maxRedactGrowth = 16 << 20

// redactor is the state of one Apply.
type redactor struct {
	redaction *Redaction
	src       []byte
	out       []byte // what was written so far; nil while nothing was redacted
	done      int    // src up to here is in out, or left out
	depth     int
	levels    []redactLevel // the messages around the current record, save groups
	opened    int           // how many of the levels have begun in out
	lengths   lengths
	seen      seenFields
	groups    groupEnds
}

// redactLevel is a message with a length that may have to change.
type redactLevel struct {
	length, content int // offsets in src
	mark            lengthMark
}

var redactors = sync.Pool{New: func() any { return new(redactor) }}

func (r *redactor) free() {
	if cap(r.groups.ends) > maxPooled {
		r.groups = groupEnds{}
	}
	r.redaction, r.src, r.out = nil, nil, nil
	r.done, r.depth, r.opened = 0, 0, 0
	r.levels, r.seen = r.levels[:0], r.seen[:0]
	r.lengths.reset()
	r.groups.release(groupMark{})
	redactors.Put(r)
}

// result returns the message. It is only right where no error occurred.
func (r *redactor) result() []byte {
	if r.out == nil {
		return r.src
	}
	return r.lengths.insert(append(r.out, r.src[r.done:]...))
}

// message redacts the records of a message that lies between two offsets.
func (r *redactor) message(p *redactPlan, start, end int) error {
	if r.depth == maxMessageDepth {
		return p.message.malformed(errTooDeep)
	}
	r.depth++
	known := r.groups.mark()
	r.groups.enter(int32(start))
	frame := r.seen.push(p.message)
	err := r.records(p, frame, start, end)
	r.seen.pop(frame)
	r.groups.release(known)
	r.depth--
	return err
}

func (r *redactor) records(p *redactPlan, frame, start, end int) error {
	if p.any {
		inner, err := r.typeOf(p, start, end)
		if err != nil {
			return err
		}
		p = inner
	}
	src := r.src[:end]
	for i := start; i < end; {
		rec, err := r.next(p.message, src, i)
		if err != nil {
			return err
		}
		if f := p.field(rec.number()); f != nil {
			if err := r.record(p, f, frame, i, rec); err != nil {
				return err
			}
		}
		i = int(rec.next)
	}
	return nil
}

func (r *redactor) next(m *Message, src []byte, i int) (record, error) {
	rec, ok := shortRecord(src, i)
	if ok {
		return rec, nil
	}
	rec, err := readRecord(src, i, maxMessageDepth-r.depth, &r.groups)
	if err != nil {
		return rec, m.malformed(err)
	}
	return rec, nil
}

// record redacts one record of a field that a rule concerns, or one below it.
func (r *redactor) record(p *redactPlan, f *redactField, frame, start int, rec record) error {
	fits := rec.wire() == f.field.wireType
	if fits && !r.alone(p, f, frame) {
		return f.field.malformed(errNotMerged)
	}
	switch {
	case f.drop, f.replacement != nil && !fits:
		r.replace(start, int(rec.next), nil)
		return nil
	case f.replacement != nil && f.sparesEmpty && rec.value == rec.end:
		return nil
	case f.replacement != nil:
		r.replace(start, int(rec.next), f.replacement)
		if len(r.out) > len(r.src)+maxRedactGrowth {
			return f.field.malformed(errGrown)
		}
		return nil
	case f.below == nil || !f.below.active || !fits:
		return nil
	case f.field.kind == protoreflect.GroupKind:
		return r.message(f.below, int(rec.value), int(rec.end))
	default:
		return r.nested(f, start, rec)
	}
}

// alone reports whether the record can be judged without those before it in the message.
func (r *redactor) alone(p *redactPlan, f *redactField, frame int) bool {
	first := !f.once && !f.guarded || r.seen.add(frame, f.field.slot)
	if f.once && !first {
		return false
	}
	another := f.guarded && !r.seen.add(frame, len(p.message.fields)+f.field.oneof) && first
	return !another
}

// nested redacts a message that has a length.
func (r *redactor) nested(f *redactField, start int, rec record) error {
	_, length := uvarint(r.src, start) // behind the tag
	r.levels = append(r.levels, redactLevel{length: length, content: int(rec.value)})
	if err := r.message(f.below, int(rec.value), int(rec.end)); err != nil {
		return err
	}
	last := len(r.levels) - 1
	if r.opened > last {
		r.out = append(r.out, r.src[r.done:rec.end]...)
		r.done = int(rec.end)
		r.lengths.end(r.out, r.levels[last].mark)
		r.opened = last
	}
	r.levels = r.levels[:last]
	return nil
}

// replace writes a text in the place of a part of src, and before it all that was
// not written yet. The lengths of the messages around it are left open.
func (r *redactor) replace(start, end int, text []byte) {
	if r.out == nil {
		r.out = make([]byte, 0, len(r.src)+len(text))
	}
	for ; r.opened < len(r.levels); r.opened++ {
		level := &r.levels[r.opened]
		r.out = append(append(r.out, r.src[r.done:level.length]...), 0)
		r.done = level.content
		level.mark = lengthMark{len(r.out), r.lengths.grown}
	}
	r.out = append(append(r.out, r.src[r.done:start]...), text...)
	r.done = end
}

// typeOf returns the plan for one Any: that of Any itself, with the message inside as
// what is below its value.
func (r *redactor) typeOf(p *redactPlan, start, end int) (*redactPlan, error) {
	var url []byte
	types, values := 0, 0
	for i, src := start, r.src[:end]; i < end; {
		rec, err := r.next(p.message, src, i)
		if err != nil {
			return nil, err
		}
		switch {
		case rec.wire() != protowire.BytesType:
		case rec.number() == 1:
			url = src[rec.value:rec.end]
			types++
		case rec.number() == 2:
			values++
		}
		i = int(rec.next)
	}
	if types > 1 || values > 1 || values == 1 && types == 0 {
		return nil, p.message.malformed(errNotMerged)
	}
	m := p.message.types.messageByURL(url)
	if m == nil {
		return p, nil
	}
	return p.holding(r.redaction.planOf(m)), nil
}
