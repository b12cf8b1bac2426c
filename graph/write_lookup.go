package graph

import (
	"errors"

	"github.com/protean-gateway/protean/wire"
)

// entities writes a list of objects in the order in which they were asked for. What
// fails is null in its place.
func (w *responseWriter) entities(dst []byte, f *found) ([]byte, error) {
	dst = append(dst, '[')
	for i := range f.slots {
		if i > 0 {
			dst = append(dst, ',')
		}
		start, before := len(dst), len(w.sink.Faults)
		var err error
		dst, err = w.slot(dst, &f.slots[i])
		if err == nil && len(dst) > w.limit {
			err = wire.ErrTooLarge
		}
		if err != nil && !errors.Is(err, wire.ErrNull) && !endsAnswer(err) {
			err = w.sink.Record(err)
		}
		if err != nil {
			dst = append(dst[:start], "null"...)
		}
		w.sink.Within(before, i)
		if endsAnswer(err) {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

// slot writes one object, null where there is none.
func (w *responseWriter) slot(dst []byte, s *slot) ([]byte, error) {
	switch {
	case s.group == nil:
		return dst, s.err
	case s.group.err != nil:
		return dst, s.group.err
	}
	j := s.group.joined
	if err := j.wave.failures[s.key]; err != nil {
		return dst, err
	}
	if len(j.wave.results[s.key]) == 0 {
		return append(dst, "null"...), nil
	}
	return w.element(dst, j, j.wave.results[s.key][0])
}
