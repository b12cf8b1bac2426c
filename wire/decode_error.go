package wire

import (
	"bytes"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Error says where a JSON document is wrong, or that a text or a message is.
type Error struct {
	Offset int    // bytes from the start; -1 for text
	Line   int    // from 1; 0 for text
	Column int    // in bytes, from 1; 0 for text
	Path   string // field path such as `book.tags[2]`; may be empty
	Reason string // what is wrong, fit for a client
}

func (e *Error) Error() string {
	switch {
	case e.Line == 0 && e.Path == "":
		return e.Reason
	case e.Line == 0:
		return e.Path + ": " + e.Reason
	case e.Path == "":
		return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Reason)
	default:
		return fmt.Sprintf("line %d, column %d: %s: %s", e.Line, e.Column, e.Path, e.Reason)
	}
}

// fail returns an error for the byte at offset. Its path is completed by
// [within] on the way out, so that a document without faults pays nothing.
func (d *decoder) fail(offset int, reason string) error {
	return &Error{Offset: offset, Reason: reason}
}

// expected returns an error for the next byte.
func (d *decoder) expected(what string) error {
	return d.fail(d.pos, "expected "+what+", found "+d.found())
}

// found names what begins at the next byte.
func (d *decoder) found() string {
	if d.pos >= len(d.json) {
		return "the end of the document"
	}
	switch c := d.json[d.pos]; c {
	case '"':
		return "a string"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return "a number"
	default:
		if bytes.HasPrefix(d.json[d.pos:], []byte("\ufeff")) {
			return "a byte order mark"
		}
		r, _ := utf8.DecodeRune(d.json[d.pos:])
		return strconv.QuoteRune(r)
	}
}

// finish fills in the line and the column.
func (d *decoder) finish(err error) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	before := d.json[:min(e.Offset, len(d.json))]
	e.Line = 1 + bytes.Count(before, []byte{'\n'})
	e.Column = len(before) - bytes.LastIndexByte(before, '\n')
	return e
}

// textError is an error of a text for a field.
func textError(path, reason string) error {
	return &Error{Offset: -1, Path: path, Reason: reason}
}

// within puts a field's name before the path of an error.
func within(err error, name string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	switch {
	case e.Path == "":
		e.Path = name
	case isSubscript(e.Path):
		e.Path = name + e.Path
	default:
		e.Path = name + "." + e.Path
	}
	return e
}

// isSubscript tells `[2]` and `["de"]` from `[name.of.an.extension]`.
func isSubscript(path string) bool {
	return path[0] == '[' && (path[1] == '"' || path[1]-'0' <= 9)
}

func withinIndex(err error, i int) error {
	return withinSubscript(err, strconv.Itoa(i))
}

// withinKey puts a map's key before the path of an error.
func withinKey(err error, key []byte) error {
	return withinSubscript(err, strconv.Quote(shorten(string(key))))
}

func withinSubscript(err error, subscript string) error {
	e, ok := err.(*Error)
	if !ok {
		return err
	}
	rest := e.Path
	if rest != "" && !isSubscript(rest) {
		rest = "." + rest
	}
	e.Path = "[" + subscript + "]" + rest
	return e
}

const longestQuoted = 64 // bytes of a client's text in an error

// shorten bounds what an error repeats of a document.
func shorten(s string) string {
	if len(s) <= longestQuoted {
		return s
	}
	end := longestQuoted
	for end > longestQuoted-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end-- // text from a URL need not be UTF-8, and then there may be no start
	}
	return s[:end] + "…"
}

// unknown returns the error for a member that m has no field for.
func (d *decoder) unknown(m *Message, offset int, name []byte) error {
	reason := "unknown field " + strconv.Quote(shorten(string(name)))
	if near := m.Nearest(string(name)); near != "" {
		reason += "; did you mean " + strconv.Quote(near) + "?"
	}
	return d.fail(offset, reason)
}
