package main

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The floors look at the input once and follow its structure. They copy what
// values are made of, and convert, check and escape nothing.

// shape says which fields of a message hold messages, by number.
type shape struct{ below [64]*shape }

func shapeOf(md protoreflect.MessageDescriptor, known map[protoreflect.MessageDescriptor]*shape) *shape {
	if s := known[md]; s != nil {
		return s
	}
	s := new(shape)
	known[md] = s
	for i := range md.Fields().Len() {
		if fd := md.Fields().Get(i); fd.Message() != nil {
			s.below[fd.Number()] = shapeOf(fd.Message(), known)
		}
	}
	return s
}

// copyRecords appends the bytes of each scalar of a well-formed message.
func copyRecords(dst, msg []byte, s *shape) []byte {
	for len(msg) > 0 {
		tag, n := short(msg)
		msg = msg[n:]
		switch protowire.Type(tag & 7) {
		case protowire.BytesType:
			length, n := short(msg)
			body := msg[n : n+int(length)]
			msg = msg[n+int(length):]
			if below := s.below[tag>>3&63]; below != nil {
				dst = copyRecords(dst, body, below)
			} else {
				dst = append(dst, body...)
			}
			continue
		case protowire.Fixed64Type:
			n = 8
		case protowire.Fixed32Type:
			n = 4
		default:
			_, n = short(msg)
		}
		dst = append(dst, msg[:n]...)
		msg = msg[n:]
	}
	return dst
}

// skipRecords moves over the records of a message and of the messages in it that s knows, and counts them.
func skipRecords(msg []byte, s *shape) (records int) {
	for len(msg) > 0 {
		tag, n := short(msg)
		msg = msg[n:]
		switch protowire.Type(tag & 7) {
		case protowire.BytesType:
			length, n := short(msg)
			if below := s.below[tag>>3&63]; below != nil {
				records += skipRecords(msg[n:n+int(length)], below)
			}
			msg = msg[n+int(length):]
		case protowire.Fixed64Type:
			msg = msg[8:]
		case protowire.Fixed32Type:
			msg = msg[4:]
		default:
			_, n = short(msg)
			msg = msg[n:]
		}
		records++
	}
	return records
}

// short reads a varint, most of which have one byte.
func short(b []byte) (uint64, int) {
	if b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	return protowire.ConsumeVarint(b)
}

// copyTokens appends the content of each string and the text of each number of a
// document that has no white space.
func copyTokens(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		switch c := text[i]; c {
		case '"':
			end := i + 1 + bytes.IndexByte(text[i+1:], '"')
			for text[end-1] == '\\' {
				end += 1 + bytes.IndexByte(text[end+1:], '"')
			}
			dst = append(dst, text[i+1:end]...)
			i = end + 1
		case '{', '}', '[', ']', ',', ':':
			i++
		default:
			start := i
			for text[i] != ',' && text[i] != '}' && text[i] != ']' {
				i++
			}
			dst = append(dst, text[start:i]...)
		}
	}
	return dst
}
