package wire

import (
	"fmt"
	"math"
	"slices"
)

// Keys walks msg as AppendJSON does and yields, for each place where the join
// occurs, its ordinal and the values that the path leads to from there: the path
// begins at the message that the join was selected in.
// The values are only valid during the call of yield; their text aliases msg. It is an error if
// the projection has no such join, if the path ends in a message, or if msg is no valid message.
func (p *Projection) Keys(msg []byte, join int, path *Path, yield func(ordinal int, values []Value)) error {
	if len(msg) > math.MaxInt32 {
		return p.message.malformed(errTooLong)
	}
	if err := path.endsInScalar(); err != nil {
		return err
	}
	index := slices.Index(p.joins, join)
	if index < 0 {
		return fmt.Errorf("the projection has no join %d", join)
	}
	w := newWriter(p.joins, msg, nil)
	w.visit = &visit{join: index, path: path, yield: yield}
	err := w.placesInMessage(p, span{end: int32(len(msg))})
	w.free()
	return err
}

// visit is what Keys looks for: one join, and a path from the places of it.
type visit struct {
	join   int // index in the root's joins
	path   *Path
	values []Value
	yield  func(ordinal int, values []Value)
}

// The walk of the places where joins occur is the same for Keys and for what
// AppendJSON leaves out behind a fault, so that ordinals always agree.

// skipSteps counts the joins of the steps that are not written because null takes
// the place of their object. It returns cause, or an error of the walk.
func (w *writer) skipSteps(steps []step, slots []slot, cause error) error {
	if err := w.places(steps, slots, span{}); err != nil {
		return err
	}
	return cause
}

// skipElements counts the joins of the rest of a list, in the same way.
func (w *writer) skipElements(s *step, rest *elements, cause error) error {
	if !s.joins || cause != ErrNull {
		return cause
	}
	if err := w.placesInElements(s, rest); err != nil {
		return err
	}
	return cause
}

// skipItems counts the joins of the rest of a map, in the same way.
func (w *writer) skipItems(s *step, rest []mapItem, cause error) error {
	if !s.joins || cause != ErrNull {
		return cause
	}
	if err := w.placesInItems(s, rest); err != nil {
		return err
	}
	return cause
}

// places walks the joins at and below the steps of a message.
func (w *writer) places(steps []step, slots []slot, body span) error {
	for i := range steps {
		s := &steps[i]
		if !s.joins {
			continue
		}
		if err := w.placesIn(s, slots, body); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) placesIn(s *step, slots []slot, body span) error {
	if s.shape == shapeJoin {
		return w.place(s, body)
	}
	if s.shape == shapeUnion {
		if member := s.memberOf(slots[s.slot]); member != nil {
			return w.placesIn(member, slots, body)
		}
		return nil
	}
	at := slots[s.slot]
	if at.empty() {
		if s.absent == "" {
			return w.placesInMessage(s.value.child, span{}) // the value of a map's entry
		}
		return nil
	}
	switch s.shape {
	case shapeMessage:
		return w.placesInMessage(s.value.child, w.pieces(at))
	case shapeList:
		it := w.elements(at)
		return w.placesInElements(s, &it)
	default:
		f := w.frame()
		items, err := w.items(s, at)
		if err == nil {
			err = w.placesInItems(s, items)
		}
		w.release(f)
		return err
	}
}

func (w *writer) placesInMessage(p *Projection, body span) error {
	if w.depth == maxMessageDepth {
		return p.message.malformed(errTooDeep)
	}
	w.depth++
	f := w.frame()
	slots, err := w.index(p.message, &p.layout, body)
	if err == nil {
		err = w.places(p.steps, slots, body)
	}
	w.release(f)
	w.depth--
	return err
}

func (w *writer) placesInElements(s *step, it *elements) error {
	for {
		start, end, err := it.next(w, s.field)
		if err != nil || start < 0 {
			return err
		}
		if err := w.placesInMessage(s.value.child, span{int32(start), int32(end), 0}); err != nil {
			return err
		}
	}
}

func (w *writer) placesInItems(s *step, items []mapItem) error {
	for i := range items {
		if err := w.placesInMessage(s.entry.child, items[i].body); err != nil {
			return err
		}
	}
	return nil
}

// place counts one place of a join and, for Keys, yields its values.
func (w *writer) place(s *step, body span) error {
	ordinal := w.ordinals[s.join]
	w.ordinals[s.join]++
	v := w.visit
	if v == nil || v.join != s.join {
		return nil
	}
	v.values = v.values[:0]
	err := w.follow(v.path, body, func(f *Field, start, end int) bool {
		v.values = append(v.values, f.valueOf(w.src, start, end))
		return true
	})
	if err == nil {
		v.yield(ordinal, v.values)
	}
	return err
}
