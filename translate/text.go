package translate

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// In URLs and forms people write more than JSON has, and gateways before this one took it: 1 and t
// for true, 007 and +7 for 7, .5 for 0.5, 1h30m for a duration, the mask * (AIP-157), and JSON for
// google.protobuf.Struct and Value, and nothing for a member of a oneof that is an empty message. None of these texts means something else in JSON.

// appendFieldText appends a field with a value read from such a text; of a list, each text is an element.
func appendFieldText(dst []byte, p *wire.Path, texts ...string) ([]byte, error) {
	m := p.Field().Message()
	if m != nil && len(texts) == 1 {
		switch {
		case m.FullName() == "google.protobuf.FieldMask" && texts[0] == "*":
			mask := protowire.AppendTag(nil, 1, protowire.BytesType)
			return appendNested(dst, p.Fields(), protowire.AppendString(mask, texts[0])), nil
		case isFreeJSON(m):
			return appendFreeJSON(dst, p, texts[0])
		case texts[0] == "" && isEmptyChoice(p.Field()):
			return appendNested(dst, p.Fields(), nil), nil
		}
	}
	for i, text := range texts {
		texts[i] = spelled(p.Field(), text)
	}
	return p.AppendText(dst, texts...)
}

// appendEntryText appends an entry of a map with a value read from such a text.
func appendEntryText(dst []byte, p *wire.Path, key, value string) ([]byte, error) {
	return p.AppendMapText(dst, key, spelled(p.Field().Message().FieldByNumber(2), value))
}

// isEmptyChoice reports whether a field is a member of a oneof with nothing in it, such as a google.protobuf.Empty:
// that it is set is all that it says.
func isEmptyChoice(f *wire.Field) bool {
	fd := f.Descriptor()
	return realOneof(fd) != nil && fd.Message().Fields().Len() == 0
}

// isFreeJSON reports whether a message is any JSON.
func isFreeJSON(m *wire.Message) bool {
	switch m.FullName() {
	case "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue":
		return true
	default:
		return false
	}
}

func appendFreeJSON(dst []byte, p *wire.Path, text string) ([]byte, error) {
	if p.Field().IsList() {
		text = "[" + text + "]"
	}
	return p.AppendJSON(dst, []byte(text), wire.DecodeOptions{})
}

// spelled returns a text as JSON has it, or as it was where it is none of those above.
func spelled(f *wire.Field, text string) string {
	switch f.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return text
	case protoreflect.BoolKind:
		if b, err := strconv.ParseBool(text); err == nil {
			return strconv.FormatBool(b)
		}
		return text
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return spelledMessage(f.Message(), text)
	default: // of an enum, its number
		return plainNumber(text)
	}
}

func spelledMessage(m *wire.Message, text string) string {
	if m.FullName() == "google.protobuf.Duration" {
		if d, err := time.ParseDuration(text); err == nil {
			return secondsOf(d)
		}
		return text
	}
	if wrapper, ok := strings.CutPrefix(string(m.FullName()), "google.protobuf."); ok && strings.HasSuffix(wrapper, "Value") {
		if value := m.FieldByNumber(1); value != nil && value.Message() == nil {
			return spelled(value, text)
		}
	}
	return text
}

// secondsOf writes a duration as JSON does, such as -1.500000000s.
func secondsOf(d time.Duration) string {
	sign, whole, nanos := "", d/time.Second, d%time.Second
	if d < 0 {
		sign, whole, nanos = "-", -whole, -nanos
	}
	return fmt.Sprintf("%s%d.%09ds", sign, int64(whole), int64(nanos))
}

// plainNumber takes a plus and zeros off the front of a number, and puts the digit before a point, or
// takes a point away, where JSON wants that.
func plainNumber(text string) string {
	sign, digits := "", strings.TrimPrefix(text, "+")
	if rest, negative := strings.CutPrefix(text, "-"); negative {
		sign, digits = "-", rest
	}
	for len(digits) > 1 && digits[0] == '0' && isDigit(digits[1]) {
		digits = digits[1:]
	}
	end := 0
	for end < len(digits) && isDigit(digits[end]) {
		end++
	}
	rest := digits[end:]
	pointed := strings.HasPrefix(rest, ".")
	switch fraction := pointed && len(rest) > 1 && isDigit(rest[1]); {
	case end == 0 && fraction:
		return sign + "0" + digits
	case end == 0:
		return text
	case pointed && !fraction:
		return sign + digits[:end] + rest[1:]
	default:
		return sign + digits
	}
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
