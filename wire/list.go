package wire

// elements walks a chain of runs of records: the elements of a list, packed or not.
type elements struct {
	run    span
	at     int // the next record
	packed int // the next packed element
	end    int // the end of the packed list
}

func (w *writer) elements(at slot) elements {
	run := w.pieces(at)
	return elements{run: run, at: int(run.start)}
}

// next returns the range of the next element, and a negative start after the last.
func (e *elements) next(w *writer, f *Field) (start, end int, err error) {
	if e.packed < e.end {
		return e.nextPacked(w, f)
	}
	r, err := e.record(w, f)
	switch {
	case err != nil:
		return 0, 0, err
	case r.tag == 0:
		return -1, -1, nil
	case r.wire() == f.wireType:
		return int(r.value), int(r.end), nil
	}
	e.packed, e.end = int(r.value), int(r.end)
	return e.nextPacked(w, f)
}

// record returns the next record, an element or a packed list, and one without a tag
// after the last.
func (e *elements) record(w *writer, f *Field) (record, error) {
	if e.at >= int(e.run.end) {
		if e.run.next == 0 {
			return record{}, nil
		}
		e.run = w.spans[e.run.next]
		e.at = int(e.run.start)
	}
	src := w.src[:e.run.end]
	r, ok := shortRecord(src, e.at)
	if !ok {
		var err error
		if r, err = readRecord(src, e.at, maxMessageDepth-w.depth, &w.groups); err != nil {
			return r, f.malformed(err)
		}
	}
	e.at = int(r.next)
	return r, nil
}

func (e *elements) nextPacked(w *writer, f *Field) (start, end int, err error) {
	start = e.packed
	e.packed = skipScalar(w.src[:e.end], start, f.wireType)
	if e.packed < 0 {
		return 0, 0, f.malformed(errTruncated)
	}
	return start, e.packed, nil
}

// numbers writes the elements of a list of a kind that can be packed.
func (w *writer) numbers(dst []byte, s *step, at slot) ([]byte, error) {
	dst = append(dst, '[')
	count := 0
	for it := w.elements(at); ; {
		r, err := it.record(w, s.field)
		if err != nil {
			return dst, err
		}
		if r.tag == 0 {
			return closed(dst, ']'), nil
		}
		if dst, err = w.run(dst, s, r, &count); err != nil {
			return dst, err
		}
	}
}

// run writes the numbers of one record: of a packed list, or the only one.
func (w *writer) run(dst []byte, s *step, r record, count *int) ([]byte, error) {
	v := &s.value
	kind, src := v.field.kind, w.src[:r.end]
	for i := int(r.value); i < len(src); *count++ {
		var bits uint64
		if bits, i = readNumber(src, kind, i); i < 0 {
			return dst, v.field.malformed(errTruncated)
		}
		if v.graphql && !finite(kind, bits) {
			return dst, w.raise(s, ErrNotFinite, len(w.sink.Faults), *count)
		}
		dst = append(v.appendNumber(dst, bits), ',')
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
	}
	return dst, nil
}

// elementsBetweenChecks is how many elements are written between two looks at whether anybody waits for them.
const elementsBetweenChecks = 256

// list writes the elements of a list, which are never null: a fault of one is a
// fault of the list.
func (w *writer) list(dst []byte, s *step, at slot) ([]byte, error) {
	if s.field.packedTag != nil {
		return w.numbers(dst, s, at)
	}
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
		if len(dst) > w.soft {
			if dst, err = w.reserve(dst); err != nil {
				return dst, err
			}
		}
		if n%elementsBetweenChecks == elementsBetweenChecks-1 && w.sink.abandoned() {
			return dst, ErrAbandoned
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
