package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/translate/transport"
)

func TestOpenAPIServed(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"a.proto": `syntax = "proto3"; message M {} service S { rpc Do(M) returns (M); }`})
	rest, _ := NewREST(snap, nil, RESTOptions{})
	v := NewOpenAPI(snap, rest, OpenAPIOptions{})
	get := func(method, path, tag string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, path, nil)
		if tag != "" {
			r.Header.Set("If-None-Match", tag)
		}
		w := httptest.NewRecorder()
		v.ServeHTTP(w, r)
		return w
	}
	first := get(http.MethodGet, "/openapi.json", "")
	tag := first.Header().Get("Etag")
	if first.Code != 200 || first.Header().Get("Content-Type") != "application/json" || tag == "" || !json.Valid(first.Body.Bytes()) {
		t.Errorf("%d %v %s", first.Code, first.Header(), first.Body)
	}
	if w := get(http.MethodGet, "/openapi.json", tag); w.Code != 304 || w.Body.Len() > 0 {
		t.Errorf("known already: %d %s", w.Code, w.Body)
	}
	w := get(http.MethodGet, "/openapi.yaml", tag)
	if w.Code != 200 || w.Header().Get("Content-Type") != "application/yaml" || !strings.HasPrefix(w.Body.String(), "openapi: \"3.1.0\"\n") {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
	if w := get(http.MethodHead, "/openapi.json", ""); w.Code != 200 || w.Body.Len() > 0 {
		t.Errorf("HEAD: %d %s", w.Code, w.Body)
	}
	if w := get(http.MethodPost, "/openapi.json", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d %v", w.Code, w.Header())
	}
}

// TestOpenAPICompressed serves one text in every coding, each under a tag of its own.
func TestOpenAPICompressed(t *testing.T) {
	snap := rpctest.Compile(t, manyMethods(50))
	rest, _ := NewREST(snap, nil, RESTOptions{})
	for _, path := range []string{"/openapi.json", "/openapi.yaml"} {
		var plain []byte
		tags := make(map[string]string)
		for _, test := range []struct {
			accept   string
			disabled bool
			want     string
			vary     string
		}{
			{"", false, "", "Accept-Encoding"},
			{"gzip, deflate, br, zstd", false, "zstd", "Accept-Encoding"},
			{"gzip, br", false, "br", "Accept-Encoding"},
			{"gzip", false, "gzip", "Accept-Encoding"},
			{"gzip", true, "", ""},
		} {
			v := NewOpenAPI(snap, rest, OpenAPIOptions{CompressionDisabled: test.disabled})
			get := func(tag string) *httptest.ResponseRecorder {
				r := httptest.NewRequest(http.MethodGet, path, nil)
				r.Header.Set("Accept-Encoding", test.accept)
				r.Header.Set("If-None-Match", tag)
				w := httptest.NewRecorder()
				v.ServeHTTP(w, r)
				return w
			}
			first := get("")
			h, body := first.Header(), first.Body.Bytes()
			if h.Get("Content-Encoding") != test.want || strings.Join(h["Vary"], ",") != test.vary {
				t.Errorf("%s %+v: %v", path, test, h)
			}
			if other, ok := tags[h.Get("Etag")]; ok && other != test.want {
				t.Errorf("%s %+v: has the tag of %q", path, test, other)
			}
			tags[h.Get("Etag")] = test.want
			if again := get(h.Get("Etag")); again.Code != http.StatusNotModified || again.Body.Len() > 0 {
				t.Errorf("%s %+v: known already: %d", path, test, again.Code)
			}
			content, _ := transport.Decode(bytes.NewReader(body), h)
			text, err := io.ReadAll(content)
			content.Close()
			if plain == nil {
				plain = text
			}
			if err != nil || !bytes.Equal(text, plain) || test.want != "" && len(body) > len(plain)/4 {
				t.Errorf("%s %+v: %d bytes are %d of %d, %v", path, test, len(body), len(text), len(plain), err)
			}
		}
	}
}

// manyMethods is a service with so many methods, every two with messages of their own.
func manyMethods(n int) map[string]string {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\npackage many.v1;\nimport \"google/api/annotations.proto\";\nservice S {\n")
	for i := range n {
		fmt.Fprintf(&b, "  // Does number %[1]d.\n  rpc Do%[1]d(In%[2]d) returns (Out%[2]d) { option (google.api.http) = {get: \"/v1/things%[1]d/{id}\"}; }\n", i, i/2)
	}
	b.WriteString("}\n")
	for i := range (n + 1) / 2 {
		fmt.Fprintf(&b, "message In%[1]d { string id = 1; int32 a = 2; repeated string b = 3; }\nmessage Out%[1]d { string id = 1; map<string, Out%[1]d> more = 2; int64 c = 3; }\n", i)
	}
	return map[string]string{"many.proto": b.String()}
}

func TestOpenAPITooLarge(t *testing.T) {
	snap := rpctest.Compile(t, manyMethods(20))
	rest, _ := NewREST(snap, nil, RESTOptions{})
	v := NewOpenAPI(snap, rest, OpenAPIOptions{MaxBytes: 2000})
	const want = "the OpenAPI document of 20 methods is larger than the limit of 2000 bytes"
	if _, err := v.YAML(); err == nil || err.Error() != want {
		t.Error(err)
	}
	if p := v.Problems(); len(p) != 1 || p[0].Message != want {
		t.Error(p)
	}
	w := httptest.NewRecorder()
	v.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	if w.Code != 500 || !strings.Contains(w.Body.String(), want) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func BenchmarkOpenAPI(b *testing.B) {
	snap := rpctest.Compile(b, manyMethods(10000))
	rest, _ := NewREST(snap, nil, RESTOptions{})
	for _, form := range []struct {
		name  string
		build func(*OpenAPI) ([]byte, error)
	}{{"json", (*OpenAPI).JSON}, {"yaml", (*OpenAPI).YAML}} {
		b.Run(form.name, func(b *testing.B) {
			for b.Loop() {
				text, err := form.build(NewOpenAPI(snap, rest, OpenAPIOptions{}))
				if err != nil {
					b.Fatal(err)
				}
				b.SetBytes(int64(len(text)))
			}
		})
	}
}

// TestOpenAPIBounded checks that messages within messages, of which there are more
// paths than anyone could read, are given up on, and that this is said.
func TestOpenAPIBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("syntax = \"proto3\";\nimport \"google/api/annotations.proto\";\n" +
		"service S { rpc Get(M0) returns (M40) { option (google.api.http) = {get: \"/v1/m\"}; } }\n")
	for i := range 40 {
		fmt.Fprintf(&b, "message M%d { M%[2]d a = 1; M%[2]d b = 2; M%[2]d c = 3; string text = 4; }\n", i, i+1)
	}
	b.WriteString("message M40 { string text = 1; }\n")
	document := buildOpenAPI(t, rpctest.Compile(t, map[string]string{"deep.proto": b.String()}), OpenAPIOptions{})
	if len(document) > 100_000 || !strings.Contains(string(document), "There are more query parameters than are described here") {
		t.Errorf("%d bytes: %.500s", len(document), document)
	}
}
