package wire

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode/utf8"
)

// appendString appends text as a JSON string. It reports false where the text is
// not valid UTF-8. With html, the characters <, > and & are escaped too.
func appendString(dst, text []byte, html bool) ([]byte, bool) {
	dst = append(slices.Grow(dst, len(text)+roomBehind), '"')
	highest := highBits // bytes beyond ASCII need care, until all are known to be valid
	for {
		end := len(dst)
		plain := copyPlain(dst[end:end+len(text)+8], text, highest, html)
		dst, text = dst[:end+plain], text[plain:]
		switch {
		case len(text) == 0:
			return append(dst, '"'), true
		case text[0] < utf8.RuneSelf:
			dst, text = appendEscape(dst, text[0]), text[1:]
			dst = slices.Grow(dst, len(text)+roomBehind)
		case utf8.Valid(text):
			highest = 0
		default:
			return dst, false
		}
	}
}

// roomBehind is what a text needs beside its own length: two quotes, and a word,
// since the last bytes are copied as one.
const roomBehind = 2 + 8

// copyPlain copies the first bytes of text that need no care, and returns how many
// they are. It looks at eight bytes at a time and may write as many behind them.
func copyPlain(dst, text []byte, highest uint64, html bool) int {
	i := 0
	for ; i+8 <= len(text); i += 8 {
		word := binary.LittleEndian.Uint64(text[i:])
		binary.LittleEndian.PutUint64(dst[i:], word)
		special := specialBytes(word) | word&highest
		if html {
			special |= htmlBytes(word)
		}
		if special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
	}
	var word uint64
	switch {
	case i == len(text):
		return i
	case i == 0:
		word = lastWord(text)
	default:
		i = len(text) - 8 // some bytes again
		word = binary.LittleEndian.Uint64(text[i:])
	}
	binary.LittleEndian.PutUint64(dst[i:], word)
	special := specialBytes(word) | word&highest
	if html {
		special |= htmlBytes(word)
	}
	return min(len(text), i+bits.TrailingZeros64(special)/8)
}

// lastWord returns a text of one to seven bytes, with spaces behind it.
func lastWord(text []byte) uint64 {
	n := len(text)
	word := ' ' * everyByte << (8 * n)
	if n >= 4 {
		first, last := binary.LittleEndian.Uint32(text), binary.LittleEndian.Uint32(text[n-4:])
		return word | uint64(first) | uint64(last)<<(8*(n-4))
	}
	first, middle, last := text[0], text[n/2], text[n-1] // some of them are the same byte
	return word | uint64(first) | uint64(middle)<<(8*(n/2)) | uint64(last)<<(8*(n-1))
}

const (
	everyByte uint64 = 0x0101010101010101
	highBits         = 0x80 * everyByte
)

// specialBytes sets the high bit of each byte that is a control character, a
// quote or a backslash. A borrow can set bits too many, but only above a bit that
// is rightly set, so the lowest one is always right.
func specialBytes(word uint64) uint64 {
	control := word - ' '*everyByte
	quote := (word ^ '"'*everyByte) - everyByte
	backslash := (word ^ '\\'*everyByte) - everyByte
	return (control | quote | backslash) &^ word & highBits
}

// htmlBytes does the same for <, > and &.
func htmlBytes(word uint64) uint64 {
	return equalBytes(word, '<') | equalBytes(word, '>') | equalBytes(word, '&')
}

// equalBytes sets the high bit of each byte of word that equals c, with the
// caveat of specialBytes.
func equalBytes(word uint64, c byte) uint64 {
	x := word ^ uint64(c)*everyByte
	return (x - everyByte) &^ x & highBits
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
