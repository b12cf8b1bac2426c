package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The tags of google.protobuf.Struct, Value and ListValue. Their fields are known
// without a plan; see wellKnownOf for types that only have the names.
var (
	structEntryTag = protowire.AppendTag(nil, 1, protowire.BytesType)
	entryKeyTag    = protowire.AppendTag(nil, 1, protowire.BytesType)
	entryValueTag  = protowire.AppendTag(nil, 2, protowire.BytesType)
	listElementTag = protowire.AppendTag(nil, 1, protowire.BytesType)

	valueNullTag   = protowire.AppendTag(nil, 1, protowire.VarintType)
	valueNumberTag = protowire.AppendTag(nil, 2, protowire.Fixed64Type)
	valueStringTag = protowire.AppendTag(nil, 3, protowire.BytesType)
	valueBoolTag   = protowire.AppendTag(nil, 4, protowire.VarintType)
	valueStructTag = protowire.AppendTag(nil, 5, protowire.BytesType)
	valueListTag   = protowire.AppendTag(nil, 6, protowire.BytesType)
)

// wellKnown writes the fields of a message that has a JSON form of its own.
func (d *decoder) wellKnown(m *Message) error {
	switch m.wellKnown {
	case wellKnownAny:
		return d.any(m.types)
	case wellKnownStruct:
		return d.structFields()
	case wellKnownValue:
		return d.structValue()
	case wellKnownListValue:
		return d.structList()
	case wellKnownWrapper:
		return d.tagged(m.FieldByNumber(1))
	case wellKnownTimestamp:
		return d.spelled("a time in a string", func(dst, text []byte) ([]byte, string) {
			return appendTimestamp(dst, string(text))
		})
	case wellKnownDuration:
		return d.spelled("a duration in a string", appendDuration)
	case wellKnownFieldMask:
		return d.spelled("a field mask in a string", func(dst, text []byte) ([]byte, string) {
			return appendFieldMask(dst, text, false)
		})
	default: // google.protobuf.Empty has no fields and no other form
		return d.fields(m, false)
	}
}

// spelled writes a message that is a string in JSON.
func (d *decoder) spelled(what string, parse func(dst, text []byte) ([]byte, string)) error {
	if d.space() != '"' {
		return d.expected(what)
	}
	at := d.pos
	text, err := d.text()
	if err != nil {
		return err
	}
	var reason string
	d.dst, reason = parse(d.dst, text)
	return d.failIf(at, reason)
}

// structFields writes the fields of a google.protobuf.Struct.
func (d *decoder) structFields() error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	frame := d.keys.push()
	for first := true; ; first = false {
		more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			d.keys.pop(frame)
			return nil
		}
		if err := d.structField(frame); err != nil {
			return err
		}
	}
}

func (d *decoder) structField(frame keyFrame) error {
	at := d.pos
	d.dst = append(d.dst, structEntryTag...)
	content := d.beginLength()
	d.dst = append(d.dst, entryKeyTag...)
	if err := d.stringValue(); err != nil {
		return err
	}
	if err := d.colon(); err != nil {
		return err
	}
	key := keySpan{content.start, len(d.dst)}
	if d.keys.has(frame, d.dst, key) {
		return withinKey(d.fail(at, "duplicate key"), d.nameAt(at))
	}
	d.keys.add(frame, d.dst, key)
	d.dst = append(d.dst, entryValueTag...)
	if err := d.nested(d.structValue); err != nil {
		return withinKey(err, d.nameAt(at))
	}
	d.endLength(content)
	return nil
}

// nested writes a message with its length.
func (d *decoder) nested(fields func() error) error {
	content := d.beginLength()
	err := fields()
	d.endLength(content)
	return err
}

// structValue writes the one field of a google.protobuf.Value.
func (d *decoder) structValue() error {
	switch c := d.space(); {
	case c == 'n':
		d.dst = append(append(d.dst, valueNullTag...), 0)
		return d.literal("null")
	case c == 't' || c == 'f':
		d.dst = append(d.dst, valueBoolTag...)
		return d.boolValue()
	case c == '"':
		d.dst = append(d.dst, valueStringTag...)
		return d.stringValue()
	case c == '{':
		d.dst = append(d.dst, valueStructTag...)
		return d.nested(d.structFields)
	case c == '[':
		d.dst = append(d.dst, valueListTag...)
		return d.nested(d.structList)
	case startsNumber(c):
		return d.structNumber()
	}
	return d.expected("a value")
}

func (d *decoder) structNumber() error {
	at := d.pos
	n, reason, err := d.numberOf(protoreflect.DoubleKind)
	if err != nil {
		return err
	}
	d.dst = protowire.AppendFixed64(append(d.dst, valueNumberTag...), n)
	return d.failIf(at, reason)
}

// structList writes the fields of a google.protobuf.ListValue.
func (d *decoder) structList() error {
	if err := d.open('[', "a list"); err != nil {
		return err
	}
	for i := 0; ; i++ {
		more, err := d.element(i == 0)
		if !more {
			return err
		}
		d.dst = append(d.dst, listElementTag...)
		if err := d.nested(d.structValue); err != nil {
			return withinIndex(err, i)
		}
	}
}
