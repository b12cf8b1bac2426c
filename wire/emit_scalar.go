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
	if f.wireType == protowire.BytesType {
		return at.first == at.last
	}
	return loadNumber(w.src, f.kind, int(at.first)) == 0
}

// loadNumber reads the number at src[i], which is known to be whole: integers
// sign-extended, floats as their bits. What is too wide for its kind is cut off, as parsers do.
func loadNumber(src []byte, kind protoreflect.Kind, i int) uint64 {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.FloatKind:
		return uint64(binary.LittleEndian.Uint32(src[i:]))
	case protoreflect.Sfixed32Kind:
		return uint64(int32(binary.LittleEndian.Uint32(src[i:])))
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return binary.LittleEndian.Uint64(src[i:])
	}
	n, _ := uvarint(src, i)
	switch kind {
	case protoreflect.BoolKind:
		return uint64(protowire.EncodeBool(n != 0))
	case protoreflect.Int32Kind, protoreflect.EnumKind:
		return uint64(int32(n))
	case protoreflect.Uint32Kind:
		return uint64(uint32(n))
	case protoreflect.Sint32Kind:
		return uint64(protowire.DecodeZigZag(n & math.MaxUint32))
	case protoreflect.Sint64Kind:
		return uint64(protowire.DecodeZigZag(n))
	default:
		return n
	}
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
		return strconv.AppendUint(dst, bits, 10)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return append(strconv.AppendUint(append(dst, '"'), bits, 10), '"')
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return append(strconv.AppendInt(append(dst, '"'), int64(bits), 10), '"')
	default:
		return strconv.AppendInt(dst, int64(bits), 10)
	}
}

func (v *value) appendEnum(dst []byte, n protoreflect.EnumNumber) []byte {
	e := v.field.enum
	switch {
	case e.null && !v.graphql:
		return append(dst, "null"...)
	case v.numbers:
		return strconv.AppendInt(dst, int64(n), 10)
	case n >= 0 && int(n) < len(e.dense) && e.dense[n] != "":
		return append(dst, e.dense[n]...)
	}
	if name, ok := e.names[n]; ok {
		return append(append(append(dst, '"'), name...), '"')
	}
	if v.graphql {
		return append(dst, `"UNRECOGNIZED"`...)
	}
	return strconv.AppendInt(dst, int64(n), 10)
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

// appendFloat writes a number as ProtoJSON and encoding/json do: the shortest
// digits that read back the same, with an exponent where it is very small or large.
func appendFloat(dst []byte, f float64, size int) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(dst, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(dst, `"-Infinity"`...)
	}
	abs := math.Abs(f)
	small, large := abs < 1e-6, abs >= 1e21
	if size == 32 {
		small, large = float32(abs) < 1e-6, float32(abs) >= 1e21
	}
	if abs == 0 || !small && !large {
		return strconv.AppendFloat(dst, f, 'f', -1, size)
	}
	dst = strconv.AppendFloat(dst, f, 'e', -1, size)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' {
		dst[n-2] = dst[n-1] // e-09 is written e-9
		dst = dst[:n-1]
	}
	return dst
}

func appendBase64(dst, data []byte) []byte {
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, data)
	return append(dst, '"')
}
