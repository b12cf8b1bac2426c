package wire

import (
	"google.golang.org/protobuf/reflect/protoreflect"
)

// HasOwnForm reports whether the JSON of a message is not just an object of its
// fields. Empty has no form of its own, in an Any either.
func (m *Message) HasOwnForm() bool {
	return m.wellKnown != ordinary && m.wellKnown != wellKnownEmpty
}

// wellKnown writes a message that has a JSON form of its own. Slots are in the
// order of field numbers.
func (w *writer) wellKnown(dst []byte, p *Projection, slots []slot) ([]byte, error) {
	switch p.message.wellKnown {
	case wellKnownAny:
		return w.anyMessage(dst, p, slots)
	case wellKnownTimestamp:
		return emitTimestamp(dst, p.message, w.seconds(slots), w.nanos(slots))
	case wellKnownDuration:
		return emitDuration(dst, p.message, w.seconds(slots), w.nanos(slots))
	case wellKnownFieldMask:
		return w.fieldMask(dst, p, slots[0])
	case wellKnownValue:
		return w.jsonValue(dst, p, slots)
	}
	s := &p.steps[0]
	if !slots[0].empty() {
		return w.field(dst, s, slots[0]) // Struct, ListValue, wrappers
	}
	if text := s.defaultText(); text != "" {
		return append(dst, text...), nil
	}
	return append(dst, s.value.zeroText()...), nil
}

func (w *writer) seconds(slots []slot) int64 {
	if slots[0].empty() {
		return 0
	}
	return int64(loadNumber(w.src, protoreflect.Int64Kind, int(slots[0].first)))
}

func (w *writer) nanos(slots []slot) int64 {
	if slots[1].empty() {
		return 0
	}
	return int64(loadNumber(w.src, protoreflect.Int32Kind, int(slots[1].first)))
}

// jsonValue writes a google.protobuf.Value: the one member that is set.
func (w *writer) jsonValue(dst []byte, p *Projection, slots []slot) ([]byte, error) {
	for i := range p.steps {
		s := &p.steps[i]
		at := slots[s.slot]
		if at.empty() {
			continue
		}
		if s.shape == shapeScalar && !finite(s.field.kind, w.numberBits(s.field, at)) {
			return dst, p.message.unfit("the number is not finite")
		}
		return w.field(dst, s, at)
	}
	return dst, p.message.unfit("no value is set")
}

// numberBits returns the bits of a double, and 0 for other kinds.
func (w *writer) numberBits(f *Field, at slot) uint64 {
	if f.kind != protoreflect.DoubleKind {
		return 0
	}
	return loadNumber(w.src, f.kind, int(at.first))
}

// fieldMask writes paths in lowerCamelCase, separated by commas.
func (w *writer) fieldMask(dst []byte, p *Projection, at slot) ([]byte, error) {
	dst = append(dst, '"')
	if at.empty() {
		return append(dst, '"'), nil
	}
	it := w.elements(at)
	for {
		start, end, err := it.next(w, p.steps[0].field)
		if err != nil {
			return dst, err
		}
		if start < 0 {
			return closed(dst, '"'), nil
		}
		var ok bool
		if dst, ok = appendCamelPath(dst, w.src[start:end]); !ok {
			return dst, p.message.unfit("a path has no JSON form")
		}
		if len(dst) > w.limit {
			return dst, ErrTooLarge
		}
		dst = append(dst, ',')
	}
}

// appendCamelPath writes a snake_case path in lowerCamelCase. It reports false
// where the path is no path of field names or cannot be turned back.
func appendCamelPath(dst, path []byte) ([]byte, bool) {
	if !protoreflect.FullName(path).IsValid() {
		return dst, false
	}
	for i := 0; i < len(path); i++ {
		c := path[i]
		if 'A' <= c && c <= 'Z' {
			return dst, false
		}
		if c == '_' {
			i++
			if i == len(path) || path[i] < 'a' || path[i] > 'z' {
				return dst, false
			}
			c = path[i] - 'a' + 'A'
		}
		dst = append(dst, c)
	}
	return dst, true
}

func emitDuration(dst []byte, m *Message, seconds, nanos int64) ([]byte, error) {
	switch {
	case seconds < -maxDurationSeconds || seconds > maxDurationSeconds:
		return dst, m.unfit("seconds out of range")
	case nanos <= -1e9 || nanos >= 1e9:
		return dst, m.unfit("nanos out of range")
	case seconds > 0 && nanos < 0 || seconds < 0 && nanos > 0:
		return dst, m.unfit("seconds and nanos differ in sign")
	}
	dst = append(dst, '"')
	if seconds < 0 || nanos < 0 {
		dst = append(dst, '-')
		seconds, nanos = -seconds, -nanos
	}
	dst = appendInt(dst, seconds)
	dst = appendFraction(dst, uint64(nanos))
	return append(dst, 's', '"'), nil
}

const secondsPerDay = 86_400

func emitTimestamp(dst []byte, m *Message, seconds, nanos int64) ([]byte, error) {
	switch {
	case seconds < minTimestampSeconds || seconds > maxTimestampSeconds:
		return dst, m.unfit("seconds out of range")
	case nanos < 0 || nanos >= 1e9:
		return dst, m.unfit("nanos out of range")
	}
	sinceYear1 := uint64(seconds - minTimestampSeconds)
	year, month, day := civilDate(sinceYear1 / secondsPerDay)
	clock := sinceYear1 % secondsPerDay
	dst = appendPair(append(dst, '"'), year/100)
	dst = append(appendPair(dst, year%100), '-')
	dst = append(appendPair(dst, month), '-')
	dst = append(appendPair(dst, day), 'T')
	dst = append(appendPair(dst, clock/3600), ':')
	dst = append(appendPair(dst, clock/60%60), ':')
	dst = appendFraction(appendPair(dst, clock%60), uint64(nanos))
	return append(dst, 'Z', '"'), nil
}

// civilDate returns the date of a day, counted from 1 January of the year 1. It
// reckons in years that begin in March, so that the leap day is the last of its year.
func civilDate(days uint64) (year, month, day uint64) {
	days += 306 // from 1 March of the year 0
	era, dayOfEra := days/146_097, days%146_097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36_524 - dayOfEra/146_096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	marchMonth := (5*dayOfYear + 2) / 153
	year, month = era*400+yearOfEra, marchMonth+3
	day = dayOfYear - (153*marchMonth+2)/5 + 1
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

// appendFraction writes nanoseconds as 0, 3, 6 or 9 digits behind a point.
func appendFraction(dst []byte, nanos uint64) []byte {
	switch {
	case nanos == 0:
		return dst
	case nanos%1e6 == 0:
		return appendDigits(append(dst, '.'), nanos/1e6, 3)
	case nanos%1e3 == 0:
		return appendDigits(append(dst, '.'), nanos/1e3, 6)
	default:
		return appendDigits(append(dst, '.'), nanos, 9)
	}
}
