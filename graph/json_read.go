package graph

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxJSONDepth bounds how deep lists and objects nest, also in what is not looked at.
const maxJSONDepth = 1000

// jsonReader reads a document into nodes.
type jsonReader struct {
	src      []byte
	pos      int
	nodes    []jsonNode
	values   int // less the names of members
	depth    int
	repeated bool // an object has a name twice
}

// document reads one value and nothing behind it.
func (r *jsonReader) document() error {
	if err := r.value(); err != nil {
		return err
	}
	if r.space(); r.pos < len(r.src) {
		return errNotJSON
	}
	return nil
}

// fault says where the document is no JSON.
func (r *jsonReader) fault() error {
	switch {
	case r.pos >= len(r.src) && len(bytes.TrimSpace(r.src)) == 0:
		return fmt.Errorf("%w: it is empty", errNotJSON)
	case r.pos >= len(r.src):
		return fmt.Errorf("%w: it ends where something must follow", errNotJSON)
	}
	found, _ := utf8.DecodeRune(r.src[r.pos:])
	return fmt.Errorf("%w: there is %q at byte %d", errNotJSON, found, r.pos)
}

// space skips white space and returns the byte behind it, 0 at the end.
func (r *jsonReader) space() byte {
	for ; r.pos < len(r.src); r.pos++ {
		switch c := r.src[r.pos]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// begin adds a node that starts here.
func (r *jsonReader) begin(kind jsonKind) int {
	r.nodes = append(r.nodes, jsonNode{kind: kind, start: uint32(r.pos)})
	return len(r.nodes) - 1
}

// end says that a node and all that is in it ends here.
func (r *jsonReader) end(node int) *jsonNode {
	n := &r.nodes[node]
	n.end, n.next = uint32(r.pos), uint32(len(r.nodes))
	return n
}

func (r *jsonReader) value() error {
	if r.values++; r.values > maxValues {
		return errTooManyValues
	}
	switch r.space() {
	case '"':
		return r.string()
	case '{':
		return r.within(jsonObject, '}')
	case '[':
		return r.within(jsonList, ']')
	case 't':
		return r.literal(jsonTrue, "true")
	case 'f':
		return r.literal(jsonFalse, "false")
	case 'n':
		return r.literal(jsonNull, "null")
	default:
		return r.number()
	}
}

func (r *jsonReader) literal(kind jsonKind, text string) error {
	if len(r.src)-r.pos < len(text) || string(r.src[r.pos:r.pos+len(text)]) != text {
		return errNotJSON
	}
	node := r.begin(kind)
	r.pos += len(text)
	r.end(node)
	return nil
}

func (r *jsonReader) number() error {
	node := r.begin(jsonNumber)
	r.skip('-')
	if !r.skip('0') && !r.digits() {
		return errNotJSON
	}
	if r.skip('.') && !r.digits() {
		return errNotJSON
	}
	if r.skip('e') || r.skip('E') {
		if !r.skip('+') {
			r.skip('-')
		}
		if !r.digits() {
			return errNotJSON
		}
	}
	r.end(node)
	return nil
}

func (r *jsonReader) skip(c byte) bool {
	if r.pos < len(r.src) && r.src[r.pos] == c {
		r.pos++
		return true
	}
	return false
}

func (r *jsonReader) digits() bool {
	start := r.pos
	for r.pos < len(r.src) && r.src[r.pos]-'0' <= 9 {
		r.pos++
	}
	return r.pos > start
}

// string reads a string, whose quote stands here.
func (r *jsonReader) string() error {
	r.pos++
	node := r.begin(jsonString)
	escaped := false
	for {
		r.usual()
		if r.pos >= len(r.src) {
			return errNotJSON
		}
		switch c := r.src[r.pos]; {
		case c == '"':
			r.end(node).escaped = escaped
			r.pos++
			return nil
		case c != '\\' || !r.escape():
			return errNotJSON
		}
		escaped = true
	}
}

// usual skips what stands for itself in a string: all but quotes, backslashes and control characters.
func (r *jsonReader) usual() {
	for len(r.src)-r.pos >= 8 {
		if n := firstUnusual(binary.LittleEndian.Uint64(r.src[r.pos:])); n < 8 {
			r.pos += n
			return
		}
		r.pos += 8
	}
	for r.pos < len(r.src) {
		if c := r.src[r.pos]; c == '"' || c == '\\' || c < ' ' {
			return
		}
		r.pos++
	}
}

// firstUnusual returns which of eight bytes is the first that does not stand for itself; 8: none.
func firstUnusual(eight uint64) int {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	quote, backslash := eight^ones*'"', eight^ones*'\\'
	found := (eight-ones*' ')&^eight | (quote-ones)&^quote | (backslash-ones)&^backslash
	return bits.TrailingZeros64(found&high) / 8
}

// escape skips an escape.
func (r *jsonReader) escape() bool {
	if r.pos+1 >= len(r.src) {
		return false
	}
	switch r.src[r.pos+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		r.pos += 2
		return true
	case 'u':
		if _, ok := codeUnit(r.src[r.pos:]); ok {
			r.pos += 6
			return true
		}
	}
	return false
}

// within reads a list or an object, whose bracket stands here.
func (r *jsonReader) within(kind jsonKind, closing byte) error {
	if r.depth++; r.depth > maxJSONDepth {
		return errTooDeep
	}
	node, size := r.begin(kind), uint32(0)
	r.pos++
	for more := r.space() != closing; more; more = r.skip(',') {
		if kind == jsonObject {
			if err := r.name(); err != nil {
				return err
			}
		}
		if err := r.value(); err != nil {
			return err
		}
		size++
		r.space()
	}
	if !r.skip(closing) {
		return errNotJSON
	}
	r.depth--
	r.end(node).size = size
	r.repeated = r.repeated || kind == jsonObject && r.repeats(node)
	return nil
}

// name reads the name of a member and the colon.
func (r *jsonReader) name() error {
	if r.space() != '"' {
		return errNotJSON
	}
	if err := r.string(); err != nil {
		return err
	}
	if r.space(); !r.skip(':') {
		return errNotJSON
	}
	return nil
}

// fewMembers is how many members are compared one by one before a map is worth it.
const fewMembers = 32

// repeats reports whether an object has a name twice.
func (r *jsonReader) repeats(object int) bool {
	n := &r.nodes[object]
	if n.size > fewMembers {
		return r.repeatsMany(object)
	}
	for name := uint32(object) + 1; name < n.next; name = r.nodes[name+1].next {
		for before := uint32(object) + 1; before < name; before = r.nodes[before+1].next {
			if r.sameText(&r.nodes[before], &r.nodes[name]) {
				return true
			}
		}
	}
	return false
}

func (r *jsonReader) sameText(a, b *jsonNode) bool {
	if a.escaped || b.escaped {
		return string(r.text(a)) == string(r.text(b))
	}
	return a.end-a.start == b.end-b.start && string(r.src[a.start:a.end]) == string(r.src[b.start:b.end])
}

// text returns the content of a string.
func (r *jsonReader) text(n *jsonNode) []byte {
	if n.escaped {
		return unescape(nil, r.src[n.start:n.end])
	}
	return r.src[n.start:n.end]
}

func (r *jsonReader) repeatsMany(object int) bool {
	n := &r.nodes[object]
	seen := make(map[string]struct{}, n.size)
	for name := uint32(object) + 1; name < n.next; name = r.nodes[name+1].next {
		seen[string(r.text(&r.nodes[name]))] = struct{}{}
	}
	return len(seen) < int(n.size)
}

// unescape appends the content of a string with valid escapes. What is appended is no longer than what
// was read before, so dst may begin where the string does. A surrogate without its other half is U+FFFD.
func unescape(dst, text []byte) []byte {
	for i := 0; i < len(text); {
		if text[i] != '\\' {
			end := bytes.IndexByte(text[i:], '\\')
			if end < 0 {
				return append(dst, text[i:]...)
			}
			dst = append(dst, text[i:i+end]...)
			i += end
		}
		if text[i+1] != 'u' {
			dst = append(dst, unescaped(text[i+1]))
			i += 2
			continue
		}
		unit, _ := codeUnit(text[i:])
		i += 6
		if utf16.IsSurrogate(unit) {
			other, ok := codeUnit(text[i:])
			if unit = utf16.DecodeRune(unit, other); ok && unit != utf8.RuneError {
				i += 6
			}
		}
		dst = utf8.AppendRune(dst, unit)
	}
	return dst
}

// unescaped is what a letter behind a backslash stands for.
func unescaped(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	default:
		return c
	}
}

// codeUnit reads an escape in hexadecimal.
func codeUnit(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	n := rune(0)
	for _, c := range text[2:6] {
		digit, ok := hexDigit(c)
		if !ok {
			return 0, false
		}
		n = n<<4 | digit
	}
	return n, true
}

func hexDigit(c byte) (rune, bool) {
	switch {
	case c >= '0' && c <= '9':
		return rune(c - '0'), true
	case c >= 'a' && c <= 'f':
		return rune(c-'a') + 10, true
	case c >= 'A' && c <= 'F':
		return rune(c-'A') + 10, true
	}
	return 0, false
}
