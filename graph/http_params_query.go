package graph

import (
	"bytes"
	"encoding/json"

	"github.com/99designs/gqlgen/graphql"
)

// decodeQuery reads a request that has a query, perhaps the name of an operation, perhaps
// variables or extensions that are null or empty, and nothing else. Most are like that. It
// reports false for all others, with p as it was, and for those that are wrong.
func decodeQuery(document []byte, p *graphql.RawParams) bool {
	if !json.Valid(document) { // so that what follows need not look for mistakes
		return false
	}
	rest := skipSpace(document)
	var found graphql.RawParams
	for separator := byte('{'); ; separator = ',' {
		if rest[0] != separator {
			break
		}
		rest = skipSpace(rest[1:])
		name, after, ok := cutString(rest)
		if !ok {
			return false
		}
		rest = skipSpace(skipSpace(after)[1:]) // the colon
		if rest, ok = decodeMember(string(name), rest, &found); !ok {
			return false
		}
		rest = skipSpace(rest)
	}
	if rest[0] != '}' || found.Query == "" {
		return false
	}
	*p = found
	return true
}

// decodeMember reads the value of a member, and returns what stands behind it.
func decodeMember(name string, value []byte, to *graphql.RawParams) (rest []byte, ok bool) {
	switch name {
	case "query":
		to.Query, rest, ok = decodeText(value)
	case "operationName":
		if rest, ok = bytes.CutPrefix(value, []byte("null")); ok {
			to.OperationName = ""
		} else {
			to.OperationName, rest, ok = decodeText(value)
		}
	case "variables", "extensions":
		rest, ok = cutNothing(value)
	}
	return rest, ok
}

// cutNothing cuts off null, or an object without members.
func cutNothing(value []byte) (rest []byte, ok bool) {
	if rest, ok = bytes.CutPrefix(value, []byte("null")); ok {
		return rest, true
	}
	if value[0] != '{' {
		return nil, false
	}
	return bytes.CutPrefix(skipSpace(value[1:]), []byte("}"))
}

// cutString cuts off a string without escapes.
func cutString(value []byte) (text, rest []byte, ok bool) {
	if value[0] != '"' {
		return nil, nil, false
	}
	end := 1 + bytes.IndexByte(value[1:], '"')
	text = value[1:end]
	return text, value[end+1:], bytes.IndexByte(text, '\\') < 0
}

// decodeText decodes a string.
func decodeText(value []byte) (text string, rest []byte, ok bool) {
	if value[0] != '"' {
		return "", nil, false
	}
	b := make([]byte, 0, len(value))
	for i := 1; ; i++ {
		switch c := value[i]; c {
		case '"':
			return string(b), value[i+1:], true
		case '\\':
			i++
			plain := unescaped(value[i])
			if plain == 0 {
				return "", nil, false
			}
			b = append(b, plain)
		default:
			b = append(b, c)
		}
	}
}

// unescaped is what stands for itself behind a backslash, or 0 for a code point in hexadecimal.
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
	case 'u':
		return 0
	default:
		return c
	}
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}
