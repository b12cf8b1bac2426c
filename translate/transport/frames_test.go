package transport

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestFramesThereAndBack(t *testing.T) {
	messages := []string{"", "m", strings.Repeat("x", smallestCompressed), strings.Repeat("y", 3*firstAllocation)}
	for _, coding := range []Coding{"", GZIP, Brotli, Zstd} {
		var body written
		w := FrameWriter{Coding: coding}
		w.Out.To = &body
		for _, m := range messages {
			if err := w.Write([]byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		body.rest(t, &w.Out)
		if small := body.Len() < smallestCompressed; small != (coding != "") {
			t.Errorf("%s: %d bytes", coding, body.Len())
		}
		r := FrameReader{Body: iotest.HalfReader(&body), Limit: 1 << 20, Coding: coding}
		for _, want := range messages {
			if got, err := r.Next(); err != nil || string(got) != want {
				t.Errorf("%s: %d bytes, %v, want %d", coding, len(got), err, len(want))
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
}

// What a message inflates to is bounded while it is inflated.
func TestFrameBomb(t *testing.T) {
	for _, coding := range []Coding{GZIP, Brotli, Zstd} {
		var body written
		w := FrameWriter{Coding: coding}
		w.Out.To = &body
		if err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		body.rest(t, &w.Out)
		r := FrameReader{Body: &body, Limit: 1<<20 - 1, Coding: coding}
		if _, err := r.Next(); status.Code(err) != codes.ResourceExhausted {
			t.Errorf("%s: %v", coding, err)
		}
	}
}

// A claimed length costs memory only as far as bytes come.
func TestFrameClaim(t *testing.T) {
	const limit = 1 << 30
	body := binary.BigEndian.AppendUint32([]byte{0}, limit)
	allocated := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r := FrameReader{Body: bytes.NewReader(body), Limit: limit}
			if _, err := r.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
				b.Fatal(err)
			}
		}
	}).AllocedBytesPerOp()
	if allocated > 2*firstAllocation {
		t.Errorf("%d bytes for a claim", allocated)
	}
}

// FuzzFrame compares the reader, fed in small pieces, with one that has all bytes.
func FuzzFrame(f *testing.F) {
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte("zipped"))
	z.Close()
	f.Add([]byte{}, uint16(10), false)
	f.Add([]byte("\x00\x00\x00\x00\x01m\x00\x00\x00\x00\x00"), uint16(10), false)
	f.Add([]byte("\x00\x00\x00\x00\x0bmessage"), uint16(10), false)
	f.Add([]byte("\x02\x00\x00\x00\x00"), uint16(10), true)
	f.Add(slices.Concat([]byte{1, 0, 0, 0, byte(zipped.Len())}, zipped.Bytes()), uint16(1000), true)
	f.Fuzz(func(t *testing.T, body []byte, limit uint16, gzip bool) {
		r := FrameReader{Body: iotest.HalfReader(bytes.NewReader(body)), Limit: int(limit)}
		if gzip {
			r.Coding = GZIP
		}
		var got [][]byte
		var err error
		for {
			var m []byte
			if m, err = r.Next(); err != nil {
				break
			}
			got = append(got, m)
		}
		want, wantErr := plainFrames(body, int(limit), gzip)
		if !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("messages %q, want %q", got, want)
		}
		if wantErr == nil {
			wantErr = io.EOF
		}
		if !errors.Is(err, wantErr) && (status.Code(wantErr) == codes.Unknown || status.Code(err) != status.Code(wantErr)) {
			t.Errorf("error %v, want %v", err, wantErr)
		}
	})
}

// plainFrames takes frames off the front of a body.
func plainFrames(body []byte, limit int, zipped bool) (messages [][]byte, err error) {
	for len(body) > 0 {
		if len(body) < 5 {
			return messages, io.ErrUnexpectedEOF
		}
		flag, n, rest := body[0], uint64(binary.BigEndian.Uint32(body[1:5])), body[5:]
		switch {
		case flag > 1:
			return messages, status.Error(codes.InvalidArgument, "")
		case flag == 1 && !zipped:
			return messages, status.Error(codes.Internal, "")
		case n > uint64(limit):
			return messages, status.Error(codes.ResourceExhausted, "")
		case n > uint64(len(rest)):
			return messages, io.ErrUnexpectedEOF
		}
		m := rest[:n]
		if flag == 1 {
			z, err := gzip.NewReader(bytes.NewReader(m))
			if err != nil {
				return messages, status.Error(codes.InvalidArgument, "")
			}
			if m, err = io.ReadAll(io.LimitReader(z, 1<<17)); err != nil && len(m) <= limit {
				return messages, status.Error(codes.InvalidArgument, "")
			}
			if len(m) > limit {
				return messages, status.Error(codes.ResourceExhausted, "")
			}
		}
		messages, body = append(messages, m), rest[n:]
	}
	return messages, nil
}

// FuzzFrameText writes messages as gRPC-Web has them in text, and reads them back.
func FuzzFrameText(f *testing.F) {
	f.Add([]byte("one"), []byte(""), true)
	f.Add([]byte(""), bytes.Repeat([]byte("two"), 400), true)
	f.Add([]byte("\x00"), []byte("three"), false)
	f.Fuzz(func(t *testing.T, first, second []byte, zipped bool) {
		var text written
		w, r := FrameWriter{Text: true}, FrameReader{Body: &TextReader{Body: &text}, Limit: 1 << 20}
		w.Out.To = &text
		if zipped {
			w.Coding, r.Coding = GZIP, GZIP
		}
		for _, m := range [][]byte{first, second} {
			if err := w.Write(m); err != nil {
				t.Fatal(err)
			}
		}
		text.rest(t, &w.Out)
		for _, want := range [][]byte{first, second} {
			if got, err := r.Next(); err != nil || !bytes.Equal(got, want) {
				t.Errorf("got %x, %v; want %x", got, err, want)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	})
}
