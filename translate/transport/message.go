package transport

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// smallestGzip is the size, in bytes, of messages that gzip makes smaller, as a rule.
const smallestGzip = 512

// ReadMessage reads a body that is one message, in memory that belongs to the
// caller. Limit bounds it, in bytes, before and after decompression. Errors are statuses
// or those of body.
func ReadMessage(body io.Reader, limit int, zipped bool) ([]byte, error) {
	message, err := readBounded(body, limit)
	if err != nil || !zipped {
		return message, err
	}
	return inflate(message, limit)
}

// Inflate decompresses a message in gzip, within a limit in bytes. Errors are statuses.
func Inflate(message []byte, limit int) ([]byte, error) {
	if len(message) > limit {
		return nil, tooLarge(limit)
	}
	return inflate(message, limit)
}

func readBounded(r io.Reader, limit int) ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(message) > limit {
		return nil, tooLarge(limit)
	}
	return message, err
}

func tooLarge(limit int) error {
	return status.Errorf(codes.ResourceExhausted, "a request message is larger than the limit of %d bytes", limit)
}

var inflaters = sync.Pool{New: func() any { return new(gzip.Reader) }}

func inflate(compressed []byte, limit int) ([]byte, error) {
	z := inflaters.Get().(*gzip.Reader)
	defer inflaters.Put(z)
	if err := z.Reset(bytes.NewReader(compressed)); err != nil {
		return nil, errNotGzip
	}
	message, err := readBounded(z, limit)
	if _, known := status.FromError(err); !known {
		return nil, errNotGzip
	}
	return message, err
}

var errNotGzip = status.Error(codes.InvalidArgument, "a request message is not valid gzip")

// Deflated calls use with a message in gzip, where that is worth it, or as it is,
// and says which. What use is given is valid until it returns.
func Deflated(message []byte, use func(message []byte, zipped bool)) {
	if len(message) < smallestGzip {
		use(message, false)
		return
	}
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	use(d.deflate(message), true)
}

// deflater is scratch: what it returns is overwritten by its next use.
type deflater struct {
	gzip   *gzip.Writer
	buffer bytes.Buffer
}

var deflaters = sync.Pool{New: func() any { return &deflater{gzip: gzip.NewWriter(nil)} }}

func (d *deflater) deflate(message []byte) []byte {
	d.buffer.Reset()
	d.gzip.Reset(&d.buffer)
	_, _ = d.gzip.Write(message) // a buffer takes everything
	_ = d.gzip.Close()
	return d.buffer.Bytes()
}
