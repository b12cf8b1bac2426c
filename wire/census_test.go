package wire_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/wire"
)

// TestCensus counts the JSON of messages to the byte, where nothing of it is of an unknown size.
func TestCensus(t *testing.T) {
	m := shelf(t, "Book")
	for _, c := range []struct{ selection, message string }{
		{"title", `{"title":"Emma"}`},
		{"title", `{}`},
		{"a:title b:title c:title", `{"title":"Emma"}`},
		{"sequel { title } again:sequel { title more:title }", `{"sequel":{"title":"Emma"}}`},
		{"sequel { title }", `{}`},
		{"parts { title } more:parts { a:title b:title }", `{"parts":[{"title":"1"},{},{"title":"333"}]}`},
		{"parts { sequel { title } }", `{"parts":[{"sequel":{"title":"1"}},{},{"sequel":{"parts":[{"title":"333"}]}}]}`},
	} {
		p, msg := mustSelect(t, m, c.selection), fromJSON(t, m, c.message)
		written, err := p.AppendJSON(nil, msg, nil)
		if err != nil {
			t.Fatal(err)
		}
		census := p.NewCensus(nil)
		census.Add(msg, 1)
		if got := census.LeastSize(); got > len(written) || got < len(written)-2*bytes.Count(written, []byte("}")) {
			t.Errorf("%s of %s: %d bytes, written are %d: %s", c.selection, c.message, got, len(written), written)
		}
		census.Add(msg, 999)
		if got := census.LeastSize(); got > 1000*len(written) || got < 1000*(len(written)-2*bytes.Count(written, []byte("}"))) {
			t.Errorf("%s of %s, 1,000 times: %d bytes", c.selection, c.message, got)
		}
	}
}

// TestLargeAnswersAreRejectedEarly checks that an answer which is too large is not written up to its limit first.
func TestLargeAnswersAreRejectedEarly(t *testing.T) {
	m := shelf(t, "Book")
	msg := fromJSON(t, m, `{"parts":[`+strings.Repeat(`{"title":"a title of some length"},`, 9999)+`{}]}`)
	var aliases strings.Builder
	for i := range 200 {
		aliases.WriteString(string(rune('a'+i%26)) + string(rune('a'+i/26)) + ":title ")
	}
	p := mustSelect(t, m, "parts { "+aliases.String()+"}")
	dst, err := p.AppendJSON(make([]byte, 0, 4<<20), msg, &wire.Sink{MaxBytes: 32 << 20})
	if err != wire.ErrTooLarge {
		t.Fatalf("%d bytes, %v", len(dst), err)
	}
	allocated := testing.Benchmark(func(b *testing.B) {
		room := make([]byte, 0, 4<<20)
		b.ReportAllocs()
		for b.Loop() {
			_, _ = p.AppendJSON(room, msg, &wire.Sink{MaxBytes: 32 << 20})
		}
	}).AllocedBytesPerOp()
	if allocated > 4<<20 { // 32 MiB would have been made
		t.Errorf("%d bytes are allocated", allocated)
	}
}
