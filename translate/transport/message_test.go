package transport

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestMessageThereAndBack(t *testing.T) {
	text := strings.Repeat("compressible ", 1000)
	for _, coding := range []Coding{"", GZIP, Brotli, Zstd} {
		for range 2 { // what is pooled serves again
			body, compressed := coding.Compressed([]byte(text))
			if compressed != (coding != "") || compressed && len(body) > len(text)/10 {
				t.Errorf("%q: %v, %d bytes", coding, compressed, len(body))
			}
			got, err := ReadMessage(strings.NewReader(string(body)), len(text), coding)
			if err != nil || string(got) != text {
				t.Errorf("%q: %d bytes, %v", coding, len(got), err)
			}
		}
		if small, compressed := coding.Compressed([]byte("small")); compressed || string(small) != "small" {
			t.Errorf("%q: %q", coding, small)
		}
	}
}

func TestMessageThatIsNone(t *testing.T) {
	for _, coding := range []Coding{GZIP, Brotli, Zstd} {
		for _, body := range []string{"\x00", "\xff\xff\xff\xff\xff\xff", "\x1f\x8b\x08", "\x28\xb5\x2f\xfd"} {
			if m, err := ReadMessage(strings.NewReader(body), 100, coding); status.Code(err) != codes.InvalidArgument {
				t.Errorf("%s of %q: %q, %v", coding, body, m, err)
			}
		}
	}
	broken := errors.New("broken")
	if _, err := ReadMessage(iotest.ErrReader(broken), 100, ""); !errors.Is(err, broken) {
		t.Error(err)
	}
	if m, err := ReadMessage(strings.NewReader("four"), 3, ""); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("%q, %v", m, err)
	}
}

func TestKnownCoding(t *testing.T) {
	for name, want := range map[string]Coding{"": "", "identity": "", "gzip": GZIP, "br": Brotli, "zstd": Zstd} {
		if c, ok := KnownCoding(name); c != want || !ok {
			t.Errorf("%q: %q, %v", name, c, ok)
		}
	}
	if _, ok := KnownCoding("snappy"); ok {
		t.Error("snappy is spoken")
	}
}

// FuzzText compares the reader, fed in small pieces, with one group at a time.
func FuzzText(f *testing.F) {
	for _, seed := range []string{"", "AAAA", "AA==AAA=AAAA", "AA", "AA==A", "A=A=", "AAA\nA", "====", "AAAA\r\n", strings.Repeat("ABCD", 3000)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := io.ReadAll(&TextReader{Body: iotest.HalfReader(strings.NewReader(text))})
		want, ok := plainText(text)
		if ok != (err == nil) || ok && string(got) != want {
			t.Errorf("%q, %v; want %q, %v", got, err, want, ok)
		}
		if err != nil && status.Code(err) != codes.InvalidArgument {
			t.Error(err)
		}
	})
}

// plainText decodes groups of four by the table of RFC 4648, between which line breaks mean nothing.
func plainText(text string) (string, bool) {
	text = strings.NewReplacer("\r", "", "\n", "").Replace(text)
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	var out []byte
	for ; len(text) >= 4; text = text[4:] {
		group := strings.TrimRight(text[:4], "=")
		if len(group) < 2 {
			return "", false
		}
		bits := 0
		for i := range 4 {
			v := 0
			if i < len(group) {
				if v = strings.IndexByte(alphabet, group[i]); v < 0 {
					return "", false
				}
			}
			bits = bits<<6 | v
		}
		out = append(out, []byte{byte(bits >> 16), byte(bits >> 8), byte(bits)}[:len(group)-1]...)
	}
	return string(out), text == ""
}
