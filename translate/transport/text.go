package transport

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TextReader reads a body of application/grpc-web-text: base64 in groups of four
// characters, in one piece or in several that are each padded. It is not safe for
// concurrent use.
type TextReader struct {
	Body io.Reader

	text    [4 << 10]byte
	have    int // characters in text that are not decoded yet
	decoded []byte
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
	t.have += n
	t.err = err
	whole := t.have &^ 3
	if errors.Is(err, io.EOF) && whole != t.have {
		t.err = errNotBase64
	}
	decoded, ok := decodeGroups(t.text[:whole])
	if !ok {
		t.err = errNotBase64
	}
	t.decoded = decoded
	t.have = copy(t.text[:], t.text[whole:t.have])
}

// decodeGroups decodes groups of four characters, of which any may be padded.
func decodeGroups(text []byte) (decoded []byte, ok bool) {
	decoded = make([]byte, 0, base64.StdEncoding.DecodedLen(len(text)))
	for len(text) > 0 {
		end := len(text)
		if padding := bytes.IndexByte(text, '='); padding >= 0 {
			end = padding&^3 + 4
		}
		var err error
		// Line ends, which the package skips, would move the groups.
		if bytes.ContainsAny(text[:end], "\r\n") {
			return decoded, false
		}
		if decoded, err = base64.StdEncoding.AppendDecode(decoded, text[:end]); err != nil {
			return decoded, false
		}
		text = text[end:]
	}
	return decoded, true
}
