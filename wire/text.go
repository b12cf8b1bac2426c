package wire

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// AppendWireText appends one element of the field, read from text as [Path.AppendText]
// says. An element of a list is not packed. On an [*Error] dst is returned as it was given.
func (f *Field) AppendWireText(dst []byte, text string) ([]byte, error) {
	if f.isMap {
		return dst, textError(f.jsonName, "expected a key and a value")
	}
	out, reason := f.appendText(append(dst, f.tag...), text)
	if reason != "" {
		return dst, textError(f.jsonName, reason)
	}
	return out, nil
}

// appendText appends the payload of one element.
func (f *Field) appendText(dst []byte, text string) ([]byte, string) {
	switch f.kind {
	case protoreflect.StringKind:
		return f.appendString(dst, text)
	case protoreflect.BytesKind:
		return appendBytesText(dst, []byte(text))
	case protoreflect.BoolKind:
		return f.appendBoolText(dst, text)
	case protoreflect.EnumKind:
		return f.appendEnumText(dst, text)
	case protoreflect.MessageKind:
		dst, start := beginLength(dst)
		dst, reason := f.message.appendText(dst, text)
		dst = endLength(dst, start)
		return dst, reason
	case protoreflect.GroupKind:
		dst, reason := f.message.appendText(dst, text)
		return append(dst, f.endTag...), reason
	}
	n, reason := parseNumberText(f.kind, []byte(text))
	return f.appendBits(dst, n), reason
}

// appendText appends the fields of a message that has a text form.
func (m *Message) appendText(dst []byte, text string) ([]byte, string) {
	switch m.wellKnown {
	case wellKnownTimestamp:
		return appendTimestamp(dst, text)
	case wellKnownDuration:
		return appendDuration(dst, []byte(text))
	case wellKnownFieldMask:
		return appendFieldMask(dst, []byte(text), true)
	case wellKnownWrapper:
		value := m.FieldByNumber(1)
		return value.appendText(append(dst, value.tag...), text)
	}
	return dst, "a " + string(m.FullName()) + " cannot be read from text"
}

// appendString appends a string. Text that is not UTF-8 is refused whatever the
// field says: JSON could never show it again.
func (f *Field) appendString(dst []byte, text string) ([]byte, string) {
	if !utf8.ValidString(text) {
		return dst, "the text is not valid UTF-8"
	}
	return protowire.AppendString(dst, text), ""
}

func (f *Field) appendBoolText(dst []byte, text string) ([]byte, string) {
	switch text {
	case "true":
		return append(dst, 1), ""
	case "false":
		return append(dst, 0), ""
	}
	return dst, "expected true or false"
}

func (f *Field) appendEnumText(dst []byte, text string) ([]byte, string) {
	if n, ok := f.enum.numbers[text]; ok {
		return protowire.AppendVarint(dst, uint64(int64(n))), ""
	}
	if !isNumber([]byte(text)) {
		return dst, unknownEnum(f.enum, []byte(text))
	}
	n, reason := parseNumber(f.kind, []byte(text))
	return protowire.AppendVarint(dst, n), reason
}

func unknownEnum(e *enumPlan, name []byte) string {
	return strconv.Quote(shorten(string(name))) + " is no value of " + string(e.desc.Name())
}

// parseNumberText reads the content of a JSON string, or a text, as a number.
func parseNumberText(kind protoreflect.Kind, text []byte) (uint64, string) {
	if n, end, ok := shortNumber(kind, text, 0); ok && end == len(text) {
		return n, ""
	}
	isFloat := kind == protoreflect.DoubleKind || kind == protoreflect.FloatKind
	switch {
	case isNumber(text):
		return parseNumber(kind, text)
	case !isFloat:
		return 0, notWhole
	}
	switch string(text) {
	case "NaN":
		return math.Float64bits(math.NaN()), ""
	case "Infinity":
		return math.Float64bits(math.Inf(1)), ""
	case "-Infinity":
		return math.Float64bits(math.Inf(-1)), ""
	}
	return 0, "expected a number"
}

// appendBytesText appends bytes with their length. Both alphabets are read, with
// padding or without.
func appendBytesText(dst, text []byte) ([]byte, string) {
	encoding := base64.StdEncoding
	switch url, padded := bytes.ContainsAny(text, "-_"), len(text)%4 == 0; {
	case url && padded:
		encoding = base64.URLEncoding
	case url:
		encoding = base64.RawURLEncoding
	case !padded:
		encoding = base64.RawStdEncoding
	}
	dst, start := beginLength(dst)
	dst, err := encoding.AppendDecode(dst, text)
	if err != nil {
		return dst, "expected base64"
	}
	dst = endLength(dst, start)
	return dst, ""
}
