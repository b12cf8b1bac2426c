package wire

import (
	"bytes"
	"cmp"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// entry says how the entries of a map are read and written.
type entry struct {
	layout  // the key is slot 0, the value slot 1
	message *Message
	key     value
	value   value
	zero    string      // what stands for a missing scalar value
	child   *Projection // what a selection takes from the entry
}

// mapItem is one entry of a map that is being written.
type mapItem struct {
	bits       uint64 // a numeric key
	key, value slot
	body       span
}

func (b *builder) entryOf(f *Field, o Options) *entry {
	key, val := f.message.FieldByNumber(1), f.message.FieldByNumber(2)
	e := &entry{message: f.message}
	e.slotOf(key)
	e.slotOf(val)
	e.key = b.valueOf(key, o, nil)
	e.value = b.valueOf(val, o, nil)
	if val.message == nil {
		e.zero = e.value.zeroText()
	}
	return e
}

// items reads the entries of a map, in order of their keys, the last one of
// each key. Backends may write a map in a new order each time; JSON does not show that.
func (w *writer) items(s *step, at slot) ([]mapItem, error) {
	base := len(w.entries)
	it := w.elements(at)
	for {
		start, end, err := it.next(w, s.field)
		if err != nil {
			return nil, err
		}
		if start < 0 {
			break
		}
		item, err := w.item(s.entry, span{int32(start), int32(end), 0})
		if err != nil {
			return nil, err
		}
		w.entries = append(w.entries, item)
	}
	items := w.entries[base:]
	if len(items) < 2 {
		return items, nil
	}
	slices.SortFunc(items, func(a, b mapItem) int {
		return cmp.Or(w.compareKeys(s.entry, &a, &b), cmp.Compare(a.body.start, b.body.start))
	})
	return w.lastOfEach(s.entry, items)
}

func (w *writer) item(e *entry, body span) (mapItem, error) {
	known := w.groups.mark()
	slots, err := w.index(e.message, &e.layout, body)
	if err != nil {
		return mapItem{}, err
	}
	w.groups.release(known)
	item := mapItem{key: slots[0], value: slots[1], body: body}
	w.slots = w.slots[:len(w.slots)-len(slots)]
	if e.key.field.kind != protoreflect.StringKind && !item.key.empty() {
		item.bits = loadNumber(w.src, e.key.field.kind, int(item.key.first))
	}
	return item, nil
}

func (w *writer) compareKeys(e *entry, a, b *mapItem) int {
	switch e.key.field.kind {
	case protoreflect.StringKind:
		return bytes.Compare(w.bytes(a.key), w.bytes(b.key))
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return cmp.Compare(a.bits, b.bits)
	default:
		return cmp.Compare(int64(a.bits), int64(b.bits))
	}
}

func (w *writer) bytes(at slot) []byte { return w.src[at.first:at.last] }

// lastOfEach drops all but the last of neighbours with the same key.
func (w *writer) lastOfEach(e *entry, items []mapItem) ([]mapItem, error) {
	kept := items[:0]
	for i := range items {
		if i+1 < len(items) && w.compareKeys(e, &items[i], &items[i+1]) == 0 {
			if err := w.validateSlot(e.value.field, items[i].value); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, items[i])
	}
	return kept, nil
}

// mapObject writes a map as a JSON object.
func (w *writer) mapObject(dst []byte, s *step, at slot) ([]byte, error) {
	f := w.frame()
	items, err := w.items(s, at)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '{')
	for i := range items {
		if dst, err = w.mapMember(dst, s.entry, &items[i]); err != nil {
			return dst, err
		}
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
		dst = append(dst, ',')
	}
	w.release(f)
	return closed(dst, '}'), nil
}

func (w *writer) mapMember(dst []byte, e *entry, item *mapItem) ([]byte, error) {
	dst, err := w.mapKey(dst, &e.key, item)
	if err != nil {
		return dst, err
	}
	dst = append(dst, ':')
	switch {
	case e.value.child != nil && item.value.empty():
		return w.message(dst, e.value.child, span{})
	case e.value.child != nil:
		return w.message(dst, e.value.child, w.pieces(item.value))
	case item.value.empty():
		return append(dst, e.zero...), nil
	default:
		return w.scalar(dst, &e.value, int(item.value.first), int(item.value.last))
	}
}

// mapKey writes a key, which is a string in JSON whatever its kind.
func (w *writer) mapKey(dst []byte, key *value, item *mapItem) ([]byte, error) {
	if key.field.kind == protoreflect.StringKind {
		return w.scalar(dst, key, int(item.key.first), int(item.key.last))
	}
	start := len(dst)
	dst = key.appendNumber(append(dst, '"'), item.bits)
	if dst[start+1] == '"' {
		return append(dst[:start], dst[start+1:]...), nil // 64-bit integers have their quotes
	}
	return append(dst, '"'), nil
}

// mapEntries writes a map as a list of entries, of which a selection takes its fields.
func (w *writer) mapEntries(dst []byte, s *step, at slot) ([]byte, error) {
	f := w.frame()
	items, err := w.items(s, at)
	if err != nil {
		return dst, err
	}
	dst = append(dst, '[')
	for i := range items {
		before := len(w.sink.Faults)
		dst, err = w.message(dst, s.entry.child, items[i].body)
		if err != nil || len(w.sink.Faults) > before {
			if err = w.raise(s, err, before, i); err != nil {
				return dst, w.skipItems(s, items[i+1:], err)
			}
		}
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
		dst = append(dst, ',')
	}
	w.release(f)
	return closed(dst, ']'), nil
}
