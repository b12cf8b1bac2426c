package transport

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// smallestCompressed is the size, in bytes, of messages that compression makes
// smaller, as a rule.
const smallestCompressed = 512

// KnownCoding returns the coding of a name. It reports false for those that are
// not spoken.
func KnownCoding(name string) (c Coding, ok bool) {
	switch c = Coding(name); c {
	case "", "identity":
		return "", true
	case GZIP, Brotli, Zstd:
		return c, true
	default:
		return "", false
	}
}

// ReadMessage reads a body that is one message in a coding, in memory that belongs
// to the caller. Limit bounds it, in bytes, before and after decompression. Errors are
// statuses or those of body.
func ReadMessage(body io.Reader, limit int, c Coding) ([]byte, error) {
	message, err := readBounded(body, limit)
	if err != nil {
		return nil, err
	}
	return c.Decompress(message, limit)
}

// Decompress returns what a message in a coding comes to, within a limit in bytes,
// in memory that belongs to the caller or is that of message. Errors are statuses.
func (c Coding) Decompress(message []byte, limit int) ([]byte, error) {
	if len(message) > limit {
		return nil, tooLarge(limit)
	}
	if c == "" {
		return message, nil
	}
	pool := decompressors[c]
	d := pool.Get().(decompressor)
	defer pool.Put(d)
	if err := d.Reset(bytes.NewReader(message)); err != nil {
		return nil, c.malformed()
	}
	content, err := readBounded(d, limit)
	if _, known := status.FromError(err); !known {
		return nil, c.malformed()
	}
	return content, err
}

// Compressed returns a message in a coding, in memory of its own, and reports
// whether that is worth it: small messages come back as they are.
func (c Coding) Compressed(message []byte) (compressed []byte, ok bool) {
	if c == "" || len(message) < smallestCompressed {
		return message, false
	}
	var b bytes.Buffer
	c.Compress(&b, message)
	return b.Bytes(), true
}

// decompressor is a reader that can be used again.
type decompressor interface {
	io.Reader
	Reset(r io.Reader) error
}

var decompressors = map[Coding]*sync.Pool{
	GZIP:   {New: func() any { return new(gzip.Reader) }},
	Brotli: {New: func() any { return new(brotli.Reader) }},
	Zstd: {New: func() any {
		d, _ := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow),
			zstd.WithDecoderLowmem(true)) // these options are valid
		return d
	}},
}

func readBounded(r io.Reader, limit int) ([]byte, error) {
	message, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(message) > limit {
		return nil, tooLarge(limit)
	}
	return message, err
}

func tooLarge(limit int) error { return status.Error(codes.ResourceExhausted, TooLarge(limit)) }

// TooLarge is what every door says of a request message, or a body that holds one, which has more
// bytes than the limit.
func TooLarge(limit int) string {
	return fmt.Sprintf("a request message is larger than the limit of %d bytes", limit)
}

func (c Coding) malformed() error {
	return status.Error(codes.InvalidArgument, "a request message is not valid "+string(c))
}
