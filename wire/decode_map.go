package wire

import (
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// mapEntries writes the members of an object as the entries of a map.
func (d *decoder) mapEntries(f *Field) error {
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
		if err := d.mapEntry(f, frame); err != nil {
			return err
		}
	}
}

// mapEntry writes one entry, or nothing where its value was ignored.
func (d *decoder) mapEntry(f *Field, frame keyFrame) error {
	at, mark := d.pos, len(d.dst)
	key, value := f.message.FieldByNumber(1), f.message.FieldByNumber(2)
	name, err := d.name()
	if err != nil {
		return err
	}
	d.dst = append(d.dst, f.tag...)
	content := d.beginLength()
	var reason string
	if d.dst, reason = key.appendMapKey(d.dst, name); reason != "" {
		return withinKey(d.fail(at, reason), name)
	}
	span := keySpan{content.start, len(d.dst)}
	if d.keys.has(frame, d.dst, span) {
		return withinKey(d.fail(at, "duplicate key"), d.nameAt(at))
	}
	d.dst = append(d.dst, value.tag...)
	d.space()
	switch err := d.payload(value); {
	case err == errIgnored:
		d.dst = d.dst[:mark]
		return nil
	case err != nil:
		return withinKey(err, d.nameAt(at))
	}
	d.endLength(content)
	d.keys.add(frame, d.dst, span)
	return nil
}

// nameAt reads the name at an offset again, for an error.
func (d *decoder) nameAt(offset int) []byte {
	d.pos = offset
	name, _ := d.text()
	return name
}

// appendMapKey appends a map's key with its tag. Keys are strings in JSON whatever their kind.
func (f *Field) appendMapKey(dst, key []byte) ([]byte, string) {
	dst = append(dst, f.tag...)
	switch f.kind {
	case protoreflect.StringKind:
		return protowire.AppendBytes(dst, key), ""
	case protoreflect.BoolKind:
		return f.appendBoolText(dst, string(key))
	}
	n, ok := parseMapKey(f.kind, key)
	if !ok {
		return dst, "expected a key of type " + f.kind.String()
	}
	return f.appendBits(dst, n), ""
}

// parseMapKey reads an integer key: decimal digits with an optional sign.
func parseMapKey(kind protoreflect.Kind, key []byte) (uint64, bool) {
	var n uint64
	var err error
	if isUnsigned(kind) {
		n, err = strconv.ParseUint(string(key), 10, 64)
		return n, err == nil && fits(kind, false, n)
	}
	i, err := strconv.ParseInt(string(key), 10, 64)
	n = uint64(i)
	return n, err == nil && fitsBits(kind, n)
}
