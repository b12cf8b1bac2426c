package wire

import "sync"

// DecodeOptions say how JSON is read. The zero value is what the ProtoJSON
// specification asks for.
type DecodeOptions struct {
	// IgnoreUnknown skips unknown fields and unknown enum names.
	IgnoreUnknown bool
	// AllowPartial accepts messages without their required fields: for a body
	// whose message is completed by what is appended later.
	AllowPartial bool
	// MaxDepth bounds the nesting of objects and lists; 0 means [DefaultMaxDepth].
	MaxDepth int
}

// DefaultMaxDepth bounds the nesting of JSON documents where nothing else is said.
const DefaultMaxDepth = 100

// AppendWire appends the wire form of a JSON document to dst. Trailing data,
// duplicate keys, invalid UTF-8 and numbers out of range are refused with an
// [*Error], and dst is then returned as it was given. Packed lists are written
// packed, and values without presence are written also where they are zero. It
// keeps neither dst nor json.
func (m *Message) AppendWire(dst, json []byte, o DecodeOptions) ([]byte, error) {
	d := newDecoder(dst, json, o)
	defer d.free()
	if d.space(); len(json) == d.pos {
		return dst, d.finish(d.fail(0, "the body is empty; expected a JSON object"))
	}
	err := d.message(m)
	if err == nil {
		err = d.noMore()
	}
	return d.result(dst, err)
}

// AppendWireJSON appends the field, with all elements of a list or map, read from a JSON
// value. A null appends nothing, save for google.protobuf.Value and NullValue. On
// an [*Error] dst is returned as it was given.
func (f *Field) AppendWireJSON(dst, json []byte, o DecodeOptions) ([]byte, error) {
	d := newDecoder(dst, json, o)
	defer d.free()
	if d.space(); len(json) == d.pos {
		return dst, d.finish(within(d.fail(0, "the body is empty; expected a JSON value"), f.jsonName))
	}
	err := d.value(f)
	if err == nil {
		err = d.noMore()
	}
	return d.result(dst, within(err, f.jsonName))
}

// decoder reads one JSON document. The message plan drives it; there is no tree
// and no token in between.
type decoder struct {
	json          []byte
	pos           int    // the next byte of json
	dst           []byte // what was written so far
	levels        int    // how many more brackets may be open
	ignoreUnknown bool
	partial       int // above 0 required fields may be absent

	lengths lengths
	seen    seenFields
	keys    keySet
	anys    typeIndex
	scratch []byte // the content of the last string that had escapes
}

var decoders = sync.Pool{New: func() any { return new(decoder) }}

func newDecoder(dst, json []byte, o DecodeOptions) *decoder {
	d := decoders.Get().(*decoder)
	d.json, d.pos, d.dst = json, 0, dst
	d.ignoreUnknown = o.IgnoreUnknown
	d.partial = 0
	if o.AllowPartial {
		d.partial = 1
	}
	d.levels = o.MaxDepth
	if d.levels <= 0 {
		d.levels = DefaultMaxDepth
	}
	return d
}

// maxScratch is the largest buffer, in bytes, that a decoder keeps for the next document.
const maxScratch = 64 << 10

// free gives the decoder back, without anything of the caller's.
func (d *decoder) free() {
	d.json, d.dst = nil, nil
	d.seen = d.seen[:0]
	d.lengths.reset()
	d.keys.reset()
	d.anys.reset()
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
	decoders.Put(d)
}

// result returns what was written, or dst as it was given.
func (d *decoder) result(dst []byte, err error) ([]byte, error) {
	if err != nil {
		return dst, d.finish(err)
	}
	return d.lengths.insert(d.dst), nil
}
