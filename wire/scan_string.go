package wire

import (
	"math/bits"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string and returns its content: a part of the document, or the
// scratch buffer, so that it is valid until the next text is read.
func (d *decoder) text() ([]byte, error) {
	if d.space() != '"' {
		return nil, d.expected("a string")
	}
	start := d.pos + 1
	end, err := d.run(start)
	if err != nil {
		return nil, err
	}
	if d.json[end] == '"' {
		d.pos = end + 1
		return d.json[start:end], nil
	}
	d.scratch, err = d.unescape(append(d.scratch[:0], d.json[start:end]...), end)
	return d.scratch, err
}

// run returns the end of the plain characters of a string that begin at i: the
// place of a quote or a backslash.
func (d *decoder) run(i int) (int, error) {
	end, ascii := plainEnd(d.json, i)
	switch {
	case end == len(d.json):
		return 0, d.fail(i-1, "the string has no end")
	case d.json[end] < ' ':
		return 0, d.fail(end, "a control character in a string must be escaped")
	case !ascii && !utf8.Valid(d.json[i:end]):
		return 0, d.fail(i+invalidAt(d.json[i:end]), "the string is not valid UTF-8")
	}
	return end, nil
}

// plainEnd returns the place of the first quote, backslash or control character
// in s from i, or its length. It may say of ASCII that it is not.
func plainEnd(s []byte, i int) (end int, ascii bool) {
	high, text := uint64(0), at(s, 0)
	for ; i+8 <= len(s); i += 8 {
		w := loadWord(text, i)
		high |= w & highBits
		if stop := specialBytes(w); stop != 0 {
			return i + bits.TrailingZeros64(stop)/8, high == 0
		}
	}
	for ; i < len(s) && !stopsAt(s[i]); i++ {
		high |= uint64(s[i]) & 0x80
	}
	return i, high == 0
}

func stopsAt(c byte) bool { return c == '"' || c == '\\' || c < ' ' }

func invalidAt(s []byte) int {
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRune(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return len(s)
}

// unescape appends the rest of a string to dst, from the backslash at i, and
// moves past its closing quote.
func (d *decoder) unescape(dst []byte, i int) ([]byte, error) {
	for d.json[i] == '\\' {
		var err error
		if dst, i, err = d.escape(dst, i); err != nil {
			return dst, err
		}
		end, err := d.run(i)
		if err != nil {
			return dst, err
		}
		dst = append(dst, d.json[i:end]...)
		i = end
	}
	d.pos = i + 1
	return dst, nil
}

// escape appends the character that the escape at i stands for and returns the
// place behind it.
func (d *decoder) escape(dst []byte, i int) ([]byte, int, error) {
	if i+1 == len(d.json) {
		return dst, i, d.fail(i, "the string has no end")
	}
	switch c := d.json[i+1]; c {
	case '"', '\\', '/':
		return append(dst, c), i + 2, nil
	case 'b':
		return append(dst, '\b'), i + 2, nil
	case 'f':
		return append(dst, '\f'), i + 2, nil
	case 'n':
		return append(dst, '\n'), i + 2, nil
	case 'r':
		return append(dst, '\r'), i + 2, nil
	case 't':
		return append(dst, '\t'), i + 2, nil
	case 'u':
		return d.unicode(dst, i)
	}
	return dst, i, d.fail(i, "the string has an invalid escape")
}

// unicode appends the character of the \u escape, or pair of escapes, at i.
func (d *decoder) unicode(dst []byte, i int) ([]byte, int, error) {
	r, ok := d.hex(i)
	if !ok {
		return dst, i, d.fail(i, "the string has an invalid escape")
	}
	if !utf16.IsSurrogate(r) {
		return utf8.AppendRune(dst, r), i + 6, nil
	}
	low, ok := d.hex(i + 6)
	if pair := utf16.DecodeRune(r, low); ok && pair != utf8.RuneError {
		return utf8.AppendRune(dst, pair), i + 12, nil
	}
	return dst, i, d.fail(i, "the string has half of a surrogate pair")
}

// hex reads the \u escape at i.
func (d *decoder) hex(i int) (rune, bool) {
	if i+6 > len(d.json) || d.json[i] != '\\' || d.json[i+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.json[i+2:i+6]), 16, 16)
	return rune(n), err == nil
}
