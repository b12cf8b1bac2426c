package wire

import (
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// slot is what the index pass found of a field: a range of bytes (keepLast), the
// first and last span of a chain (keepAll, keepRecords), or the number of the
// member that is set and its slot (oneofs). The zero slot is empty: offset 0 is
// always a tag, and span 0 is not used.
type slot struct{ first, last int32 }

func (s slot) empty() bool { return s == slot{} }

// member returns the number of the member that is set, of the slot of a oneof.
func (s slot) member() protowire.Number { return protowire.Number(s.first) }

// span is a range of source bytes. Next is the index of the following span of
// the chain, or 0.
type span struct{ start, end, next int32 }

// frame is how far the stacks of a writer were filled.
type frame struct {
	slots, spans, entries int
	groups                groupMark
}

func (w *writer) frame() frame {
	return frame{len(w.slots), len(w.spans), len(w.entries), w.groups.mark()}
}

func (w *writer) release(f frame) {
	w.slots, w.spans, w.entries = w.slots[:f.slots], w.spans[:f.spans], w.entries[:f.entries]
	w.groups.release(f.groups)
}

// index sorts the records of a message into slots. The body may be a chain of spans: parse(a+b) is
// merge(a, b), so a message that was split needs no copy. Everything is checked to be well-formed
// as far as it frames records; what is inside a field is checked when it is written, or
// when a later record overrules it.
func (w *writer) index(m *Message, l *layout, body span) ([]slot, error) {
	slots := w.newSlots(l.slots)
	w.groups.enter(body.start)
	for {
		if err := w.indexSpan(m, l, slots, body); err != nil {
			return slots, err
		}
		if body.next == 0 {
			break
		}
		body = w.spans[body.next]
	}
	if !w.partial {
		for _, r := range l.required {
			if slots[r.slot].empty() {
				return slots, r.field.malformed(errRequired)
			}
		}
	}
	return slots, nil
}

func (w *writer) newSlots(n int) []slot {
	base := len(w.slots)
	w.slots = slices.Grow(w.slots, n)[:base+n]
	slots := w.slots[base : base+n : base+n]
	clear(slots)
	return slots
}

func (w *writer) indexSpan(m *Message, l *layout, slots []slot, body span) error {
	src := w.src[:body.end]
	for i := int(body.start); i < len(src); {
		r, ok := shortRecord(src, i)
		if !ok {
			var err error
			if r, err = readRecord(src, i, maxMessageDepth-w.depth, &w.groups); err != nil {
				return m.malformed(err)
			}
		}
		t := l.target(r.number())
		if t.takes(r.tag) {
			if t.keep == keepLast && slots[t.slot].empty() {
				slots[t.slot] = slot{r.value, r.end} // the usual record
			} else if err := w.put(m, slots, t, i, r); err != nil {
				return err
			}
		}
		i = int(r.next)
	}
	return nil
}

// put keeps a record that begins at start.
func (w *writer) put(m *Message, slots []slot, t *target, start int, r record) error {
	if t.oneof >= 0 {
		if err := w.choose(m, slots, t, r.number()); err != nil {
			return err
		}
	}
	if t.slot < 0 {
		return nil
	}
	s := &slots[t.slot]
	switch t.keep {
	case keepLast, keepMember:
		if t.utf8 && !s.empty() && !utf8.Valid(w.src[s.first:s.last]) {
			return m.FieldByNumber(r.number()).malformed(errUTF8)
		}
		*s = slot{r.value, r.end}
	case keepAll:
		w.chain(s, span{r.value, r.end, 0})
	case keepRecords:
		w.putElement(s, t, start, r)
	}
	return nil
}

// putElement lengthens the last run of records, or begins a new one.
func (w *writer) putElement(s *slot, t *target, start int, r record) {
	if r.tag == t.packed && r.value == r.end {
		return // an empty packed list has no elements
	}
	if !s.empty() && int(w.spans[s.last].end) == start {
		w.spans[s.last].end = r.next
		return
	}
	w.chain(s, span{int32(start), r.next, 0})
}

func (w *writer) chain(s *slot, part span) {
	n := int32(len(w.spans))
	w.spans = append(w.spans, part)
	if s.empty() {
		s.first = n
	} else {
		w.spans[s.last].next = n
	}
	s.last = n
}

// choose makes a member of a oneof the one that is set. Another one that was set
// is dropped, once it is known to be valid.
func (w *writer) choose(m *Message, slots []slot, t *target, number protowire.Number) error {
	set := &slots[t.oneof]
	if previous := set.member(); previous != 0 && previous != number && set.last >= 0 {
		dropped := &slots[set.last]
		if err := w.validateSlot(m.FieldByNumber(previous), *dropped); err != nil {
			return err
		}
		*dropped = slot{}
	}
	*set = slot{int32(number), t.slot}
	return nil
}
