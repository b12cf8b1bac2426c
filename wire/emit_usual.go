package wire

import (
	"unsafe"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// usualForm says how usualMember writes the value of a step, if it does.
type usualForm uint8

const (
	usualNot    usualForm = iota // in the general way
	usualText                    // a string
	usualNumber                  // an integer that is a varint and not zigzag
	usualQuoted                  // such an integer of 64 bits
	usualBool
	usualEnum // by name
)

// usualOf returns the form of a scalar.
func usualOf(v *value) usualForm {
	switch v.field.kind {
	case protoreflect.StringKind:
		if !v.html {
			return usualText
		}
	case protoreflect.Int32Kind, protoreflect.Uint32Kind:
		return usualNumber
	case protoreflect.Int64Kind, protoreflect.Uint64Kind:
		return usualQuoted
	case protoreflect.BoolKind:
		return usualBool
	case protoreflect.EnumKind:
		if !v.numbers && !v.field.enum.null {
			return usualEnum
		}
	}
	return usualNot
}

const (
	// usualRoom is more than what a usual member takes beside its text: key, quotes, comma,
	// digits or true, and what is copied too much.
	usualRoom = 16 + 32
	// usualLength is the longest usual text, in bytes; longer ones are worth a look at the limit.
	usualLength = 1 << 10
)

// usualMember writes a member if its value is of the usual kind: a text without
// escapes, or an integer that is neither 0, negative, nor long. It returns the size with the comma, or
// 0 if the value is not, or dst has no room for it. Nothing is done to dst but behind its length.
func (w *writer) usualMember(dst []byte, s *step, value slot) int {
	room, first := cap(dst)-len(dst), int(value.first)
	if s.usual == usualText {
		if length := int(value.last) - first; length <= usualLength && room >= length+usualRoom {
			return s.writeText(at(dst, len(dst)), at(w.src, first), length)
		}
		return 0
	}
	if room < usualRoom {
		return 0
	}
	number := uint64(w.src[first])
	if size := int(value.last) - first; size > 1 {
		if size > 8 || first+8 > len(w.src) {
			return 0
		}
		number = packVarint(loadWord(at(w.src, first), 0), size)
	}
	if number-1 >= 1e8-1 {
		return 0
	}
	return s.writeNumber(at(dst, len(dst)), number)
}

// writeText writes a member with its comma, and returns the size, or 0 if the text is empty, needs
// escapes or is not ASCII.
func (s *step) writeText(to, text unsafe.Pointer, length int) int {
	*(*[16]byte)(to) = s.shortKey
	m := len(s.key)
	storeByte(to, m, '"')
	if length == 0 || copyPlain(unsafe.Add(to, m+1), text, length, highBits) != length {
		return 0
	}
	m += length + 1
	storePair(to, m, '"', ',')
	return m + 2
}

// writeNumber does the same as writeText for integers, bools and enums that are not 0.
func (s *step) writeNumber(to unsafe.Pointer, number uint64) int {
	*(*[16]byte)(to) = s.shortKey
	m := len(s.key)
	switch s.usual {
	case usualNumber:
		m += storeShort(to, m, number)
		storeByte(to, m, ',')
		return m + 1
	case usualQuoted:
		storeByte(to, m, '"')
		m += storeShort(to, m+1, number) + 1
		storePair(to, m, '"', ',')
		return m + 2
	case usualBool:
		storeWord(to, m, trueAndComma)
		return m + 5
	default:
		names := s.value.field.enum.dense
		if number >= uint64(len(names)) || uint(len(names[number])-1) >= 24 { // 0 where there is no name
			return 0
		}
		m += copy((*[24]byte)(unsafe.Add(to, m))[:], names[number])
		storeByte(to, m, ',')
		return m + 1
	}
}

const trueAndComma = uint64('t') | 'r'<<8 | 'u'<<16 | 'e'<<24 | ','<<32
