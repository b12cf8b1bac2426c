package transport

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// A frame of gRPC (PROTOCOL-HTTP2, "Length-Prefixed-Message") is a flag, a length
// of four bytes, big endian, and a message. gRPC-Web and Connect have the same
// frames, and each a further flag for the last frame of an answer.
const (
	frameHead       = 5
	flagCompressed  = 1
	firstAllocation = 32 << 10 // what a length alone is believed
)

// Flags of the frame that ends an answer.
const (
	// FlagEndStream is Connect's: the frame holds an EndStreamResponse in JSON.
	FlagEndStream byte = 0x02
	// FlagTrailers is gRPC-Web's: the frame holds the trailers.
	FlagTrailers byte = 0x80
)

// FrameReader reads the messages of a request in frames. It is not safe for concurrent use.
type FrameReader struct {
	Body io.Reader
	// Limit bounds a message, in bytes, before and after decompression.
	Limit int
	// Coding is how messages may be compressed, as a header declared.
	Coding Coding

	head [frameHead]byte
}

// Next returns the next message, in memory that belongs to the caller, and
// io.EOF after the last. Other errors are statuses, except those of Body and
// [io.ErrUnexpectedEOF] for a body that ends within a frame.
func (f *FrameReader) Next() ([]byte, error) {
	if _, err := io.ReadFull(f.Body, f.head[:]); err != nil {
		return nil, err
	}
	flag, length := f.head[0], binary.BigEndian.Uint32(f.head[1:])
	switch {
	case flag > flagCompressed:
		return nil, status.Error(codes.InvalidArgument, "a request message has flags that no request has")
	case flag == flagCompressed && f.Coding == "":
		return nil, status.Error(codes.Internal, "a request message is compressed, and no header says how")
	case uint64(length) > uint64(f.Limit):
		return nil, tooLarge(f.Limit)
	}
	message, err := f.read(int(length))
	if err != nil || flag != flagCompressed {
		return message, err
	}
	return f.Coding.Decompress(message, f.Limit)
}

// read returns the next n bytes. Memory grows with what has come, since the
// length is only a claim.
func (f *FrameReader) read(n int) ([]byte, error) {
	message := make([]byte, min(n, firstAllocation))
	filled := 0
	for {
		got, err := io.ReadFull(f.Body, message[filled:])
		filled += got
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil || filled == n {
			return message, err
		}
		message = slices.Grow(message, min(filled, n-filled))
		message = message[:min(cap(message), n)]
	}
}

// FrameWriter writes the frames of an answer. It is not safe for concurrent use.
type FrameWriter struct {
	// Out is where they go.
	Out Outbox
	// Coding compresses messages that are large enough to gain by it.
	Coding Coding
	// Text writes each frame in base64, padded, as application/grpc-web-text has it.
	Text bool

	head [frameHead]byte
	text []byte // scratch
}

// Write writes one message. Errors are those of Out.
func (f *FrameWriter) Write(message []byte) error {
	if f.Coding == "" || len(message) < smallestCompressed {
		return f.frame(0, message)
	}
	b := buffers.Get().(*bytes.Buffer)
	defer buffers.Put(b)
	b.Reset()
	f.Coding.Compress(b, message)
	return f.frame(flagCompressed, b.Bytes())
}

// buffers are scratch.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// AppendEnd appends the frame that ends an answer, which does not go to Out.
func (f *FrameWriter) AppendEnd(dst []byte, flag byte, content []byte) []byte {
	head, content := f.encode(flag, content)
	return append(append(dst, head...), content...)
}

func (f *FrameWriter) frame(flag byte, content []byte) error {
	return f.Out.Send(f.encode(flag, content))
}

// encode returns the two parts of a frame, which are valid until the next one.
func (f *FrameWriter) encode(flag byte, content []byte) (head, rest []byte) {
	f.head[0] = flag
	binary.BigEndian.PutUint32(f.head[1:], uint32(len(content)))
	if !f.Text {
		return f.head[:], content
	}
	// Six bytes are eight characters, so that there is no padding in between.
	var start [frameHead + 1]byte
	n := copy(start[:], f.head[:])
	n += copy(start[n:], content)
	f.text = base64.StdEncoding.AppendEncode(f.text[:0], start[:n])
	f.text = base64.StdEncoding.AppendEncode(f.text, content[n-frameHead:])
	return f.text, nil
}
