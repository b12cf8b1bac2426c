package wire

import (
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// AppendValues appends values to the path's field, as elements of a list or as
// the value of a singular field (the last one wins). An integer that the field
// has no room for is refused with an [*Error], and dst is then returned as it was
// given. A negative number and an unsigned one with the same 64 bits are not told apart.
func (p *Path) AppendValues(dst []byte, values []Value) ([]byte, error) {
	f := p.Field()
	if len(values) == 0 {
		return dst, nil
	}
	out, err := nest(dst, p.outer(), func(dst []byte) ([]byte, error) {
		return f.appendElements(dst, len(values), func(dst []byte, i int) ([]byte, string) {
			return f.appendValue(dst, values[i])
		})
	})
	if err != nil {
		return dst, within(err, p.String())
	}
	return out, nil
}

// AppendText appends the field at the path with a value read from text, as in
// URL paths and query parameters: numbers, booleans, enum names or numbers,
// base64 (either alphabet), and the JSON forms, without quotes, of Timestamp,
// Duration, FieldMask (also in names of the .proto file) and wrappers. Zeros are
// written too, so that what comes later wins. Each text of a list is one element;
// a singular field takes one text. No text appends nothing. For a map, see
// AppendMapText. On an [*Error] dst is returned as it was given.
func (p *Path) AppendText(dst []byte, texts ...string) ([]byte, error) {
	f := p.Field()
	switch {
	case len(texts) == 0:
		return dst, nil
	case f.isMap:
		return dst, textError(p.String(), "expected a key and a value")
	case len(texts) > 1 && !f.repeated:
		return dst, textError(p.String(), "expected one value, found "+strconv.Itoa(len(texts)))
	}
	out, err := nest(dst, p.outer(), func(dst []byte) ([]byte, error) {
		return f.appendElements(dst, len(texts), func(dst []byte, i int) ([]byte, string) {
			return f.appendText(dst, texts[i])
		})
	})
	if err != nil {
		return dst, within(err, p.String())
	}
	return out, nil
}

// appendElements appends n elements of the field, packed where it is a packed list.
func (f *Field) appendElements(dst []byte, n int, payload func(dst []byte, i int) ([]byte, string)) ([]byte, error) {
	start := 0
	if f.packed {
		dst, start = beginLength(append(dst, f.packedTag...))
	}
	for i := range n {
		if !f.packed {
			dst = append(dst, f.tag...)
		}
		var reason string
		if dst, reason = payload(dst, i); reason != "" {
			return dst, f.elementError(i, reason)
		}
	}
	if f.packed {
		dst = endLength(dst, start)
	}
	return dst, nil
}

func (f *Field) elementError(i int, reason string) error {
	if f.repeated {
		return withinIndex(textError("", reason), i)
	}
	return textError("", reason)
}

// AppendMapText appends one map entry, whose key and value are read from text.
// The path must end in a map. On an [*Error] dst is returned as it was given.
func (p *Path) AppendMapText(dst []byte, key, value string) ([]byte, error) {
	f := p.Field()
	if !f.isMap {
		return dst, textError(p.String(), "a key stands for a field that is not a map")
	}
	out, err := nest(dst, p.outer(), func(dst []byte) ([]byte, error) {
		dst, reason := f.appendEntryText(dst, key, value)
		if reason != "" {
			return dst, textError("", reason)
		}
		return dst, nil
	})
	if err != nil {
		return dst, within(withinKey(err, []byte(key)), p.String())
	}
	return out, nil
}

func (f *Field) appendEntryText(dst []byte, key, value string) ([]byte, string) {
	keyField, valueField := f.message.FieldByNumber(1), f.message.FieldByNumber(2)
	if !utf8.ValidString(key) {
		return dst, "the key is not valid UTF-8"
	}
	dst, start := beginLength(append(dst, f.tag...))
	dst, reason := keyField.appendMapKey(dst, []byte(key))
	if reason != "" {
		return dst, reason
	}
	dst, reason = valueField.appendText(append(dst, valueField.tag...), value)
	dst = endLength(dst, start)
	return dst, reason
}

// AppendJSON appends the field at the path with a value read from JSON, as
// [Field.AppendWireJSON] does. Where that appends nothing, neither does AppendJSON. On
// an [*Error] dst is returned as it was given; its offset counts from the start of json.
func (p *Path) AppendJSON(dst, json []byte, o DecodeOptions) ([]byte, error) {
	nothing := false
	out, err := nest(dst, p.outer(), func(dst []byte) ([]byte, error) {
		out, err := p.Field().AppendWireJSON(dst, json, o)
		nothing = len(out) == len(dst)
		return out, err
	})
	if err == nil && nothing {
		return dst, nil
	}
	for _, f := range slices.Backward(p.outer()) {
		err = within(err, f.jsonName)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// outer returns the messages that the path leads through.
func (p *Path) outer() []*Field { return p.fields[:len(p.fields)-1] }

// nest appends the messages of a path around what leaf appends.
func nest(dst []byte, outer []*Field, leaf func(dst []byte) ([]byte, error)) ([]byte, error) {
	if len(outer) == 0 {
		return leaf(dst)
	}
	f := outer[0]
	dst = append(dst, f.tag...)
	if f.kind == protoreflect.GroupKind {
		dst, err := nest(dst, outer[1:], leaf)
		return append(dst, f.endTag...), err
	}
	dst, start := beginLength(dst)
	dst, err := nest(dst, outer[1:], leaf)
	dst = endLength(dst, start)
	return dst, err
}
