package wire

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// scalar writes the payload of an element that is not a message.
func (d *decoder) scalar(f *Field) error {
	switch f.kind {
	case protoreflect.StringKind:
		return d.stringValue()
	case protoreflect.BytesKind:
		return d.bytesValue()
	case protoreflect.BoolKind:
		return d.boolValue()
	case protoreflect.EnumKind:
		return d.enumValue(f.enum)
	default:
		return d.numberValue(f)
	}
}

// stringValue copies a string straight behind its length.
func (d *decoder) stringValue() error {
	if d.space() != '"' {
		return d.expected("a string")
	}
	from := d.pos + 1
	end, err := d.run(from)
	if err != nil {
		return err
	}
	if d.json[end] == '"' {
		d.dst = appendBytes(d.dst, d.json[from:end])
		d.pos = end + 1
		return nil
	}
	var start int
	d.dst, start = beginLength(d.dst)
	d.dst, err = d.unescape(append(d.dst, d.json[from:end]...), end)
	d.dst = endLength(d.dst, start)
	return err
}

func (d *decoder) bytesValue() error {
	if d.space() != '"' {
		return d.expected("a string of base64")
	}
	at := d.pos
	text, err := d.text()
	if err != nil {
		return err
	}
	var reason string
	d.dst, reason = appendBytesText(d.dst, text)
	return d.failIf(at, reason)
}

func (d *decoder) boolValue() error {
	switch d.space() {
	case 't':
		d.dst = append(d.dst, 1)
		return d.literal("true")
	case 'f':
		d.dst = append(d.dst, 0)
		return d.literal("false")
	}
	return d.expected("true or false")
}

// enumValue reads an enum by name or number; also closed enums take numbers
// that they do not declare, as other ProtoJSON parsers have it.
func (d *decoder) enumValue(e *enumPlan) error {
	at := d.pos
	switch c := d.space(); {
	case c == '"':
		name, err := d.text()
		if err != nil {
			return err
		}
		n, ok := e.numbers[string(name)]
		switch {
		case ok:
			d.dst = protowire.AppendVarint(d.dst, uint64(int64(n)))
			return nil
		case d.ignoreUnknown:
			return errIgnored
		}
		return d.fail(at, unknownEnum(e, name))
	case c == 'n' && e.null:
		d.dst = append(d.dst, 0)
		return d.literal("null")
	case !startsNumber(c):
		return d.expected("the name or number of an enum value")
	}
	n, reason, err := d.numberOf(protoreflect.EnumKind)
	if err != nil {
		return err
	}
	d.dst = protowire.AppendVarint(d.dst, n)
	return d.failIf(at, reason)
}

// numberValue reads a number, or a string with a number in it.
func (d *decoder) numberValue(f *Field) error {
	c, at := d.space(), d.pos
	if c == '"' {
		text, err := d.text()
		if err != nil {
			return err
		}
		n, reason := parseNumberText(f.kind, text)
		d.dst = f.appendBits(d.dst, n)
		return d.failIf(at, reason)
	}
	if !startsNumber(c) {
		return d.expected("a number")
	}
	n, reason, err := d.numberOf(f.kind)
	d.dst = f.appendBits(d.dst, n)
	if err != nil || reason == "" {
		return err
	}
	return d.fail(at, reason)
}

// numberOf reads a number for a field of a numeric kind.
func (d *decoder) numberOf(kind protoreflect.Kind) (n uint64, reason string, err error) {
	if n, end, ok := shortNumber(kind, d.json, d.pos); ok {
		d.pos = end
		return n, "", nil
	}
	raw, err := d.number()
	if err != nil {
		return 0, "", err
	}
	n, reason = parseNumber(kind, raw)
	return n, reason, nil
}

func startsNumber(c byte) bool { return c == '-' || c-'0' <= 9 }

// failIf returns an error where there is a reason for one.
func (d *decoder) failIf(offset int, reason string) error {
	if reason == "" {
		return nil
	}
	return d.fail(offset, reason)
}
