package wire

import (
	"bytes"
	"errors"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// errIgnored says that an unknown enum name was skipped, as was asked for:
// whoever began the element takes it back. It never leaves the package.
var errIgnored = errors.New("ignored")

// object is the state of one JSON object that is read as a message.
type object struct {
	message *Message
	next    int  // the slot of the field whose name is tried first
	seen    int  // where the object's bits are in decoder.seen
	missing int  // how many required fields are not set yet
	inAny   bool // @type is a member
	typed   bool // it was read
}

// message writes the fields of a message, without tag or length.
func (d *decoder) message(m *Message) error {
	if m.wellKnown != ordinary {
		return d.wellKnown(m)
	}
	return d.fields(m, false)
}

// fields writes the members of an object as the fields of m.
func (d *decoder) fields(m *Message, inAny bool) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	o := object{message: m, seen: d.seen.push(m), missing: len(m.required), inAny: inAny}
	for first := true; ; first = false {
		more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			return d.closeObject(&o)
		}
		if err := d.memberValue(&o); err != nil {
			return err
		}
	}
}

func (d *decoder) closeObject(o *object) error {
	if o.missing > 0 && d.partial == 0 {
		return d.fail(d.pos-1, d.missing(o))
	}
	d.seen.pop(o.seen)
	return nil
}

// missing says which required field is not set.
func (d *decoder) missing(o *object) string {
	for _, f := range o.message.required {
		if !d.seen.has(o.seen, f.slot) {
			return "required field " + strconv.Quote(f.jsonName) + " is missing"
		}
	}
	return "a required field is null"
}

func (d *decoder) memberValue(o *object) error {
	at := d.pos
	f, name, err := d.fieldName(o)
	switch {
	case err != nil:
		return err
	case f != nil:
		o.next = f.slot + 1
		if err := d.field(o, f, at); err != nil {
			return within(err, f.jsonName)
		}
		return nil
	case o.inAny && string(name) == typeMember:
		return d.skipType(o, at)
	case d.ignoreUnknown:
		return d.skip()
	default:
		return d.unknown(o.message, at, name)
	}
}

// fieldName reads a name and finds its field: most documents have the fields in
// declared order under their JSON names. Without a field, it returns the name.
func (d *decoder) fieldName(o *object) (*Field, []byte, error) {
	if o.next < len(o.message.fields) {
		f := o.message.fields[o.next]
		if d.follows(f) {
			d.pos += len(f.key)
			return f, nil, nil
		}
	}
	name, err := d.name()
	if err != nil {
		return nil, nil, err
	}
	return o.message.names[string(name)], name, nil
}

// follows reports whether the key of a field follows.
func (d *decoder) follows(f *Field) bool {
	if len(d.json)-d.pos >= 16 && len(f.key) <= 16 {
		return f.shortKey.begins(at(d.json, 0), d.pos)
	}
	return f.key != "" && bytes.HasPrefix(d.json[d.pos:], []byte(f.key))
}

// field writes a field whose name stood at offset at.
func (d *decoder) field(o *object, f *Field, at int) error {
	if !d.seen.add(o.seen, f.slot) {
		return d.fail(at, "duplicate field")
	}
	if f.oneof >= 0 && !d.isAbsent(f) && !d.seen.add(o.seen, len(o.message.fields)+f.oneof) {
		return d.fail(at, "another field of the oneof "+strconv.Quote(o.message.oneofName(f))+" is set already")
	}
	mark := len(d.dst)
	if err := d.value(f); err != nil {
		return err
	}
	if o.missing > 0 && len(d.dst) > mark && f.desc.Cardinality() == protoreflect.Required {
		o.missing--
	}
	return nil
}

func (m *Message) oneofName(f *Field) string {
	return string(m.desc.Oneofs().Get(f.oneof).Name())
}

// isAbsent reports whether a null follows that stands for the absence of the field.
func (d *decoder) isAbsent(f *Field) bool { return d.space() == 'n' && !f.takesNull() }

// takesNull reports whether null is a value of the field's type.
func (f *Field) takesNull() bool {
	switch {
	case f.enum != nil:
		return f.enum.null
	case f.message != nil:
		return f.message.wellKnown == wellKnownValue
	}
	return false
}

// value writes a field from its JSON value.
func (d *decoder) value(f *Field) error {
	switch {
	case d.isAbsent(f):
		return d.literal("null")
	case f.isMap:
		return d.mapEntries(f)
	case f.repeated:
		return d.list(f)
	}
	return d.tagged(f)
}

// tagged writes one element with its tag, or nothing where it was ignored.
func (d *decoder) tagged(f *Field) error {
	mark := len(d.dst)
	if len(f.tag) == 1 {
		d.dst = append(d.dst, f.tag[0])
	} else {
		d.dst = append(d.dst, f.tag...)
	}
	err := d.payload(f)
	if err == errIgnored {
		d.dst = d.dst[:mark]
		return nil
	}
	return err
}

// payload writes one element without its tag.
func (d *decoder) payload(f *Field) error {
	switch f.kind {
	case protoreflect.MessageKind:
		content := d.beginLength()
		err := d.message(f.message)
		d.endLength(content)
		return err
	case protoreflect.GroupKind:
		err := d.message(f.message)
		d.dst = append(d.dst, f.endTag...)
		return err
	default:
		return d.scalar(f)
	}
}

// list writes the elements of a list, packed where the field is.
func (d *decoder) list(f *Field) error {
	if !f.packed {
		return d.elements(f)
	}
	mark := len(d.dst)
	d.dst = append(d.dst, f.packedTag...)
	content := d.beginLength()
	err := d.elements(f)
	if len(d.dst) == content.start {
		d.dst = d.dst[:mark]
		return err
	}
	d.endLength(content)
	return err
}

func (d *decoder) elements(f *Field) error {
	if err := d.open('[', "a list"); err != nil {
		return err
	}
	for i := 0; ; i++ {
		more, err := d.element(i == 0)
		if !more {
			return err
		}
		mark := len(d.dst)
		if !f.packed {
			d.dst = append(d.dst, f.tag...)
		}
		switch err := d.payload(f); {
		case err == errIgnored:
			d.dst = d.dst[:mark]
		case err != nil:
			return withinIndex(err, i)
		}
	}
}
