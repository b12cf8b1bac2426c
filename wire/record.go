package wire

import "google.golang.org/protobuf/encoding/protowire"

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

// readRecord reads the record that begins at src[i]. Room is how many more levels
// of groups may be opened.
func readRecord(src []byte, i, room int) (record, error) {
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
		end, next, err := skipGroup(src, i, tag>>3, room-1)
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

// skipGroup finds the end of a group whose content begins at src[i]: where the
// content ends, and where the next record begins. A group has no length, so each level
// around it looks through its content again: at most maxMessageDepth times.
func skipGroup(src []byte, i int, number uint64, room int) (end, next int, err error) {
	if room < 0 {
		return 0, 0, errTooDeep
	}
	for i < len(src) {
		tag, behind := uvarint(src, i)
		if behind < 0 {
			return 0, 0, errVarint
		}
		if protowire.Type(tag&7) == protowire.EndGroupType {
			if tag>>3 != number {
				return 0, 0, errEndGroup
			}
			return i, behind, nil
		}
		r, err := readRecord(src, i, room)
		if err != nil {
			return 0, 0, err
		}
		i = int(r.next)
	}
	return 0, 0, errTruncated
}

// uvarint reads the varint at src[i] and returns the offset behind it, or a
// negative offset where there is no varint of at most 64 bits.
func uvarint(src []byte, i int) (uint64, int) {
	if i < len(src) && src[i] < 0x80 {
		return uint64(src[i]), i + 1
	}
	return longUvarint(src, i)
}

func longUvarint(src []byte, i int) (uint64, int) {
	v, n := protowire.ConsumeVarint(src[i:])
	if n < 0 {
		return 0, -1
	}
	return v, i + n
}
