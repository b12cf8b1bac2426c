package wire

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// appendString appends text as a JSON string. It reports false where the text is
// not valid UTF-8. With html, the characters <, > and & are escaped too.
func appendString(dst, text []byte, html bool) ([]byte, bool) {
	dst = append(dst, '"')
	for len(text) > 0 {
		n := plainPrefix(text, html)
		dst = append(dst, text[:n]...)
		text = text[n:]
		if len(text) == 0 {
			break
		}
		if c := text[0]; c < utf8.RuneSelf {
			dst = appendEscape(dst, c)
			text = text[1:]
			continue
		}
		n = multibytePrefix(text)
		if n == 0 {
			return dst, false
		}
		dst = append(dst, text[:n]...)
		text = text[n:]
	}
	return append(dst, '"'), true
}

const (
	everyByte = 0x0101010101010101
	highBits  = 0x8080808080808080
)

// plainPrefix returns how many bytes at the start of text are ASCII and need no escape.
func plainPrefix(text []byte, html bool) int {
	n := 0
	for ; len(text)-n >= 8; n += 8 {
		word := binary.LittleEndian.Uint64(text[n:])
		special := specialBytes(word)
		if html {
			special |= equalBytes(word, '<') | equalBytes(word, '>') | equalBytes(word, '&')
		}
		if special != 0 {
			return n + bits.TrailingZeros64(special)/8
		}
	}
	for n < len(text) && !needsCare(text[n], html) {
		n++
	}
	return n
}

// specialBytes sets the high bit of each byte that is a control character, a
// quote, a backslash or not ASCII. A borrow can set bits too many, but only
// above a bit that is rightly set, so the lowest one is always right.
func specialBytes(word uint64) uint64 {
	control := word - 0x20*everyByte
	return (control | word | equalBytes(word, '"') | equalBytes(word, '\\')) & highBits
}

// equalBytes sets the high bit of each byte of word that equals c, with the
// caveat of specialBytes.
func equalBytes(word uint64, c byte) uint64 {
	x := word ^ uint64(c)*everyByte
	return (x - everyByte) &^ x & highBits
}

func needsCare(c byte, html bool) bool {
	if c < 0x20 || c >= utf8.RuneSelf || c == '"' || c == '\\' {
		return true
	}
	return html && (c == '<' || c == '>' || c == '&')
}

// multibytePrefix returns the length of the valid characters beyond ASCII at
// the start of text, and 0 where the first one is not valid.
func multibytePrefix(text []byte) int {
	n := 0
	for n < len(text) && text[n] >= utf8.RuneSelf {
		r, size := utf8.DecodeRune(text[n:])
		if r == utf8.RuneError && size == 1 {
			return 0
		}
		n += size
	}
	return n
}

const hexDigits = "0123456789abcdef"

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
