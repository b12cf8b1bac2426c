package translate

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	"github.com/protean-gateway/protean/wire"
)

// lineMessages are the messages of a body in NDJSON: one JSON document a line, empty
// lines left out.
type lineMessages struct {
	route  *route
	lines  *bufio.Reader
	number int // of the line, from 1
	line   []byte
}

func newLines(r *route, body io.Reader) *lineMessages {
	return &lineMessages{route: r, lines: bufio.NewReader(body)}
}

func (l *lineMessages) next() ([]byte, error) {
	for {
		line, err := l.read()
		if err != nil {
			return nil, err
		}
		if line = bytes.TrimSpace(line); len(line) > 0 {
			return l.decode(line)
		}
	}
}

// read returns the next line. It is valid until the next call.
func (l *lineMessages) read() ([]byte, error) {
	l.line = l.line[:0]
	l.number++
	limit := l.route.method.Limits.RequestBytes
	for {
		chunk, err := l.lines.ReadSlice('\n')
		l.line = append(l.line, chunk...)
		switch {
		case len(l.line) > limit:
			return nil, tooLarge(limit)
		case err == nil, errors.Is(err, io.EOF) && len(l.line) > 0:
			return l.line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (l *lineMessages) decode(line []byte) ([]byte, error) {
	msg, err := l.route.decodeBody(nil, line)
	if err != nil {
		if fault, ok := errors.AsType[*wire.Error](err); ok && fault.Line > 0 {
			fault.Line = l.number
		}
		return nil, invalidInput("body", l.route.binding.Body, err)
	}
	return msg, nil
}
