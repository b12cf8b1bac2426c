package translate

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/protean-gateway/protean/wire"
)

// jsonMessages are the messages of a stream in JSON: documents one after the other, with or without white space
// between them, or the elements of one array. Each message is returned as soon as its last byte was read.
type jsonMessages struct {
	route *route
	body  *bufio.Reader
	// whole: the JSON of a message may be an array itself, so that an array is one message.
	whole        bool
	place        arrayPlace
	index        int // of the message, from 0
	line, column int // of the next byte, from 1; columns count bytes
	text         []byte
}

// arrayPlace is where in an array the next byte is.
type arrayPlace uint8

const (
	outsideArray arrayPlace = iota
	arrayOpened             // behind the bracket
	afterElement
	afterComma
	arrayClosed
)

func newJSONMessages(r *route, body io.Reader) *jsonMessages {
	return &jsonMessages{route: r, body: bufio.NewReader(body), whole: r.takesArray(), line: 1, column: 1}
}

// takesArray reports whether the JSON of the body of one message may be an array.
func (r *route) takesArray() bool {
	m := r.method.Input
	if r.body != nil {
		if r.body.Field().IsList() {
			return true
		}
		m = r.body.Field().Message()
	}
	if m == nil {
		return false
	}
	return m.FullName() == "google.protobuf.Value" || m.FullName() == "google.protobuf.ListValue"
}

func (j *jsonMessages) next() ([]byte, error) {
	if err := j.begin(); err != nil {
		return nil, err
	}
	line, column := j.line, j.column
	if err := j.read(); err != nil {
		return nil, err
	}
	msg, err := j.route.decodeBody(nil, j.text)
	if err != nil {
		if fault, ok := errors.AsType[*wire.Error](err); ok && fault.Line > 0 {
			if fault.Line == 1 {
				fault.Column += column - 1
			}
			fault.Line += line - 1
		}
		return nil, invalidInput(j.where(), j.route.binding.Body, err)
	}
	j.index++
	return msg, nil
}

// where names the message in errors.
func (j *jsonMessages) where() string { return fmt.Sprintf("body[%d]", j.index) }

// begin goes to the first byte of the next message. It returns io.EOF if there is none.
func (j *jsonMessages) begin() error {
	for {
		c, err := j.skipSpace()
		switch {
		case errors.Is(err, io.EOF) && j.place != outsideArray && j.place != arrayClosed:
			return j.fault("expected the end of the array, found the end of the body")
		case err != nil:
			return err
		}
		found, err := j.step(c)
		if err != nil || found {
			return err
		}
		j.consume([]byte{c})
	}
}

// step reports whether a message begins with a byte that is not white space. Otherwise the byte is one
// of those around messages.
func (j *jsonMessages) step(c byte) (found bool, err error) {
	switch {
	case j.place == outsideArray && c == '[' && !j.whole && j.index == 0:
		j.place = arrayOpened
	case j.place == outsideArray:
		return true, nil
	case c == ']' && (j.place == arrayOpened || j.place == afterElement):
		j.place = arrayClosed
	case j.place == arrayClosed:
		return false, j.fault("there is more after the end of the array")
	case j.place == afterElement && c == ',':
		j.place = afterComma
	case j.place == afterElement:
		return false, j.fault("expected a comma or the end of the array")
	default:
		j.place = afterElement
		return true, nil
	}
	return false, nil
}

func (j *jsonMessages) fault(reason string) error {
	return invalidInput(j.where(), j.route.binding.Body, &wire.Error{Line: j.line, Column: j.column, Reason: reason})
}

// skipSpace returns the next byte that is not white space, without consuming it. White space is bounded like a message, but
// for line feeds, which clients send to keep a stream alive.
func (j *jsonMessages) skipSpace() (byte, error) {
	skipped := 0 // since the last line feed
	for {
		if skipped > j.route.method.Limits.RequestBytes {
			return 0, tooLarge(j.route.method.Limits.RequestBytes)
		}
		chunk, err := j.peek()
		if err != nil {
			return 0, err
		}
		rest := bytes.TrimLeft(chunk, " \t\r\n")
		space := chunk[:len(chunk)-len(rest)]
		if feed := bytes.LastIndexByte(space, '\n'); feed >= 0 {
			skipped = len(space) - 1 - feed
		} else {
			skipped += len(space)
		}
		j.consume(space)
		if len(rest) > 0 {
			return rest[0], nil
		}
	}
}

// read reads one document into j.text. If the body ends before it does, the decoder finds that.
func (j *jsonMessages) read() error {
	j.text = j.text[:0]
	var s jsonScanner
	for {
		chunk, err := j.peek()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		n, done := s.scan(chunk)
		if len(j.text)+n > j.route.method.Limits.RequestBytes {
			return tooLarge(j.route.method.Limits.RequestBytes)
		}
		j.text = append(j.text, chunk[:n]...)
		j.consume(chunk[:n])
		if done {
			return nil
		}
	}
}

// peek returns what has come, at least one byte.
func (j *jsonMessages) peek() ([]byte, error) {
	if _, err := j.body.Peek(1); err != nil {
		return nil, err
	}
	return j.body.Peek(j.body.Buffered())
}

// consume counts the bytes of a chunk, which begins with the next byte, as read.
func (j *jsonMessages) consume(chunk []byte) {
	if lines := bytes.Count(chunk, []byte("\n")); lines > 0 {
		j.line += lines
		j.column = 1
		j.column += len(chunk) - 1 - bytes.LastIndexByte(chunk, '\n')
	} else {
		j.column += len(chunk)
	}
	_, _ = j.body.Discard(len(chunk)) // these bytes are in its buffer
}

// jsonScanner finds the end of a JSON document. It counts brackets without looking at their kinds, and leaves it to
// the decoder whether the document is valid.
type jsonScanner struct {
	begun   bool
	depth   int
	quoted  bool
	escaped bool
}

// scan returns how many bytes of a chunk belong to the document, and whether it ends there.
func (s *jsonScanner) scan(chunk []byte) (n int, done bool) {
	for i, c := range chunk {
		switch {
		case s.quoted:
			done = s.inString(c) && s.depth == 0
		case c == '"':
			if s.begun && s.depth == 0 {
				return i, true
			}
			s.quoted = true
		case c == '{' || c == '[':
			if s.begun && s.depth == 0 {
				return i, true
			}
			s.depth++
		case c == '}' || c == ']':
			if s.begun && s.depth == 0 {
				return i, true
			}
			s.depth--
			done = s.depth <= 0
		case s.begun && s.depth == 0 && isSeparator(c): // behind a number or a word
			return i, true
		}
		s.begun = true
		if done {
			return i + 1, true
		}
	}
	return len(chunk), false
}

// inString reports whether the string ends with c.
func (s *jsonScanner) inString(c byte) bool {
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.quoted = false
		return true
	}
	return false
}

func isSeparator(c byte) bool {
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ','
}
