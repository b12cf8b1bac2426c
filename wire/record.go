package wire

import (
	"math/bits"

	"google.golang.org/protobuf/encoding/protowire"
)

// maxMessageDepth bounds how deep messages are nested on the way out: groups,
// skipped groups, Struct and its kin, and what is inside Any all count.
const maxMessageDepth = 100

// record is one tag with its value. The positions are offsets in the bytes that
// it was read from. It has four fields so that the compiler keeps it in registers.
type record struct {
	tag   uint32
	value int32 // first byte of the value: behind its length, or inside the group
	end   int32 // first byte behind the value: behind its last byte, or before the end of the group
	next  int32 // first byte of the next record
}

func (r record) number() protowire.Number { return protowire.Number(r.tag >> 3) }

func (r record) wire() protowire.Type { return protowire.Type(r.tag & 7) }

// shortRecord reads the record that begins at src[i] if its tag has one byte and its
// length or varint, too: most have. It is small enough that the compiler puts its
// code in the place of a call; what it cannot read is for readRecord.
func shortRecord(src []byte, i int) (r record, ok bool) {
	if i+1 >= len(src) || src[i]-8 >= 0x78 || src[i+1] >= 0x80 {
		return
	}
	value := i + 2
	end := value
	switch src[i] & 7 {
	case uint8(protowire.VarintType):
		value--
	case uint8(protowire.BytesType):
		end += int(src[i+1])
	default:
		return
	}
	return record{uint32(src[i]), int32(value), int32(end), int32(end)}, end <= len(src)
}

// readRecord reads the record that begins at src[i]. Room is how many more levels
// of groups may be opened; groups that are looked through become known.
func readRecord(src []byte, i, room int, known *groupEnds) (record, error) {
	tag, i := uvarint(src, i)
	if i < 0 {
		return record{}, errVarint
	}
	if number := tag >> 3; number == 0 || number > uint64(protowire.MaxValidNumber) {
		return record{}, errFieldNumber
	}
	value := i
	switch protowire.Type(tag & 7) {
	case protowire.VarintType:
		_, i = uvarint(src, i)
		if i < 0 {
			return record{}, errVarint
		}
	case protowire.Fixed32Type:
		i += 4
	case protowire.Fixed64Type:
		i += 8
	case protowire.BytesType:
		length, body := uvarint(src, i)
		if body < 0 {
			return record{}, errVarint
		}
		if length > uint64(len(src)-body) {
			return record{}, errTruncated
		}
		value, i = body, body+int(length)
	case protowire.StartGroupType:
		end, next, err := skipGroup(src, i, tag>>3, room-1, known)
		return record{uint32(tag), int32(value), int32(end), int32(next)}, err
	case protowire.EndGroupType:
		return record{}, errEndGroup
	default:
		return record{}, errWireType
	}
	if i > len(src) {
		return record{}, errTruncated
	}
	return record{uint32(tag), int32(value), int32(i), int32(i)}, nil
}

// varint does the same as uvarint, faster: most numbers have one byte, and most others at most eight.
func varint(src []byte, i int) (uint64, int) {
	if n := src[i]; n < 0x80 {
		return uint64(n), i + 1
	}
	if end := varintEnd(src, i); end > 0 {
		return packVarint(loadWord(at(src, i), 0), end-i), end
	}
	return uvarint(src, i)
}

// varintEnd returns the offset behind the varint at src[i], or 0 if it has more than eight
// bytes or there are not as many to read.
func varintEnd(src []byte, i int) int {
	if i+8 > len(src) {
		return 0
	}
	last := ^loadWord(at(src, i), 0) & highBits
	if last == 0 {
		return 0
	}
	return i + bits.TrailingZeros64(last)/8 + 1
}

// packVarint returns the number of a varint with a size of at most eight bytes, the lowest of the word.
func packVarint(word uint64, size int) uint64 {
	unused := uint(64-8*size) & 63
	word = word << unused >> unused &^ highBits
	word = word&0x007f_007f_007f_007f | word&0x7f00_7f00_7f00_7f00>>1
	word = word&0x0000_3fff_0000_3fff | word&0x3fff_0000_3fff_0000>>2
	return word&0x0fff_ffff | word>>32<<28
}

// uvarint reads the varint at src[i] and returns the offset behind it, or a
// negative offset where there is no varint of at most 64 bits.
func uvarint(src []byte, i int) (uint64, int) {
	v := uint64(0)
	for shift := uint(0); shift < 64 && i < len(src); shift += 7 {
		b := src[i]
		i++
		v |= uint64(b&0x7f) << (shift & 63)
		if b < 0x80 {
			if shift == 63 && b > 1 {
				break
			}
			return v, i
		}
	}
	return 0, -1
}
