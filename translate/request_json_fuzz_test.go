package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// FuzzJSONMessages compares the messages of a body, read in small pieces, with those that encoding/json
// cuts it into.
func FuzzJSONMessages(f *testing.F) {
	for _, text := range []string{
		"", "{}", "{}\n{}\n", "\n\n {\"name\":\"x\"} \r\n\n", "{\"name\":\n\"x\"}", "{}{}", "{},{}", "{} ]", "1 2", "null",
		"[]", "[{}]", " [ {\"name\":\"[{,\\\"\"} , {} ] \n", "[{}", "[{},", "[{},]", "[,{}]", "[{}{}]", "[{}]{}", "[[{}]]", "{}[{}]", "[1,\"a\",true]",
		"{\"name\":\"" + strings.Repeat("x", 60) + "\"}\n{}", "\"a\"\"b\"", "{\"name\":\"\\", "{]", "}",
	} {
		f.Add([]byte(text), uint8(50))
		f.Add([]byte(text), uint8(1))
	}
	_, compiled := noteRoute(f)
	f.Fuzz(func(t *testing.T, body []byte, limit uint8) {
		if longestBlank(body) > int(limit) {
			return // is refused at some place
		}
		method := *compiled.method
		method.Limits.RequestBytes = int(limit)
		r := &route{method: &method, binding: compiled.binding, wholeBody: true}
		messages := newJSONMessages(r, iotest.HalfReader(bytes.NewReader(body)))
		oracle := newDocuments(body)
		for i := 0; ; i++ {
			document, wantErr := oracle.next()
			got, err := messages.next()
			if wantErr == nil && len(document) > int(limit) {
				if !isTooLarge(err) {
					t.Fatalf("message %d is too large: %v", i, err)
				}
				return
			}
			var want []byte
			if wantErr == nil {
				want, wantErr = r.decodeBody(nil, document)
			}
			if (err == nil) != (wantErr == nil) || errors.Is(err, io.EOF) != errors.Is(wantErr, io.EOF) || !bytes.Equal(got, want) {
				t.Fatalf("message %d: got %x, %v; want %x, %v", i, got, err, want, wantErr)
			}
			if err != nil {
				return // nothing more is read
			}
		}
	})
}

// longestBlank returns the length of the longest white space without a line feed.
func longestBlank(body []byte) (longest int) {
	run := 0
	for _, c := range body {
		if run++; c != ' ' && c != '\t' && c != '\r' {
			run = 0
		}
		longest = max(longest, run)
	}
	return longest
}

// documents are the messages of a body as encoding/json finds them.
type documents struct {
	decoder *json.Decoder
	array   bool
	closed  bool
}

func newDocuments(body []byte) *documents {
	d := &documents{decoder: json.NewDecoder(bytes.NewReader(body))}
	if d.array = bytes.HasPrefix(trimSpace(body), []byte("[")); d.array {
		_, _ = d.decoder.Token()
	}
	return d
}

func (d *documents) next() (json.RawMessage, error) {
	if d.array && !d.closed && !d.decoder.More() {
		if _, err := d.decoder.Token(); err != nil {
			return nil, errors.New("the array is not closed")
		}
		d.closed = true
	}
	if d.closed {
		if _, err := d.decoder.Token(); !errors.Is(err, io.EOF) {
			return nil, errors.New("there is more")
		}
		return nil, io.EOF
	}
	var document json.RawMessage
	err := d.decoder.Decode(&document)
	if errors.Is(err, io.EOF) && d.array {
		err = io.ErrUnexpectedEOF
	}
	return document, err
}

func isTooLarge(err error) bool {
	refused, ok := errors.AsType[*refusal](err)
	return ok && refused.http == http.StatusRequestEntityTooLarge && status.Code(err) == codes.ResourceExhausted
}
