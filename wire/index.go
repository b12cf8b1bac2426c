package wire

import (
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// slot is what the index pass found of a field: a range of bytes, or, where that is in several
// pieces, the first and last span of a chain, the first one complemented. Slots that
// follow oneofs hold the number of the member that is set and its slot. The zero slot
// is empty: offset 0 is always a tag, so nothing ends there.
type slot struct{ first, last int32 }

func (s slot) empty() bool { return s.first|s.last == 0 }

func (s slot) chained() bool { return s.first < 0 }

// pieces returns the first piece of what is in a slot.
func (w *writer) pieces(s slot) span {
	if s.chained() {
		return w.spans[^s.first]
	}
	return span{s.first, s.last, 0}
}

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
	end := int(body.end)
	for i := int(body.start); ; {
		i = indexUsual(w.src, i, end, l.dense, slots)
		if i >= end {
			return nil
		}
		r, err := readRecord(w.src[:end], i, maxMessageDepth-w.depth, &w.groups)
		if err != nil {
			return m.malformed(err)
		}
		if t := l.target(r.number()); t.takes(r.tag) {
			if err := w.put(m, slots, t, i, r); err != nil {
				return err
			}
		}
		i = int(r.next)
	}
}

// indexUsual sorts records as long as they are of the usual kind: of fields that are not selected, or that have the
// wire type that is expected and are there once, but for the elements of a list, which are
// in a row. It returns the offset of the first one that is not, or the end. It
// calls nothing, so that all it needs stays in registers.
func indexUsual(src []byte, i, end int, dense []target, slots []slot) int {
	for i < end {
		tag, value := uint32(src[i]), i+1
		if tag >= 0x80 {
			if value >= end || src[value] >= 0x80 {
				return i
			}
			tag, value = tag&0x7f|uint32(src[value])<<7, value+1
		}
		if tag < 8 || tag >= denseFields<<3 || value >= end {
			return i
		}
		next, short := value+1, src[value]
		switch protowire.Type(tag & 7) {
		case protowire.BytesType:
			value = next
			length := int(short)
			if short >= 0x80 {
				if value >= end || src[value] >= 0x80 {
					return i
				}
				length += int(src[value])<<7 - 0x80
				value++
			}
			next = value + length
		case protowire.VarintType:
			if short >= 0x80 {
				if next = varintEnd(src, value); next == 0 {
					return i
				}
			}
		case protowire.Fixed64Type:
			next = value + 8
		case protowire.Fixed32Type:
			next = value + 4
		default:
			return i
		}
		if next > end {
			return i
		}
		t := &unselected
		if number := int(tag >> 3); number < len(dense) {
			t = &dense[number]
		}
		if t.tag != tag {
			if t.tag != 0 {
				return i
			}
			i = next
			continue
		}
		switch t.usual {
		case usualValue:
			s := &slots[t.slot]
			if !s.empty() {
				return i
			}
			*s = slot{int32(value), int32(next)}
		case usualElement:
			s := &slots[t.slot]
			switch {
			case s.empty():
				*s = slot{int32(i), int32(next)}
			case s.chained() || int(s.last) != i:
				return i
			default:
				s.last = int32(next)
			}
		default:
			return i
		}
		i = next
	}
	return i
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
	case keepLast:
		if t.utf8 && !s.empty() && !utf8.Valid(w.src[s.first:s.last]) {
			return m.FieldByNumber(r.number()).malformed(errUTF8)
		}
		*s = slot{r.value, r.end}
	case keepAll:
		w.chain(s, r.value, r.end)
	case keepRecords:
		w.putElement(s, t, int32(start), r)
	}
	return nil
}

// putElement lengthens the last run of records, or begins a new one.
func (w *writer) putElement(s *slot, t *target, start int32, r record) {
	switch {
	case r.tag == t.packed && r.value == r.end: // an empty packed list has no elements
	case !s.chained() && s.last == start && !s.empty():
		s.last = r.next
	case s.chained() && w.spans[s.last].end == start:
		w.spans[s.last].end = r.next
	default:
		w.chain(s, start, r.next)
	}
}

// chain adds a piece to a slot.
func (w *writer) chain(s *slot, start, end int32) {
	if s.empty() {
		*s = slot{start, end}
		return
	}
	n := int32(len(w.spans))
	if !s.chained() {
		w.spans = append(w.spans, span{s.first, s.last, 0})
		s.first, s.last = ^n, n
		n++
	}
	w.spans = append(w.spans, span{start, end, 0})
	w.spans[s.last].next = n
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
