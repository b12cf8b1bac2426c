package wire

import (
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// appendBits appends the payload of an element of a numeric kind, bool or enum,
// from the form of [Value.Bits].
func (f *Field) appendBits(dst []byte, n uint64) []byte {
	switch f.kind {
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return protowire.AppendVarint(dst, protowire.EncodeZigZag(int64(n)))
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(dst, uint32(n))
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.AppendFixed64(dst, n)
	case protoreflect.FloatKind:
		return protowire.AppendFixed32(dst, math.Float32bits(float32(math.Float64frombits(n))))
	default:
		return appendVarint(dst, n)
	}
}

// appendVarint appends a varint. Most have one byte, which protowire finds out last.
func appendVarint(dst []byte, n uint64) []byte {
	if n < 0x80 {
		return append(dst, byte(n))
	}
	return protowire.AppendVarint(dst, n)
}

// appendBytes appends bytes with their length.
func appendBytes(dst, body []byte) []byte {
	return append(appendVarint(dst, uint64(len(body))), body...)
}

// fitsBits reports whether a field of the kind can hold a number in the form of [Value.Bits].
func fitsBits(kind protoreflect.Kind, n uint64) bool {
	switch kind {
	case protoreflect.DoubleKind:
		return true
	case protoreflect.FloatKind:
		v := math.Float64frombits(n)
		return math.IsInf(v, 0) || !math.IsInf(float64(float32(v)), 0)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return true
	}
	if int64(n) < 0 {
		return fits(kind, true, -n)
	}
	return fits(kind, false, n)
}

// appendValue appends the payload of a scalar element.
func (f *Field) appendValue(dst []byte, v Value) ([]byte, string) {
	switch f.kind {
	case protoreflect.StringKind:
		return f.appendString(dst, v.Text)
	case protoreflect.BytesKind:
		return protowire.AppendString(dst, v.Text), ""
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return dst, "expected a field that is not a message"
	}
	if !fitsBits(f.kind, v.Bits) {
		return dst, outOfRange + f.kind.String()
	}
	return f.appendBits(dst, v.Bits), ""
}

// AppendWireMessage appends one element of a message field whose wire form is body, or of a field of bytes that are body.
// It keeps neither dst nor body, which may be a part of dst. The field must be of a message, a group or bytes.
func (f *Field) AppendWireMessage(dst, body []byte) []byte {
	dst = append(dst, f.tag...)
	if f.kind == protoreflect.GroupKind {
		dst = append(dst, body...)
		return append(dst, f.endTag...)
	}
	return protowire.AppendBytes(dst, body)
}
