package wire

import (
	"errors"
	"math"
	"slices"
	"sync"
)

// AppendJSON appends msg as JSON to dst. It keeps neither dst nor msg. A sink may
// be nil where the projection has no joins and no non-null fields. Bytes that
// are no valid message are an error, and dst is then returned as it was given.
// Where a fault reached the root, null is appended and the error is [ErrNull].
//
// Messages may be nested 100 levels deep and be smaller than 2 GiB. A required
// field that is projected and absent makes a message malformed, save inside an Any. What a
// projection does not read is only checked to be a sequence of records.
func (p *Projection) AppendJSON(dst, msg []byte, sink *Sink) ([]byte, error) {
	if len(msg) > math.MaxInt32 {
		return dst, p.message.malformed(errTooLong)
	}
	w := newWriter(p.joins, msg, sink)
	w.root, w.start = p, len(dst)
	w.limit = len(dst) + w.sink.budget()
	w.soft = min(w.limit, len(dst)+unmeasured)
	before := len(w.sink.Faults)
	out, err := w.message(dst, p, span{end: int32(len(msg))})
	if err == nil && len(out) > w.limit {
		err = ErrTooLarge
	}
	w.sink.turn(before)
	w.free()
	switch {
	case err == nil:
		return out, nil
	case errors.Is(err, ErrNull):
		return append(dst, "null"...), ErrNull
	default:
		return dst, err
	}
}

// writer is the state of one walk of a message.
type writer struct {
	src      []byte
	sink     *Sink
	root     *Projection
	start    int // len(dst) before the message
	limit    int // of len(dst)
	soft     int // len(dst) above which reserve is called, where elements and selections multiply
	measured bool
	depth    int  // messages that were entered
	partial  bool // inside an Any, where required fields may be absent

	slots    []slot    // a stack: each message that was entered has its slots
	spans    []span    // a stack: chains of those slots
	entries  []mapItem // a stack: the entries of maps that are being written
	groups   groupEnds // a stack: the groups of those messages
	ordinals []int     // how often each join occurred
	joins    []int     // their numbers
	visit    *visit    // what Keys looks for
	unheard  Sink      // where the caller gave none
}

var writers = sync.Pool{New: func() any {
	return new(writer)
}}

// newWriter returns a writer for msg. Nothing of it may be used after free.
func newWriter(joins []int, msg []byte, sink *Sink) *writer {
	w := writers.Get().(*writer)
	w.src, w.sink, w.joins = msg, sink, joins
	if sink == nil {
		w.sink = &w.unheard
	}
	w.ordinals = slices.Grow(w.ordinals[:0], len(joins))[:len(joins)]
	clear(w.ordinals)
	return w
}

// maxPooled bounds the stacks of a pooled writer, in elements: one outsized message
// must not hold memory for good.
const maxPooled = 1 << 14

func (w *writer) free() {
	if cap(w.slots) > maxPooled || cap(w.spans) > maxPooled || cap(w.entries) > maxPooled || cap(w.groups.ends) > maxPooled {
		return
	}
	w.src, w.sink, w.joins, w.visit, w.unheard = nil, nil, nil, nil, Sink{}
	w.depth, w.partial, w.root, w.measured = 0, false, nil, false
	w.slots, w.spans, w.entries = w.slots[:0], w.spans[:0], w.entries[:0]
	w.groups.release(groupMark{})
	writers.Put(w)
}

// message writes a message in the form that its type and projection ask for.
func (w *writer) message(dst []byte, p *Projection, body span) ([]byte, error) {
	return w.enter(dst, p, body, (*writer).form)
}

// enter indexes a message, writes it, and forgets its slots.
func (w *writer) enter(dst []byte, p *Projection, body span, write writeFunc) ([]byte, error) {
	if w.depth == maxMessageDepth {
		return dst, p.message.malformed(errTooDeep)
	}
	w.depth++
	f := w.frame()
	slots, err := w.index(p.message, &p.layout, body)
	if err == nil {
		dst, err = write(w, dst, p, slots)
	}
	w.release(f)
	w.depth--
	return dst, err
}

// writeFunc writes a message whose records are in slots.
type writeFunc func(w *writer, dst []byte, p *Projection, slots []slot) ([]byte, error)

// form chooses how a message is written.
func (w *writer) form(dst []byte, p *Projection, slots []slot) ([]byte, error) {
	switch {
	case p.selected:
		return w.selection(dst, p, slots)
	case p.message.HasOwnForm():
		return w.wellKnown(dst, p, slots)
	default:
		return w.members(append(dst, '{'), p, slots)
	}
}

// members writes the members of a ProtoJSON object and closes it.
func (w *writer) members(dst []byte, p *Projection, slots []slot) ([]byte, error) {
	var err error
	for i := range p.steps {
		s := &p.steps[i]
		value := slots[s.slot]
		if value.empty() {
			if s.skipped {
				continue
			}
		} else if s.usual != usualNot {
			if size := w.usualMember(dst, s, value); size > 0 {
				dst = dst[:len(dst)+size]
				continue
			}
		}
		if dst, err = w.member(dst, s, value); err != nil {
			return dst, err
		}
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
	}
	return closed(dst, '}'), nil
}

// member writes one member, with a comma, or what stands for it.
func (w *writer) member(dst []byte, s *step, value slot) ([]byte, error) {
	if value.empty() || s.implicit && w.isZero(s.field, value) {
		if s.skipped {
			return dst, nil
		}
		return w.absent(dst, s), nil
	}
	dst, err := w.field(s.appendKey(dst), s, value)
	return append(dst, ','), err
}

// absent writes what stands for a field without a value: null where the caller may
// not see the field, since a default would be a lie.
func (w *writer) absent(dst []byte, s *step) []byte {
	if w.sink.Denied != nil && w.sink.Denied(s.field) {
		return append(append(dst, s.key...), "null,"...)
	}
	return append(dst, s.absent...)
}

// closed ends an object or list: over the comma of its last element, if it has one.
func closed(dst []byte, bracket byte) []byte {
	if last := len(dst) - 1; dst[last] == ',' {
		dst[last] = bracket
		return dst
	}
	return append(dst, bracket)
}

// field writes the value of a field that is present.
func (w *writer) field(dst []byte, s *step, at slot) ([]byte, error) {
	switch s.shape {
	case shapeScalar:
		return w.scalar(dst, &s.value, int(at.first), int(at.last))
	case shapeMessage:
		return w.message(dst, s.value.child, w.pieces(at))
	case shapeList:
		return w.list(dst, s, at)
	case shapeMap:
		return w.mapObject(dst, s, at)
	default:
		return w.mapEntries(dst, s, at)
	}
}
