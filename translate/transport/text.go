package transport

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TextReader reads a body of application/grpc-web-text: base64 in groups of four
// characters, in one piece or in several that are each padded. Line breaks mean nothing
// (RFC 2045, section 6.8). It is not safe for concurrent use.
type TextReader struct {
	Body io.Reader

	text    [4 << 10]byte
	have    int // characters in text that are not decoded yet
	buffer  []byte
	decoded []byte // the part of buffer that was not read yet
	err     error
}

var errNotBase64 = status.Error(codes.InvalidArgument, "the request is not base64")

// Read implements [io.Reader]. Its own errors are statuses.
func (t *TextReader) Read(p []byte) (int, error) {
	for len(t.decoded) == 0 && t.err == nil {
		t.fill()
	}
	if len(t.decoded) == 0 {
		return 0, t.err
	}
	n := copy(p, t.decoded)
	t.decoded = t.decoded[n:]
	return n, nil
}

// fill reads once and decodes the whole groups there are.
func (t *TextReader) fill() {
	n, err := t.Body.Read(t.text[t.have:])
	t.have += len(withoutBreaks(t.text[t.have : t.have+n]))
	t.err = err
	whole := t.have &^ 3
	if errors.Is(err, io.EOF) && whole != t.have {
		t.err = errNotBase64
	}
	decoded, ok := appendGroups(t.buffer[:0], t.text[:whole])
	if !ok {
		t.err = errNotBase64
	}
	t.buffer, t.decoded = decoded, decoded
	t.have = copy(t.text[:], t.text[whole:t.have])
}

// withoutBreaks takes the line breaks out of text, in place. The decoder would skip them too, but they move
// the groups.
func withoutBreaks(text []byte) []byte {
	if !bytes.ContainsAny(text, "\r\n") {
		return text
	}
	return slices.DeleteFunc(text, func(c byte) bool { return c == '\r' || c == '\n' })
}

// appendGroups decodes groups of four characters, of which any may be padded.
func appendGroups(dst, text []byte) (_ []byte, ok bool) {
	for len(text) > 0 {
		end := len(text)
		if padding := bytes.IndexByte(text, '='); padding >= 0 {
			end = padding&^3 + 4
		}
		var err error
		if dst, err = base64.StdEncoding.AppendDecode(dst, text[:end]); err != nil {
			return dst, false
		}
		text = text[end:]
	}
	return dst, true
}
