package translate

import (
	"errors"
	"io"
)

// chunkBytes is how much of a raw body one message takes, at most.
const chunkBytes = 64 << 10

// chunks are the messages of a raw body: each a google.api.HttpBody with what has come
// of it, and the content type. An empty body is one message.
type chunks struct {
	route       *route
	body        io.Reader
	contentType string
	number      int
	buffer      []byte
}

func newChunks(r *route, body io.Reader, contentType string) *chunks {
	return &chunks{route: r, body: body, contentType: contentType}
}

// chunkSize leaves room in a message for what stands around a chunk, as far as the limit
// of the method has any.
func (r *route) chunkSize() int {
	return min(chunkBytes, max(1, r.method.Limits.RequestBytes-chunkRoom))
}

const chunkRoom = 1 << 10

func (c *chunks) next() ([]byte, error) {
	if c.buffer == nil {
		c.buffer = make([]byte, c.route.chunkSize())
	}
	n, err := readSome(c.body, c.buffer)
	if n == 0 && (err == nil || !errors.Is(err, io.EOF) || c.number > 0) {
		return nil, err
	}
	c.number++
	return c.route.appendRaw(nil, c.buffer[:n], c.contentType), nil
}

// readSome reads what has come, at least a byte, and returns an error only with none.
func readSome(r io.Reader, p []byte) (n int, err error) {
	for n == 0 && err == nil {
		n, err = r.Read(p)
	}
	if n > 0 {
		return n, nil // the error comes again
	}
	return 0, err
}
