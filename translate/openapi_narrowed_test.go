package translate

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// libraryRPCs are the methods of two services, as their files declare them.
var libraryRPCs = map[string][]string{
	"Library": {
		`rpc GetBook(GetBookRequest) returns (Book) { option (google.api.http) = {get: "/v1/{name=books/*}"}; }`,
		`rpc ListBooks(ListBooksRequest) returns (ListBooksResponse) { option (google.api.http) = {get: "/v1/books"}; }`,
		`rpc BurnBook(BurnRequest) returns (Ashes) { option (google.api.http) = {delete: "/v1/{book=books/*}"}; option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_operation) = {tags: "Fire"}; }`,
		`rpc Follow(FollowRequest) returns (stream Book);`,
	},
	"Staff": {
		`rpc Hire(HireRequest) returns (Person) { option (google.api.http) = {post: "/v1/staff" body: "*"}; }`,
		`rpc GetBook(Person) returns (.other.Book);`,
	},
}

// libraryWithout compiles the services less the methods that hidden names as Service.Method, and less services of which
// nothing is left.
func libraryWithout(t testing.TB, hidden ...string) *schema.Snapshot {
	t.Helper()
	sources := map[string]string{"other.proto": `syntax = "proto3"; package other; message Book { Cover cover = 1; } message Cover { string colour = 1; }`}
	for i, service := range []string{"Library", "Staff"} {
		var rpcs []string
		for _, text := range libraryRPCs[service] {
			name, _, _ := strings.Cut(strings.TrimPrefix(text, "rpc "), "(")
			if !slices.Contains(hidden, service+"."+name) {
				rpcs = append(rpcs, text)
			}
		}
		declared := ""
		if len(rpcs) > 0 {
			declared = fmt.Sprintf("// Is %[1]s.\nservice %[1]s {\n%[2]s\n}\n", service, strings.Join(rpcs, "\n"))
		}
		sources[fmt.Sprintf("%d.proto", i)] = `syntax = "proto3"; package library;
import "google/api/annotations.proto";
import "protoc-gen-openapiv2/options/annotations.proto";
import "other.proto"; import "messages.proto";
` + fmt.Sprintf(`option (grpc.gateway.protoc_gen_openapiv2.options.openapiv2_swagger) = {tags: {name: "Said%d" description: "Of no method."} external_docs: {url: "https://example.com/%[1]d"}};`, i) + declared
	}
	sources["messages.proto"] = `syntax = "proto3"; package library;
message GetBookRequest { string name = 1; } message Book { string name = 1; Genre genre = 2; } enum Genre { NOVEL = 0; }
message ListBooksRequest { Genre genre = 1; } message ListBooksResponse { repeated Book books = 1; }
message BurnRequest { string book = 1; Fuel fuel = 2; } enum Fuel { WOOD = 0; } message Ashes { double grams = 1; }
message FollowRequest {} message HireRequest { Person person = 1; } message Person { string name = 1; repeated Person peers = 2; }`
	return rpctest.Compile(t, sources)
}

type hiddenKey struct{}

// narrowedLibrary describes the library to callers whose contexts say what is hidden from them.
func narrowedLibrary(t testing.TB) *OpenAPI {
	t.Helper()
	snap := libraryWithout(t)
	rest, _ := NewREST(snap, nil, RESTOptions{})
	return NewOpenAPI(snap, rest, OpenAPIOptions{Version: "1", Vary: []string{"X-Api-Key"}, Visible: func(ctx context.Context, m *schema.Method) bool {
		hidden, _ := ctx.Value(hiddenKey{}).([]string)
		return !slices.Contains(hidden, strings.TrimPrefix(m.FullName(), "library."))
	}})
}

func getAs(t testing.TB, v *OpenAPI, path, tag string, hidden []string) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(context.WithValue(t.Context(), hiddenKey{}, hidden), http.MethodGet, path, nil)
	if tag != "" {
		r.Header.Set("If-None-Match", tag)
	}
	w := httptest.NewRecorder()
	v.ServeHTTP(w, r)
	return w
}

