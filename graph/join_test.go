package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const manyProto = `
syntax = "proto3";
package many.v1;
import "protean/options/v1/options.proto";
service Many {
  rpc ListBooks(Empty) returns (Books);
  rpc BatchGetAuthors(Names) returns (Authors);
  rpc GetShelf(Name) returns (Shelf);
}
message Empty {}
message Name { string name = 1; }
message Names { repeated string names = 1; }
message Books { repeated Book books = 1; }
message Authors { repeated Author authors = 1; }
message Book {
  option (protean.options.v1.message) = {
    joins: {field: "authorDetails" method: "many.v1.Many.BatchGetAuthors" key: "author" argument: "names" result: "authors" result_key: "name"}
    joins: {field: "shelfDetails" method: "many.v1.Many.GetShelf" key: "shelf" argument: "name"}
  };
  string name = 1;
  string author = 2;
  string shelf = 3;
  int64 sold = 4;
  double rating = 5;
}
message Author { string name = 1; }
message Shelf { string name = 1; }
`

// library answers for many books, of so many authors and on so many shelves.
type library struct {
	books, authors, shelves int
	batches, gets           atomic.Int64
	listed                  []byte
}

func newLibrary(t testing.TB, l *library) *Graph {
	t.Helper()
	snap := rpctest.Compile(t, map[string]string{"many.proto": manyProto})
	var all []string
	for i := range l.books {
		all = append(all, fmt.Sprintf(`{"name": "b%d", "author": "a%d", "shelf": "s%d", "sold": "%d", "rating": 4.5}`,
			i, i%l.authors, i%l.shelves, i))
	}
	m := rpctest.Method(t, snap, "/many.v1.Many/ListBooks")
	l.listed = rpctest.Message(t, m.Output.Descriptor(), `{"books": [`+strings.Join(all, ",")+`]}`)
	g, problems := New(snap, l.handle, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g
}

func (l *library) handle(_ context.Context, c *rpc.Call, s rpc.Stream) error {
	switch c.Method.Descriptor.Name() {
	case "ListBooks":
		return s.Send(l.listed)
	case "GetShelf":
		l.gets.Add(1)
		return s.Send(c.Request)
	}
	l.batches.Add(1)
	// The names of the request, in the opposite order, make the authors of the answer.
	var answer []byte
	for rest := c.Request; len(rest) > 0; {
		_, _, n := protowire.ConsumeTag(rest)
		name, m := protowire.ConsumeBytes(rest[n:])
		author := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), name)
		one := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), author)
		answer = append(one, answer...)
		rest = rest[n+m:]
	}
	return s.Send(answer)
}

// TestJoinsOfManyParents counts the calls that joins of a thousand parents make.
func TestJoinsOfManyParents(t *testing.T) {
	for _, c := range []struct{ authors, batches int }{{1, 1}, {100, 1}, {101, 2}, {1000, 10}} {
		l := &library{books: 1000, authors: c.authors, shelves: 1}
		g := newLibrary(t, l)
		r := responses(t, t.Context(), g, `{ listBooks { books { author authorDetails { name } shelfDetails { name } } } }`, "")[0]
		if len(r.Errors) > 0 {
			t.Fatal(r.Errors)
		}
		if got := int(l.batches.Load()); got != c.batches {
			t.Errorf("%d authors: %d batches, want %d", c.authors, got, c.batches)
		}
		if got := l.gets.Load(); got != 1 {
			t.Errorf("%d calls for one shelf", got)
		}
		checkAuthors(t, r.Data)
	}
}

// checkAuthors checks that every book has its own author.
func checkAuthors(t *testing.T, data []byte) {
	t.Helper()
	var out struct {
		ListBooks struct {
			Books []struct {
				Author        string
				AuthorDetails struct{ Name string }
			}
		}
	}
	if err := json.Unmarshal(data, &out); err != nil || len(out.ListBooks.Books) != 1000 {
		t.Fatalf("%d books, %v", len(out.ListBooks.Books), err)
	}
	for i, book := range out.ListBooks.Books {
		if book.Author != book.AuthorDetails.Name {
			t.Fatalf("book %d: the author is %q, and the joined one %q", i, book.Author, book.AuthorDetails.Name)
		}
	}
}

