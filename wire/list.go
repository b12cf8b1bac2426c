package wire

// elements walks a chain of runs of records: the elements of a list, packed or not.
type elements struct {
	run    span
	at     int // the next record
	packed int // the next packed element
	end    int // the end of the packed list
}

func (w *writer) elements(at slot) elements {
	run := w.spans[at.first]
	return elements{run: run, at: int(run.start)}
}

// next returns the range of the next element, and a negative start after the last.
func (e *elements) next(w *writer, f *Field) (start, end int, err error) {
	if e.packed < e.end {
		return e.nextPacked(w, f)
	}
	if e.at >= int(e.run.end) {
		if e.run.next == 0 {
			return -1, -1, nil
		}
		e.run = w.spans[e.run.next]
		e.at = int(e.run.start)
	}
	r, err := readRecord(w.src[:e.run.end], e.at, maxMessageDepth-w.depth)
	if err != nil {
		return 0, 0, f.malformed(err)
	}
	e.at = int(r.next)
	if r.wire() == f.wireType {
		return int(r.value), int(r.end), nil
	}
	e.packed, e.end = int(r.value), int(r.end)
	return e.nextPacked(w, f)
}

func (e *elements) nextPacked(w *writer, f *Field) (start, end int, err error) {
	start = e.packed
	e.packed = skipScalar(w.src[:e.end], start, f.wireType)
	if e.packed < 0 {
		return 0, 0, f.malformed(errTruncated)
	}
	return start, e.packed, nil
}

// list writes the elements of a list, which are never null: a fault of one is a
// fault of the list.
func (w *writer) list(dst []byte, s *step, at slot) ([]byte, error) {
	dst = append(dst, '[')
	v := &s.value
	it := w.elements(at)
	for n := 0; ; n++ {
		start, end, err := it.next(w, s.field)
		if err != nil {
			return dst, err
		}
		if start < 0 {
			return closed(dst, ']'), nil
		}
		before := len(w.sink.Faults)
		dst, err = w.element(dst, v, start, end)
		if err != nil || len(w.sink.Faults) > before {
			if err = w.raise(s, err, before, n); err != nil {
				return dst, w.skipElements(s, &it, err)
			}
		}
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
		dst = append(dst, ',')
	}
}

func (w *writer) element(dst []byte, v *value, start, end int) ([]byte, error) {
	if v.child != nil {
		return w.message(dst, v.child, span{int32(start), int32(end), 0})
	}
	return w.scalar(dst, v, start, end)
}
