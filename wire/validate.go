package wire

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// validateSlot checks a singular field that is not written because a later record
// overrules it. A parser would have refused it, so it is refused here too.
func (w *writer) validateSlot(f *Field, s slot) error {
	switch {
	case s.empty():
		return nil
	case f.message == nil:
		return w.validateText(f, int(s.first), int(s.last))
	}
	for body := w.pieces(s); ; body = w.spans[body.next] {
		if err := w.validateNested(f.message, int(body.start), int(body.end)); err != nil || body.next == 0 {
			return err
		}
	}
}

func (w *writer) validateText(f *Field, start, end int) error {
	if f.kind == protoreflect.StringKind && f.utf8 && !utf8.Valid(w.src[start:end]) {
		return f.malformed(errUTF8)
	}
	return nil
}

func (w *writer) validateNested(m *Message, start, end int) error {
	if w.depth >= maxMessageDepth {
		return m.malformed(errTooDeep)
	}
	w.depth++
	err := w.validate(m, start, end)
	w.depth--
	return err
}

// validate checks all that a parser would check of a message, save required fields.
func (w *writer) validate(m *Message, start, end int) error {
	known := w.groups.mark()
	w.groups.enter(int32(start))
	err := w.validateRecords(m, start, end)
	w.groups.release(known)
	return err
}

func (w *writer) validateRecords(m *Message, start, end int) error {
	src := w.src[:end]
	for i := start; i < end; {
		r, err := readRecord(src, i, maxMessageDepth-w.depth, &w.groups)
		if err != nil {
			return m.malformed(err)
		}
		i = int(r.next)
		if f := m.FieldByNumber(r.number()); f != nil {
			if err := w.validateRecord(f, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writer) validateRecord(f *Field, r record) error {
	switch {
	case r.wire() != f.wireType:
		if f.packedTag != nil && f.repeated && r.wire() == protowire.BytesType {
			return w.validatePacked(f, r)
		}
		return nil
	case f.isMap:
		return w.validate(f.message, int(r.value), int(r.end))
	case f.message != nil:
		return w.validateNested(f.message, int(r.value), int(r.end))
	default:
		return w.validateText(f, int(r.value), int(r.end))
	}
}

func (w *writer) validatePacked(f *Field, r record) error {
	for i := int(r.value); i < int(r.end); {
		if i = skipScalar(w.src[:r.end], i, f.wireType); i < 0 {
			return f.malformed(errTruncated)
		}
	}
	return nil
}

// skipScalar returns the offset behind a packed element, or a negative one where
// it is cut off.
func skipScalar(src []byte, i int, wire protowire.Type) int {
	switch wire {
	case protowire.VarintType:
		if src[i] < 0x80 {
			return i + 1
		}
		_, i = uvarint(src, i)
		return i
	case protowire.Fixed32Type:
		i += 4
	default:
		i += 8
	}
	if i > len(src) {
		return -1
	}
	return i
}
