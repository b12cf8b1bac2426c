package graph

import (
	"errors"

	"github.com/protean-gateway/protean/wire"
)

// splice writes a joined field.
func (w *responseWriter) splice(number, ordinal int, dst []byte) ([]byte, error) {
	p := w.at
	j := p.joins[number]
	if j.wave.err != nil {
		return dst, j.wave.err
	}
	keys := j.keysAt(p.index, ordinal)
	if j.selected.global != nil {
		return w.globalID(dst, j, keys)
	}
	for _, key := range keys {
		if err := j.wave.failures[key]; err != nil {
			return dst, err
		}
	}
	switch spec := j.wave.join; {
	case spec.many && !spec.key.Field().IsList() && len(keys) == 0:
		return append(dst, "null"...), nil
	case spec.many:
		return w.many(dst, j, keys)
	case spec.list:
		return w.list(dst, j, keys)
	case len(keys) == 0 || len(j.wave.results[keys[0]]) == 0:
		return append(dst, "null"...), nil
	default:
		return w.element(dst, j, j.wave.results[keys[0]][0])
	}
}

// globalID writes the id of an object; an object without a key has none.
func (w *responseWriter) globalID(dst []byte, j *joined, keys []int) ([]byte, error) {
	if len(keys) == 0 {
		return dst, wire.ErrAbsent
	}
	return j.selected.global.append(dst, j.wave.keys[keys[0]]), nil
}

// element writes a result of a join, with what is joined to it.
func (w *responseWriter) element(dst []byte, j *joined, element int) ([]byte, error) {
	return w.message(dst, j.selected.output, j.parent(element), j.wave.elements[element])
}

// many writes all results of all keys. Its elements are never null: a fault that
// reaches one moves on to the list.
func (w *responseWriter) many(dst []byte, j *joined, keys []int) ([]byte, error) {
	dst = append(dst, '[')
	n := 0
	for _, key := range keys {
		for _, element := range j.wave.results[key] {
			before := len(w.sink.Faults)
			if n > 0 {
				dst = append(dst, ',')
			}
			var err error
			dst, err = w.element(dst, j, element)
			w.sink.Within(before, n)
			if err != nil {
				return dst, err
			}
			n++
		}
	}
	return append(dst, ']'), nil
}

// list writes one result for each key, null where there is none.
func (w *responseWriter) list(dst []byte, j *joined, keys []int) ([]byte, error) {
	dst = append(dst, '[')
	for n, key := range keys {
		if n > 0 {
			dst = append(dst, ',')
		}
		if len(j.wave.results[key]) == 0 {
			dst = append(dst, "null"...)
			continue
		}
		before := len(w.sink.Faults)
		var err error
		dst, err = w.element(dst, j, j.wave.results[key][0])
		w.sink.Within(before, n)
		if err != nil && !errors.Is(err, wire.ErrNull) { // whose null is written
			return dst, err
		}
	}
	return append(dst, ']'), nil
}
