package translate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FuzzLines compares the messages of a body in NDJSON, read in small pieces, with those of its
// lines one by one.
func FuzzLines(f *testing.F) {
	for _, text := range []string{"", "{}", "{}\n{}\n", "\n\n {\"name\":\"x\"} \r\n\n", "{\"name\":\n\"x\"}", "{}{}", "{\"name\":\"" + string(bytes.Repeat([]byte("x"), 60)) + "\"}\n{}"} {
		f.Add([]byte(text), uint8(50))
		f.Add([]byte(text), uint8(1))
	}
	_, compiled := noteRoute(f)
	f.Fuzz(func(t *testing.T, body []byte, limit uint8) {
		method := *compiled.method
		method.Limits.RequestBytes = int(limit)
		r := &route{method: &method, binding: compiled.binding, wholeBody: true}
		lines := newLines(r, iotest.HalfReader(bytes.NewReader(body)))
		for i, line := range bytes.SplitAfter(body, []byte("\n")) {
			if len(line) > int(limit) {
				if _, err := lines.next(); !isTooLarge(err) {
					t.Fatalf("line %d is too large: %v", i+1, err)
				}
				return
			}
			if len(bytes.TrimSpace(line)) == 0 {
				continue
			}
			got, err := lines.next()
			want, wantErr := r.decodeBody(nil, bytes.TrimSpace(line))
			if (err == nil) != (wantErr == nil) || !bytes.Equal(got, want) {
				t.Fatalf("line %d: got %x, %v; want %x, %v", i+1, got, err, want, wantErr)
			}
			if err != nil {
				return // of which nothing more is read
			}
		}
		if _, err := lines.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("behind the last line: %v", err)
		}
	})
}

func isTooLarge(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.http == http.StatusRequestEntityTooLarge && status.Code(err) == codes.ResourceExhausted
}
