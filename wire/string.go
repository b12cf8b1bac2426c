package wire

import (
	"math/bits"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// appendString appends text as a JSON string. It reports false where the text is
// not valid UTF-8. With html, the characters <, > and & are escaped too.
func appendString(dst, text []byte, html bool) ([]byte, bool) {
	dst = append(slices.Grow(dst, len(text)+roomBehind), '"')
	highest := highBits // bytes beyond ASCII need care, until all are known to be valid
	if html {
		highest = 0
		if !utf8.Valid(text) {
			return dst, false
		}
	}
	for {
		var plain int
		end := len(dst)
		if html {
			plain = copySafe(dst[end:cap(dst)], text)
		} else {
			plain = copyPlain(at(dst, end), at(text, 0), len(text), highest)
		}
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

// AppendQuoted appends text as a JSON string. Bytes that are not UTF-8 are replaced.
func AppendQuoted(dst []byte, text string) []byte {
	out, ok := appendString(dst, unsafe.Slice(unsafe.StringData(text), len(text)), false)
	if !ok {
		out, _ = appendString(dst, []byte(strings.ToValidUTF8(text, "\uFFFD")), false)
	}
	return out
}

// roomBehind is what a text needs beside its own length: two quotes, and a word,
// since the last bytes are copied as one.
const roomBehind = 2 + 8

// copyPlain copies the first bytes of a text that need no care, and returns how many
// they are. It looks at eight bytes at a time and may write as many behind them.
func copyPlain(to, text unsafe.Pointer, length int, highest uint64) int {
	if length < 8 {
		if length == 0 {
			return 0
		}
		word := loadShort(text, length)
		storeWord(to, 0, word)
		return min(length, bits.TrailingZeros64(specialBytes(word)|word&highest)/8)
	}
	i, last := 0, length-8
	for {
		word := loadWord(text, i)
		storeWord(to, i, word)
		if special := specialBytes(word) | word&highest; special != 0 {
			return i + bits.TrailingZeros64(special)/8
		}
		if i == last {
			return length
		}
		i = min(i+8, last) // some bytes again
	}
}

// copySafe does the same where <, > and & need care, too.
func copySafe(to, text []byte) int {
	for i, c := range text {
		if c < ' ' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return i
		}
		to[i] = c
	}
	return len(text)
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
