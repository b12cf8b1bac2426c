package graph

import (
	"errors"
	"fmt"
	"iter"
	"unsafe"
)

// jsonText is a JSON document (RFC 8259) that was read once: its values in the order in which they are
// written. It belongs to one goroutine while it is read, and to all readers afterwards. Texts that it
// returns are parts of the document, to which nobody may write any more.
type jsonText struct {
	bytes []byte
	nodes []jsonNode
	// coerced has the wire form of values that were coerced before they are encoded, each with its length.
	coerced []byte
}

// jsonNode is a value, or the name of a member, which stands before the member's value.
type jsonNode struct {
	kind    jsonKind
	escaped bool // a string has escapes
	// start and end enclose the text, of a string without its quotes.
	start, end uint32
	// next is the node behind this one and all that is in it.
	next uint32
	// size is the number of elements or members. Of a string, it is the place behind which coerced has
	// its wire form, 0 where that has none.
	size uint32
}

type jsonKind uint8

const (
	jsonNull jsonKind = iota
	jsonFalse
	jsonTrue
	jsonNumber
	jsonString
	jsonList
	jsonObject
)

// maxValues bounds the values in the JSON of a request: each takes some memory, however short it was written.
const maxValues = 50_000

var (
	errTooManyValues = errors.New("the request has more than " + fmt.Sprint(maxValues) + " JSON values")
	errTooDeep       = errors.New("the JSON of the request nests too deep")
	errNotJSON       = errors.New("the request is not JSON")
)

// read reads a document, which is valid UTF-8 and which nobody else may write to. Where an object has a name twice, the last
// one counts.
func (d *jsonText) read(document []byte) error {
	r := jsonReader{src: document, nodes: d.nodes[:0]}
	err := r.document()
	d.bytes, d.nodes, d.coerced = document, r.nodes, d.coerced[:0]
	switch {
	case errors.Is(err, errNotJSON):
		return r.fault()
	case err != nil || !r.repeated:
		return err
	}
	return d.read(d.appendOnce(make([]byte, 0, len(document)), 0))
}

// appendOnce appends a value whose objects have each name once: the last of those that they had.
func (d *jsonText) appendOnce(dst []byte, at uint32) []byte {
	switch n := &d.nodes[at]; n.kind {
	case jsonList:
		dst = append(dst, '[')
		for _, element := range d.elements(at) {
			dst = append(d.appendOnce(dst, element.at), ',')
		}
		return closedJSON(dst, ']')
	case jsonObject:
		last := make(map[string]uint32, n.size)
		for name, member := range d.members(at) {
			last[d.string(name)] = member.at
		}
		dst = append(dst, '{')
		for name, member := range d.members(at) {
			if last[d.string(name)] == member.at {
				dst = append(append(dst, d.whole(name)...), ':')
				dst = append(d.appendOnce(dst, member.at), ',')
			}
		}
		return closedJSON(dst, '}')
	default:
		return append(dst, d.whole(n)...)
	}
}

// closedJSON puts a bracket in the place of the comma behind the last element or member, if there is one.
func closedJSON(dst []byte, bracket byte) []byte {
	if dst[len(dst)-1] == ',' {
		dst = dst[:len(dst)-1]
	}
	return append(dst, bracket)
}

// root returns the value that a document is.
func (d *jsonText) root() value { return value{json: d} }

// plain takes the escapes out of a string for good. Nobody may have its text yet.
func (d *jsonText) plain(v value) {
	if n := &d.nodes[v.at]; n.kind == jsonString && n.escaped {
		text := unescape(d.bytes[n.start:n.start], d.bytes[n.start:n.end])
		n.end, n.escaped = n.start+uint32(len(text)), false
	}
}

// part returns a part of the document. Like strings.Builder, it does not copy what is not written to any more.
func (d *jsonText) part(start, end uint32) string {
	return unsafe.String(unsafe.SliceData(d.bytes[start:end]), int(end-start))
}

// string returns the content of a string or name.
func (d *jsonText) string(n *jsonNode) string {
	text := d.part(n.start, n.end)
	if n.escaped {
		return string(unescape(nil, []byte(text)))
	}
	return text
}

// whole returns a value as it is written.
func (d *jsonText) whole(n *jsonNode) string {
	if n.kind == jsonString {
		return d.part(n.start-1, n.end+1)
	}
	return d.part(n.start, n.end)
}

// members returns the names of an object and their values.
func (d *jsonText) members(at uint32) iter.Seq2[*jsonNode, value] {
	return func(yield func(*jsonNode, value) bool) {
		object := &d.nodes[at]
		for name := at + 1; name < object.next; name = d.nodes[name+1].next {
			if !yield(&d.nodes[name], value{json: d, at: name + 1}) {
				return
			}
		}
	}
}

// member returns a member of an object.
func (d *jsonText) member(at uint32, name string) (value, bool) {
	for n, v := range d.members(at) {
		if n.escaped && d.string(n) == name || !n.escaped && d.part(n.start, n.end) == name {
			return v, true
		}
	}
	return value{}, false
}

// elements returns the elements of a list.
func (d *jsonText) elements(at uint32) iter.Seq2[int, value] {
	return func(yield func(int, value) bool) {
		list := &d.nodes[at]
		i := 0
		for element := at + 1; element < list.next; element = d.nodes[element].next {
			if !yield(i, value{json: d, at: element}) {
				return
			}
			i++
		}
	}
}