// TestCallsAreBounded: keys beyond the calls of an operation fail, the others are there.
func TestCallsAreBounded(t *testing.T) {
	l := &library{books: 200, authors: 1, shelves: 200}
	g := newLibrary(t, l)
	r := responses(t, t.Context(), g, `{ listBooks { books { shelfDetails { name } } } }`, "")[0]
	if got := l.gets.Load(); got != 49 {
		t.Errorf("%d calls besides the first, want 49", got)
	}
	if len(r.Errors) != 151 || r.Errors[0].Extensions["code"] != "RESOURCE_EXHAUSTED" {
		t.Errorf("%d errors: %v", len(r.Errors), r.Errors)
	}
	if got := strings.Count(string(r.Data), `{"name":"s`); got != 49 {
		t.Errorf("%d shelves, want 49", got)
	}
}

func BenchmarkSmallQuery(b *testing.B) {
	g := newLibrary(b, &library{books: 1, authors: 1, shelves: 1})
	benchmark(b, g, `{ listBooks { books { name sold } } }`)
}

func BenchmarkList(b *testing.B) {
	g := newLibrary(b, &library{books: 100, authors: 10, shelves: 1})
	benchmark(b, g, `{ listBooks { books { name author shelf sold rating } } }`)
}

func BenchmarkJoinedList(b *testing.B) {
	g := newLibrary(b, &library{books: 100, authors: 10, shelves: 1})
	benchmark(b, g, `{ listBooks { books { name authorDetails { name } } } }`)
}

// BenchmarkPost is a small query with all that HTTP adds to it in the graph.
func BenchmarkPost(b *testing.B) {
	benchmarkPost(b, `{"query":"{ getShelf(name: \"s1\") { name } }"}`)
}

// BenchmarkPostVariable is one as clients send it.
func BenchmarkPostVariable(b *testing.B) {
	benchmarkPost(b, `{"operationName":"Shelf","variables":{"name":"s1"},"query":"query Shelf($name: ID!) {\n  getShelf(name: $name) {\n    name\n  }\n}\n"}`)
}

func benchmarkPost(b *testing.B, body string) {
	g := newLibrary(b, &library{books: 1, authors: 1, shelves: 1})
	r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/graphql", nil)
	r.Header["Content-Type"] = []string{"application/json"}
	r.ContentLength = int64(len(body))
	w := &countingWriter{header: make(http.Header)}
	reader := strings.NewReader(body)
	r.Body = io.NopCloser(reader)
	b.ReportAllocs()
	for b.Loop() {
		reader.Reset(body)
		clear(w.header)
		g.ServeHTTP(w, r)
		if w.status != http.StatusOK || w.written < 20 {
			b.Fatal(w.status)
		}
	}
}

// countingWriter is a response of which only the size is kept.
type countingWriter struct {
	header          http.Header
	status, written int
}

func (w *countingWriter) Header() http.Header         { return w.header }
func (w *countingWriter) WriteHeader(status int)      { w.status = status }
func (w *countingWriter) Write(b []byte) (int, error) { w.written = len(b); return len(b), nil }

func benchmark(b *testing.B, g *Graph, query string) {
	params := &graphql.RawParams{Query: query}
	b.ReportAllocs()
	for b.Loop() {
		op, errs := g.Executor().CreateOperationContext(b.Context(), params)
		if len(errs) > 0 {
			b.Fatal(errs)
		}
		next, ctx := g.Executor().DispatchOperation(b.Context(), op)
		if r := next(ctx); len(r.Errors) > 0 {
			b.Fatal(r.Errors)
		}
	}
}
