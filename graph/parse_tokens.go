package graph

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/vektah/gqlparser/v2/gqlerror"
)

// checkTokens checks of a document that was parsed what gqlparser's lexer accepts and the specification does not
// (GraphQL September 2025, 2.1.9 and 2.9.4): a name right behind a number, and an escaped surrogate without its other half.
func checkTokens(document string) *gqlerror.Error {
	for i := 0; i < len(document); {
		switch c := document[i]; {
		case c == '#':
			i += lineLength(document[i:])
		case strings.HasPrefix(document[i:], `"""`):
			i += blockLength(document[i:])
		case c == '"':
			length, fault := stringLength(document[i:])
			if fault >= 0 {
				return tokenError(document, i+fault, "an escaped surrogate is not a character without its other half")
			}
			i += length
		case isNameByte(c) || c == '-':
			word := wordLength(document[i:])
			if at := nameInNumber(document[i : i+word]); at >= 0 {
				return tokenError(document, i+at, "a name cannot follow a number directly")
			}
			i += word
		default:
			i++
		}
	}
	return nil
}

func tokenError(document string, at int, message string) *gqlerror.Error {
	before := strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(document[:at])
	start := strings.LastIndexByte(before, '\n') + 1
	return gqlerror.ErrorLocf("", strings.Count(before, "\n")+1, utf8.RuneCountInString(before[start:])+1, "%s", message)
}

func lineLength(text string) int {
	if end := strings.IndexAny(text, "\r\n"); end >= 0 {
		return end
	}
	return len(text)
}

// blockLength returns the length of the block string at the start of a text.
func blockLength(text string) int {
	for i := 3; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], `\"""`):
			i += 3
		case strings.HasPrefix(text[i:], `"""`):
			for i+3 < len(text) && text[i+3] == '"' {
				i++ // quotes before the last three belong to the string
			}
			return i + 3
		}
	}
	return len(text)
}

// stringLength returns the length of the string at the start of a text, and where it has a surrogate without its other
// half, or -1.
func stringLength(text string) (length, fault int) {
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return i + 1, -1
		case '\\':
			next := escapeLength(text[i:])
			if next == 0 {
				return 0, i
			}
			i += next - 1
		}
	}
	return len(text), -1
}

// escapeLength returns the length of the escape at the start of a text, or 0 if it is a surrogate without its other half.
func escapeLength(text string) int {
	switch first := escapedUnit(text); {
	case first>>10 == 0xdc00>>10:
		return 0
	case first>>10 != 0xd800>>10:
		return 2
	}
	const length = len(`\ud83d`)
	if escapedUnit(text[length:])>>10 != 0xdc00>>10 {
		return 0
	}
	return 2 * length
}

// escapedUnit returns the UTF-16 code unit of an escape of four digits at the start of a text, or 0.
func escapedUnit(text string) uint64 {
	if len(text) < 6 || text[:2] != `\u` {
		return 0
	}
	unit, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return 0
	}
	return unit
}

func isNameByte(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
}

// wordLength returns the length of the name or number at the start of a text, with what follows directly.
func wordLength(text string) int {
	i := 1
	number := !isNameByte(text[0]) || text[0] >= '0' && text[0] <= '9'
	for i < len(text) && (isNameByte(text[i]) || number && isInNumber(text, i)) {
		i++
	}
	return i
}

// isInNumber reports whether a byte continues a number, without being of a name.
func isInNumber(text string, i int) bool {
	switch text[i] {
	case '.':
		return !strings.HasPrefix(text[i:], "...")
	case '+', '-':
		return text[i-1]|0x20 == 'e'
	}
	return false
}

// nameInNumber returns where a name begins in a word that begins as a number, or -1.
func nameInNumber(word string) int {
	i := 0
	if word[0] == '-' {
		i++
	}
	if i == len(word) || word[i] < '0' || word[i] > '9' {
		return -1
	}
	exponent := false
	for ; i < len(word); i++ {
		switch c := word[i]; {
		case c|0x20 == 'e' && !exponent:
			exponent = true
		case c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z':
			return i
		}
	}
	return -1
}