// TestOpenAPINarrowed compares what a caller is shown with the document of files that have no other methods: whatever is
// hidden, they are the same to the byte.
func TestOpenAPINarrowed(t *testing.T) {
	v := narrowedLibrary(t)
	all := []string{"Library.GetBook", "Library.ListBooks", "Library.BurnBook", "Library.Follow", "Staff.Hire", "Staff.GetBook"}
	whole, err := v.JSON()
	if err != nil || !bytes.Contains(whole, []byte("Said1")) || !bytes.Contains(whole, []byte("BurnRequest")) && !bytes.Contains(whole, []byte("Fuel")) {
		t.Fatalf("%v: %s", err, whole)
	}
	tags := make(map[string]string)
	for set := range 1 << len(all) {
		var hidden []string
		for i, name := range all {
			if set>>i&1 != 0 {
				hidden = append(hidden, name)
			}
		}
		w := getAs(t, v, "/openapi.json", "", hidden)
		h := w.Header()
		if w.Code != http.StatusOK || h.Get("Cache-Control") != "private, no-cache" || h.Get("Vary") != "X-Api-Key" {
			t.Fatalf("%v: %d %v", hidden, w.Code, h)
		}
		if again := getAs(t, v, "/openapi.json", h.Get("Etag"), hidden); again.Code != http.StatusNotModified || again.Header().Get("Vary") != "X-Api-Key" {
			t.Errorf("%v: known already: %d %v", hidden, again.Code, again.Header())
		}
		if before, ok := tags[h.Get("Etag")]; ok {
			t.Errorf("%v has the tag of %s", hidden, before)
		}
		tags[h.Get("Etag")] = fmt.Sprint(hidden)
		checkReferences(t, w.Body.Bytes())
		snap := libraryWithout(t, hidden...)
		want := buildOpenAPI(t, snap, OpenAPIOptions{Version: "1"})
		if set == 0 {
			want = whole
		} else { // tags that no method has are left out
			for i := range 2 {
				tag := fmt.Sprintf(`{"name":"Said%d","description":"Of no method."}`, i)
				want = bytes.ReplaceAll(want, []byte(","+tag), nil)
				want = bytes.ReplaceAll(want, []byte(tag), nil)
			}
		}
		if got := w.Body.Bytes(); !bytes.Equal(got, want) {
			t.Fatalf("%v: got\n%s\nwant\n%s", hidden, got, want)
		}
		yaml, err := toYAML(want)
		if err != nil {
			t.Fatal(err)
		}
		if w := getAs(t, v, "/openapi.yaml", "", hidden); !bytes.Equal(w.Body.Bytes(), yaml) {
			t.Errorf("%v: the YAML is another: %s", hidden, w.Body)
		}
	}
	if n := len(v.narrowed.kept); n != maxNarrowedDocuments {
		t.Errorf("%d documents are kept", n)
	}
}

// TestOpenAPINarrowedOnce asks as many callers at once: a document is built once for those that may call the same.
func TestOpenAPINarrowedOnce(t *testing.T) {
	v := narrowedLibrary(t)
	var built atomic.Int64
	build := v.narrowed.build
	v.narrowed.build = func(shown func(*schema.Method) bool) ([]byte, error) {
		built.Add(1)
		return build(shown)
	}
	callers := [][]string{nil, {"Library.BurnBook"}, {"Library.BurnBook", "Staff.Hire"}, {"Staff.Hire"}}
	bodies := make([]sync.Map, len(callers))
	var asking sync.WaitGroup
	for i := range 40 {
		asking.Go(func() {
			w := getAs(t, v, []string{"/openapi.json", "/openapi.yaml"}[i%2], "", callers[i/2%len(callers)])
			bodies[i/2%len(callers)].Store(w.Body.String(), w.Code)
		})
	}
	asking.Wait()
	if built.Load() != 3 {
		t.Errorf("built %d times for 3 sets", built.Load())
	}
	for i := range bodies {
		n := 0
		bodies[i].Range(func(body, code any) bool {
			n++
			if hidden := callers[i]; code != http.StatusOK || slices.ContainsFunc(hidden, func(name string) bool {
				_, method, _ := strings.Cut(name, ".")
				return strings.Contains(body.(string), method)
			}) {
				t.Errorf("%v: %v %v", hidden, code, body)
			}
			return true
		})
		if n != 2 {
			t.Errorf("%v: %d documents in two forms", callers[i], n)
		}
	}
}

// TestOpenAPINarrowedBytes forgets large documents that were not asked for lately, and never the last.
func TestOpenAPINarrowedBytes(t *testing.T) {
	v := narrowedLibrary(t)
	for _, hidden := range [][]string{{"Library.BurnBook"}, {"Staff.Hire"}, {"Library.Follow"}} {
		getAs(t, v, "/openapi.json", "", hidden)
		v.narrowed.kept[0].size.Store(maxNarrowedBytes/2 + 1)
	}
	getAs(t, v, "/openapi.json", "", []string{"Library.Follow"})
	if n := len(v.narrowed.kept); n != 1 {
		t.Errorf("%d documents are kept", n)
	}
}
