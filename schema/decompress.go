package schema

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

// The first bytes of compressed files (RFC 1952, section 2.3.1; RFC 8878, section 3.1.1). A descriptor set begins with
// the tag of its first field, which is neither.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// maxZstdMemory bounds what a zstd frame can ask its decoder for, in bytes: the largest window of `zstd -19`.
const maxZstdMemory = 8 << 20

// decompressed returns the content of a file that buf or a person may have compressed with gzip or zstd, whatever
// its name is. It is bounded like a file that is not compressed.
func decompressed(raw []byte) ([]byte, error) {
	switch {
	case bytes.HasPrefix(raw, gzipMagic):
		r, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			return nil, fmt.Errorf("not valid gzip: %w", err)
		}
		return readContent("gzip", r)
	case bytes.HasPrefix(raw, zstdMagic):
		r, err := zstd.NewReader(bytes.NewReader(raw), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdMemory))
		if err != nil {
			return nil, fmt.Errorf("not valid zstd: %w", err)
		}
		defer r.Close()
		return readContent("zstd", r)
	default:
		return raw, nil
	}
}

func readContent(format string, r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxFilesBytes+1))
	switch {
	case len(content) > maxFilesBytes:
		return nil, fmt.Errorf("decompressed: %w", errTooManyBytes)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, fmt.Errorf("the %s file is cut off", format)
	case err != nil:
		return nil, fmt.Errorf("not valid %s: %w", format, err)
	default:
		return content, nil
	}
}
