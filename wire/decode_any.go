package wire

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

const (
	typeMember  = "@type"
	valueMember = "value"
)

// any writes a google.protobuf.Any. Its @type may stand anywhere among the
// members, and is needed before the first of them can be read.
func (d *decoder) any(types *Types) error {
	if d.space() != '{' {
		return d.expected("an object")
	}
	start := d.pos
	at, err := d.findType()
	if err != nil {
		return err
	}
	if at < 0 {
		return d.untyped()
	}
	d.pos = at
	url, err := d.text()
	if err != nil {
		return within(err, typeMember)
	}
	m := types.messageByURL(url)
	if m == nil {
		return within(d.fail(at, unknownType(url)), typeMember)
	}
	d.dst = protowire.AppendTag(d.dst, 1, protowire.BytesType)
	d.dst = protowire.AppendBytes(d.dst, url)
	d.dst = protowire.AppendTag(d.dst, 2, protowire.BytesType)
	d.pos = start
	return d.anyContent(m)
}

func unknownType(url []byte) string {
	if len(url) == 0 {
		return "the type of an Any is empty"
	}
	return "unknown type " + strconv.Quote(shorten(string(url)))
}

// anyContent writes the message in an Any, as a field of bytes. Like any field
// of bytes it may lack what its type requires.
func (d *decoder) anyContent(m *Message) error {
	content := d.beginLength()
	d.partial++
	var err error
	if m.wellKnown == ordinary {
		err = d.fields(m, true)
	} else {
		err = d.anyValue(m)
	}
	d.partial--
	d.endLength(content)
	return err
}

// anyValue writes a message whose JSON form is under "value", beside @type.
func (d *decoder) anyValue(m *Message) error {
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	o := object{message: m, inAny: true}
	found := false
	for first := true; ; first = false {
		more, err := d.member(first)
		if err != nil {
			return err
		}
		if !more {
			break
		}
		if err := d.anyMember(&o, &found); err != nil {
			return err
		}
	}
	if !found && m.wellKnown != wellKnownEmpty { // other runtimes omit it for Empty
		return d.fail(d.pos-1, `the member "value" is missing`)
	}
	return nil
}

func (d *decoder) anyMember(o *object, found *bool) error {
	at := d.pos
	name, err := d.name()
	switch {
	case err != nil:
		return err
	case string(name) == typeMember:
		return d.skipType(o, at)
	case string(name) == valueMember && *found:
		return within(d.fail(at, "duplicate field"), valueMember)
	case string(name) == valueMember:
		*found = true
		return within(d.message(o.message), valueMember)
	case d.ignoreUnknown:
		return d.skip()
	}
	return d.fail(at, "unknown field "+strconv.Quote(shorten(string(name))))
}

// skipType moves over the value of @type, which was read before.
func (d *decoder) skipType(o *object, at int) error {
	if o.typed {
		return within(d.fail(at, "duplicate field"), typeMember)
	}
	o.typed = true
	return d.skip()
}

// untyped reads an object without @type: an Any without content.
func (d *decoder) untyped() error {
	start, levels := d.pos, d.levels
	if err := d.open('{', "an object"); err != nil {
		return err
	}
	more, err := d.member(true)
	if err != nil || !more {
		return err
	}
	if !d.ignoreUnknown {
		return d.fail(start, "the member @type is missing")
	}
	d.pos, d.levels = start, levels
	return d.skip()
}

// findType returns where the value of @type stands in the object that begins
// here, or -1. It does not move.
func (d *decoder) findType() (int, error) {
	start, levels := d.pos, d.levels
	at, err := d.firstMemberType()
	d.pos = start
	if at >= 0 || err != nil {
		return at, err
	}
	if start >= d.anys.indexed {
		d.anys.begin()
		err = d.skip()
		d.anys.finish(d.pos)
		d.pos, d.levels = start, levels
		if err != nil {
			return -1, err
		}
	}
	return d.anys.find(start), nil
}

// firstMemberType returns where the value of @type stands if it is the first
// member, else -1. It moves.
func (d *decoder) firstMemberType() (int, error) {
	d.pos++
	if d.space() != '"' {
		return -1, nil
	}
	name, err := d.name()
	if err != nil || string(name) != typeMember {
		return -1, err
	}
	d.space()
	return d.pos, nil
}

// typeIndex remembers where @type stands in the objects of a part of the document,
// so that an Any inside an Any inside an Any is not searched again at each level.
type typeIndex struct {
	noting  bool
	indexed int // the document is indexed up to here
	places  []typePlace
}

// typePlace is an object that has an @type.
type typePlace struct{ object, value int }

func (x *typeIndex) reset() {
	x.noting, x.indexed, x.places = false, 0, x.places[:0]
	if cap(x.places) > maxScratch/16 {
		x.places = nil
	}
}

func (x *typeIndex) begin() { x.noting, x.places = true, x.places[:0] }

// note records a member of an object while the index is made. A second @type
// in one object is found when its members are read.
func (x *typeIndex) note(object, value int, name []byte) {
	if x.noting && string(name) == typeMember {
		x.places = append(x.places, typePlace{object, value})
	}
}

func (x *typeIndex) finish(end int) {
	x.noting, x.indexed = false, end
	slices.SortStableFunc(x.places, func(a, b typePlace) int { return a.object - b.object })
}

// find returns where the value of @type stands in an object, or -1.
func (x *typeIndex) find(object int) int {
	i, ok := slices.BinarySearchFunc(x.places, object, func(p typePlace, object int) int { return p.object - object })
	if !ok {
		return -1
	}
	return x.places[i].value
}
