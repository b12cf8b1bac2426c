package wire

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar writes the scalar whose wire form is between start and end.
func (w *writer) scalar(dst []byte, v *value, start, end int) ([]byte, error) {
	switch v.field.kind {
	case protoreflect.StringKind:
		dst, ok := appendString(dst, w.src[start:end], v.html)
		if !ok {
			return dst, v.field.malformed(errUTF8)
		}
		return dst, nil
	case protoreflect.BytesKind:
		return appendBase64(dst, w.src[start:end]), nil
	}
	bits := loadNumber(w.src, v.field.kind, start)
	if v.graphql && !finite(v.field.kind, bits) {
		return dst, ErrNotFinite
	}
	return v.appendNumber(dst, bits), nil
}

// isZero reports whether a scalar that is present has the zero value. Negative
// zero is another value.
func (w *writer) isZero(f *Field, at slot) bool {
	switch f.wireType {
	case protowire.BytesType:
		return at.first == at.last
	case protowire.VarintType:
		if first := w.src[at.first]; first-1 < 0x7f {
			return false // one byte, and not 0
		}
	}
	return loadNumber(w.src, f.kind, int(at.first)) == 0
}

// loadNumber reads the number at src[i], which is known to be whole.
func loadNumber(src []byte, kind protoreflect.Kind, i int) uint64 {
	bits, _ := readNumber(src, kind, i)
	return bits
}

// readNumber reads the number at src[i] and returns the offset behind it, negative where it is
// cut off: integers sign-extended, floats as their bits. What is too wide for
// its kind is cut to size, as parsers do.
func readNumber(src []byte, kind protoreflect.Kind, i int) (bits uint64, next int) {
	switch kind {
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		if i+8 > len(src) {
			return 0, -1
		}
		return binary.LittleEndian.Uint64(src[i:]), i + 8
	case protoreflect.Fixed32Kind, protoreflect.FloatKind, protoreflect.Sfixed32Kind:
		if i+4 > len(src) {
			return 0, -1
		}
		bits = uint64(binary.LittleEndian.Uint32(src[i:]))
		if kind == protoreflect.Sfixed32Kind {
			bits = uint64(int32(bits))
		}
		return bits, i + 4
	}
	bits, next = varint(src, i)
	switch kind {
	case protoreflect.BoolKind:
		bits = protowire.EncodeBool(bits != 0)
	case protoreflect.Int32Kind, protoreflect.EnumKind:
		bits = uint64(int32(bits))
	case protoreflect.Uint32Kind:
		bits = uint64(uint32(bits))
	case protoreflect.Sint32Kind:
		bits = uint64(protowire.DecodeZigZag(bits & math.MaxUint32))
	case protoreflect.Sint64Kind:
		bits = uint64(protowire.DecodeZigZag(bits))
	}
	return bits, next
}

// appendNumber writes what loadNumber read.
func (v *value) appendNumber(dst []byte, bits uint64) []byte {
	switch v.field.kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, bits != 0)
	case protoreflect.EnumKind:
		return v.appendEnum(dst, protoreflect.EnumNumber(bits))
	case protoreflect.FloatKind:
		return appendFloat(dst, float64(math.Float32frombits(uint32(bits))), 32)
	case protoreflect.DoubleKind:
		return appendFloat(dst, math.Float64frombits(bits), 64)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return appendUint(dst, bits)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return append(appendUint(append(dst, '"'), bits), '"')
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return append(appendInt(append(dst, '"'), int64(bits)), '"')
	default:
		return appendInt(dst, int64(bits))
	}
}

func (v *value) appendEnum(dst []byte, n protoreflect.EnumNumber) []byte {
	e := v.field.enum
	switch {
	case e.null:
		return append(dst, "null"...)
	case v.numbers:
		return appendInt(dst, int64(n))
	case n >= 0 && int(n) < len(e.dense) && e.dense[n] != "":
		return append(dst, e.dense[n]...)
	}
	if name, ok := e.names[n]; ok {
		return append(append(append(dst, '"'), name...), '"')
	}
	if v.graphql {
		return append(dst, `"UNRECOGNIZED"`...)
	}
	return appendInt(dst, int64(n))
}

// finite reports whether a number is neither NaN nor infinite.
func finite(kind protoreflect.Kind, bits uint64) bool {
	switch kind {
	case protoreflect.FloatKind:
		return bits>>23&0xff != 0xff
	case protoreflect.DoubleKind:
		return bits>>52&0x7ff != 0x7ff
	default:
		return true
	}
}

func appendBase64(dst, data []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}
