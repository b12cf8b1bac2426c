package graph

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/translate/transport"
)

// post sends a request as it is, and returns the answer as it came.
func post(t *testing.T, h http.Handler, header http.Header, body []byte) (*http.Response, []byte) {
	t.Helper()
	server := httptest.NewServer(h)
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	r.Header.Set("Content-Type", "application/json")
	res, err := (&http.Transport{DisableCompression: true, DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, got
}

// sizedGraph answers with a text of so many bytes.
func sizedGraph(t *testing.T, size int, o HTTPOptions) *Graph {
	t.Helper()
	snap := rpctest.Compile(t, map[string]string{"text.proto": `
syntax = "proto3";
package text.v1;
service Texts { rpc GetText(Text) returns (Text); }
message Text { string text = 1; }
`})
	g, problems := New(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		return s.Send(rpctest.Message(t, c.Method.Output.Descriptor(), `{"text":"`+strings.Repeat("x", size)+`"}`))
	}, Options{HTTP: o})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g
}

func TestResponsesAreCompressed(t *testing.T) {
	for _, test := range []struct {
		accept   string
		size     int
		disabled bool
		want     string
		vary     string
	}{
		{"gzip, br, zstd", 5000, false, "zstd", "Accept,Accept-Encoding"},
		{"gzip, br;q=0.5", 5000, false, "gzip", "Accept,Accept-Encoding"},
		{"br", 600_000, false, "br", "Accept,Accept-Encoding"},
		{"", 5000, false, "", "Accept,Accept-Encoding"},
		{"deflate", 5000, false, "", "Accept,Accept-Encoding"},
		{"gzip", 100, false, "", "Accept"},
		{"gzip, identity;q=0", 500, false, "gzip", "Accept,Accept-Encoding"},
		{"gzip, identity;q=0", 500, true, "", "Accept"},
		{"gzip", 5000, true, "", "Accept"},
	} {
		header := http.Header{}
		if test.accept != "" {
			header.Set("Accept-Encoding", test.accept)
		}
		g := sizedGraph(t, test.size, HTTPOptions{CompressionDisabled: test.disabled})
		for range 2 { // the second time in the room of the first
			res, body := post(t, g, header.Clone(), []byte(`{"query":"{ getText { text } }"}`))
			if got := res.Header.Get("Content-Encoding"); got != test.want || strings.Join(res.Header["Vary"], ",") != test.vary {
				t.Errorf("%+v: got %q, %v", test, got, res.Header)
			}
			if test.want != "" && len(body) > test.size/4 || res.ContentLength != int64(len(body)) {
				t.Errorf("%+v: %d bytes, said to be %d", test, len(body), res.ContentLength)
			}
			content, _ := transport.Decode(bytes.NewReader(body), res.Header)
			text, err := io.ReadAll(content)
			content.Close()
			if want := `{"data":{"getText":{"text":"` + strings.Repeat("x", test.size) + `"}}}`; string(text) != want || err != nil {
				t.Errorf("%+v: got %.50s (%v)", test, text, err)
			}
		}
	}
}

// TestErrorsAreCompressed: responses of errors are responses.
func TestErrorsAreCompressed(t *testing.T) {
	query := `{"query":"{ ` + strings.Repeat("nothing ", 300) + `}"}`
	res, body := post(t, sizedGraph(t, 1, HTTPOptions{}), http.Header{"Accept-Encoding": {"gzip"}}, []byte(query))
	content, _ := transport.Decode(bytes.NewReader(body), res.Header)
	defer content.Close()
	text, err := io.ReadAll(content)
	if res.Header.Get("Content-Encoding") != "gzip" || err != nil || !bytes.HasPrefix(text, []byte(`{"errors":[`)) {
		t.Errorf("%v %.100s %v", res.Header, text, err)
	}
}

func TestCompressedOperations(t *testing.T) {
	const query = `{"query":"{ getText { text } }"}`
	for _, test := range []struct {
		name, body string
		status     int
		want       string
	}{
		{"an operation", query, 200, `{"data":{"getText":{"text":"x"}}}`},
		{"as large as may be", query + strings.Repeat(" ", MaxBody-len(query)), 200, `{"data":{"getText":{"text":"x"}}}`},
		{"a bomb", query + strings.Repeat(" ", MaxBody-len(query)+1), 413, `{"errors":[{"message":"` + transport.TooLarge(MaxBody) + `","extensions":{"code":"RESOURCE_EXHAUSTED"}}]}`},
	} {
		for _, coding := range []transport.Coding{transport.GZIP, transport.Zstd, transport.Brotli} {
			t.Run(test.name+" "+string(coding), func(t *testing.T) {
				var body bytes.Buffer
				coding.Compress(&body, []byte(test.body))
				res, got := post(t, sizedGraph(t, 1, HTTPOptions{}), http.Header{"Content-Encoding": {string(coding)}}, body.Bytes())
				if res.StatusCode != test.status || string(got) != test.want {
					t.Errorf("got %d %s", res.StatusCode, got)
				}
			})
		}
	}
}
