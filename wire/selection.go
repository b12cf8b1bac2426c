package wire

// selection writes the object of a GraphQL selection set. A fault in a field
// makes the field null, or the whole object where the field cannot be null.
func (w *writer) selection(dst []byte, p *Projection, slots []slot) ([]byte, error) {
	dst = append(dst, '{')
	for i := range p.steps {
		s := &p.steps[i]
		if s.usual != usualNot && w.sink.Denied == nil && !slots[s.slot].empty() {
			if size := w.usualMember(dst, s, slots[s.slot]); size > 0 {
				dst = dst[:len(dst)+size]
				continue
			}
		}
		dst = s.appendKey(dst)
		start, before := len(dst), len(w.sink.Faults)
		var err error
		dst, err = w.selected(dst, s, slots)
		if err != nil || len(w.sink.Faults) > before {
			switch err = w.raise(s, err, before, s.name); {
			case err == nil:
			case err != ErrNull:
				return dst, err
			case s.nonNull:
				return dst, w.skipSteps(p.steps[i+1:], slots, err)
			default:
				dst = append(dst[:start], "null"...)
			}
		}
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
		dst = append(dst, ',')
	}
	return closed(dst, '}'), nil
}

// selected writes the value of one selected field.
func (w *writer) selected(dst []byte, s *step, slots []slot) ([]byte, error) {
	switch s.shape {
	case shapeRaw:
		return s.text(dst, s.raw)
	case shapeOneof:
		return s.text(dst, s.caseOf(slots[s.slot]))
	case shapeUnion:
		if member := s.memberOf(slots[s.slot]); member != nil {
			return w.field(dst, member, slots[member.slot])
		}
		return s.text(dst, "null")
	case shapeJoin:
		return w.splice(dst, s)
	}
	if w.sink.Denied != nil && w.sink.Denied(s.field) {
		return dst, ErrDenied
	}
	at := slots[s.slot]
	switch {
	case !at.empty() && !(s.implicit && w.isZero(s.field, at)):
		return w.field(dst, s, at)
	case s.absent == "":
		return w.message(dst, s.value.child, span{}) // the value of a map's entry
	default:
		return s.text(dst, s.absent)
	}
}

func (s *step) caseOf(oneof slot) string {
	if name, ok := s.cases[oneof.member()]; ok {
		return name
	}
	return "null"
}

// memberOf returns what writes the member of a union that is set, if any is.
func (s *step) memberOf(oneof slot) *step { return s.members[oneof.member()] }

// text writes JSON text that is known beforehand.
func (s *step) text(dst []byte, text string) ([]byte, error) {
	if s.nonNull && text == "null" {
		return dst, ErrAbsent
	}
	return append(dst, text...), nil
}
