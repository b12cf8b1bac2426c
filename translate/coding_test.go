package translate

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/translate/transport"
)

// exchangeBytes sends a request whose body may be anything.
func exchangeBytes(t *testing.T, h http.Handler, method, path string, header http.Header, body []byte) (*http.Response, []byte) {
	t.Helper()
	server := serve(t, h)
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := (&http.Transport{DisableCompression: true}).RoundTrip(r)
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

// titled answers with a book whose title has so many bytes.
func titled(t *testing.T, size int) rpc.Handler {
	return func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		return s.Send(rpctest.Message(t, c.Method.Output.Descriptor(), `{"title":"`+strings.Repeat("x", size)+`"}`))
	}
}

func TestAnswersAreCompressed(t *testing.T) {
	for _, test := range []struct {
		accept   string
		size     int
		disabled bool
		want     string
		vary     string
	}{
		{"gzip, br, zstd", 5000, false, "zstd", "Accept,Accept-Encoding"},
		{"gzip, br;q=0.5", 5000, false, "gzip", "Accept,Accept-Encoding"},
		{"br", 5000, false, "br", "Accept,Accept-Encoding"},
		{"", 5000, false, "", "Accept,Accept-Encoding"},
		{"deflate", 5000, false, "", "Accept,Accept-Encoding"},
		{"gzip", 100, false, "", "Accept"},
		{"gzip, identity;q=0", 500, false, "gzip", "Accept,Accept-Encoding"},
		{"br, *;q=0", 500, false, "br", "Accept,Accept-Encoding"},
		{"deflate, identity;q=0", 500, false, "", "Accept,Accept-Encoding"},
		{"gzip, identity;q=0", 500, true, "", "Accept"},
		{"gzip", 5000, true, "", "Accept"},
	} {
		rest, _ := NewREST(library(t), titled(t, test.size), RESTOptions{CompressionDisabled: test.disabled})
		header := http.Header{}
		if test.accept != "" {
			header.Set("Accept-Encoding", test.accept)
		}
		res, body := exchangeBytes(t, rest, http.MethodGet, "/v1/isbn/1", header, nil)
		if got := res.Header.Get("Content-Encoding"); got != test.want || strings.Join(res.Header["Vary"], ",") != test.vary {
			t.Errorf("%+v: got %q, %v", test, got, res.Header)
		}
		if test.want != "" && len(body) > test.size/10 {
			t.Errorf("%+v: %d bytes", test, len(body))
		}
		content, _ := transport.Decode(bytes.NewReader(body), res.Header)
		text, err := io.ReadAll(content)
		content.Close()
		if want := `{"title":"` + strings.Repeat("x", test.size) + `"}`; string(text) != want || err != nil {
			t.Errorf("%+v: got %.50s (%v)", test, text, err)
		}
	}
}

func TestCompressedRequests(t *testing.T) {
	const limit = 4 << 20
	for _, test := range []struct {
		name, path, body string
		status           int
		want             string
	}{
		{"body", "/v1/shelves/1/books", `{"title":"Emma"}`, 200, `{"parent":"shelves/1","book":{"title":"Emma"}}`},
		{"bomb", "/v1/shelves/1/books", strings.Repeat(" ", limit+1), 413, ""},
		{"lines", "/v1/collect", "{\"text\":\"a\"}\n{\"text\":\"b\"}\n", 200, "{\"text\":\"a\"}\n{\"text\":\"b\"}"},
		{"bomb of a line", "/v1/collect", strings.Repeat(" ", limit+1), 413, "broken off"},
		{"many lines", "/v1/collect", strings.Repeat(strings.Repeat(" ", 1<<20)+"\n", 10), 200, ""},
	} {
		for _, coding := range []transport.Coding{transport.GZIP, transport.Zstd, transport.Brotli} {
			t.Run(test.name+" "+string(coding), func(t *testing.T) {
				script := &script{t: t}
				rest, _ := NewREST(library(t), script.handle, RESTOptions{})
				var body bytes.Buffer
				coding.Compress(&body, []byte(test.body))
				header := http.Header{"Content-Encoding": {string(coding)}}
				res, text := exchangeBytes(t, rest, http.MethodPost, test.path, header, body.Bytes())
				_, call, _ := bytes.Cut(script.call, []byte("\n"))
				if res.StatusCode != test.status || strings.TrimSpace(string(call)) != test.want {
					t.Errorf("got %d %s, and the call %q", res.StatusCode, text, call)
				}
			})
		}
	}
}

// TestRawAnswersAreNotCompressed: what the backend calls an image is one.
func TestRawAnswersAreNotCompressed(t *testing.T) {
	rest, _ := NewREST(library(t), func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		return s.Send(rpctest.Message(t, c.Method.Output.Descriptor(), `{"contentType":"image/png","data":"`+strings.Repeat("AAAA", 2000)+`"}`))
	}, RESTOptions{})
	res, body := exchangeBytes(t, rest, http.MethodGet, "/v1/download/x", http.Header{"Accept-Encoding": {"gzip"}}, nil)
	if len(body) != 6000 || res.Header.Get("Content-Encoding") != "" {
		t.Errorf("got %d bytes, %v", len(body), res.Header)
	}
}
