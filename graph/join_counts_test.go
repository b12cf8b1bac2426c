package graph

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// Three backends: books, of which each has an author (in batches of 100), a shelf (one by one) and
// reviews (in batches of 500); and authors, who have a publisher (in batches).
var countedProtos = map[string]string{
	"books": `
syntax = "proto3";
package books.v1;
import "protean/options/v1/options.proto";
service Books {
  rpc ListBooks(Nothing) returns (Page);
  rpc WatchBooks(Nothing) returns (stream Page);
  rpc GetShelf(Name) returns (Shelf);
}
message Nothing {}
message Name { string name = 1; }
message Page { repeated Book books = 1; }
message Shelf { string name = 1; }
message Book {
  option (protean.options.v1.message) = {
    joins: {field: "writtenBy" method: "people.v1.People.BatchGetAuthors" key: "author" argument: "names" result: "authors" result_key: "name"}
    joins: {field: "standsOn" method: "books.v1.Books.GetShelf" key: "shelf" argument: "name"}
    joins: {field: "reviews" method: "reviews.v1.Reviews.SearchReviews" key: "name" argument: "books" result: "reviews" result_key: "book" many: true max_keys: 500}
  };
  string name = 1;
  string author = 2;
  string shelf = 3;
}`,
	"people": `
syntax = "proto3";
package people.v1;
import "protean/options/v1/options.proto";
service People {
  rpc BatchGetAuthors(Names) returns (Authors);
  rpc BatchGetPublishers(Names) returns (Publishers);
}
message Names { repeated string names = 1; }
message Authors { repeated Author authors = 1; }
message Author {
  option (protean.options.v1.message).joins = {field: "printedBy" method: "people.v1.People.BatchGetPublishers" key: "publisher" argument: "names" result: "publishers" result_key: "name"};
  string name = 1;
  string publisher = 2;
}
message Publishers { repeated Publisher publishers = 1; }
message Publisher { string name = 1; }`,
	"reviews": `
syntax = "proto3";
package reviews.v1;
service Reviews { rpc SearchReviews(Search) returns (Found); }
message Search { repeated string books = 1; }
message Found { repeated Review reviews = 1; }
message Review { string book = 1; string text = 2; }`,
}

// countingShop answers for a thousand books, and counts calls by method.
type countingShop struct {
	t  *testing.T
	mu sync.Mutex

	calls map[string]int
}

func newCountingShop(t *testing.T) (*countingShop, *Graph) {
	t.Helper()
	var in schema.Input
	for _, name := range []string{"books", "people", "reviews"} {
		files := rpctest.Files(t, map[string]string{name + ".proto": countedProtos[name]})
		in.Backends = append(in.Backends, schema.BackendFiles{Name: name, Files: files})
	}
	shop := &countingShop{t: t, calls: make(map[string]int)}
	g, problems := New(rpctest.CompileInput(t, in), shop.handle, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return shop, g
}

// takeCalls returns the calls since the last time.
func (c *countingShop) takeCalls() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := c.calls
	c.calls = make(map[string]int)
	return calls
}

func (c *countingShop) handle(_ context.Context, call *rpc.Call, s rpc.Stream) error {
	name := string(call.Method.Descriptor.Name())
	c.mu.Lock()
	c.calls[name]++
	c.mu.Unlock()
	answer := rpctest.Message(c.t, call.Method.Output.Descriptor(), c.answer(name, keysOf(c.t, call)))
	if err := s.Send(answer); err != nil || name != "WatchBooks" {
		return err
	}
	return s.Send(answer)
}

// keysOf returns the texts of a request.
func keysOf(t *testing.T, call *rpc.Call) []string {
	msg := dynamicpb.NewMessage(call.Method.Input.Descriptor())
	if err := proto.Unmarshal(call.Request, msg); err != nil {
		t.Error(err)
	}
	text, err := protojson.Marshal(msg)
	if err != nil {
		t.Error(err)
	}
	var keys []string
	for i, part := range strings.Split(string(text), `"`) {
		if i%2 == 1 && i > 1 {
			keys = append(keys, part)
		}
	}
	return keys
}

// answer writes one object a key; of the lists of books, a thousand.
func (c *countingShop) answer(method string, keys []string) string {
	format := map[string]string{
		"GetShelf":           `%s`,
		"BatchGetAuthors":    `{"authors": [%s]}`,
		"BatchGetPublishers": `{"publishers": [%s]}`,
		"SearchReviews":      `{"reviews": [%s]}`,
		"ListBooks":          `{"books": [%s]}`,
		"WatchBooks":         `{"books": [%s]}`,
	}[method]
	var objects []string
	if strings.HasSuffix(method, "Books") {
		for i := range 1000 {
			objects = append(objects, fmt.Sprintf(`{"name": "b%d", "author": "a%d", "shelf": "s%d"}`, i, i%250, i%10))
		}
	}
	for _, key := range keys {
		switch method {
		case "BatchGetAuthors":
			objects = append(objects, fmt.Sprintf(`{"name": %q, "publisher": "p%d"}`, key, len(key)))
		case "SearchReviews":
			objects = append(objects, fmt.Sprintf(`{"book": %q, "text": "good"}`, key))
		default:
			objects = append(objects, fmt.Sprintf(`{"name": %q}`, key))
		}
	}
	return fmt.Sprintf(format, strings.Join(objects, ","))
}

const countedSelection = ` { books { name author writtenBy { name printedBy { name } } standsOn { name } reviews { text } } } `

// perAnswer are the calls that a thousand books make with joins over three backends: 250 authors in hundreds,
// 10 shelves, a thousand names in five hundreds, and the few publishers of all authors at once.
var perAnswer = map[string]int{"BatchGetAuthors": 3, "GetShelf": 10, "SearchReviews": 2, "BatchGetPublishers": 1}

// TestCallsOfAThousandParents counts the calls of joins over three backends, nested ones too.
func TestCallsOfAThousandParents(t *testing.T) {
	shop, g := newCountingShop(t)
	r := responses(t, t.Context(), g, `{ listBooks`+countedSelection+`}`, "")[0]
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	want := maps.Clone(perAnswer)
	want["ListBooks"] = 1
	if got := shop.takeCalls(); !maps.Equal(got, want) {
		t.Errorf("calls %v, want %v", got, want)
	}
	if got := strings.Count(string(r.Data), `"printedBy":{"name":"p`); got != 1000 {
		t.Errorf("%d books have an author with a publisher", got)
	}
}

// TestCallsOfEachEvent counts the same joins in a subscription: each event makes its own.
func TestCallsOfEachEvent(t *testing.T) {
	shop, g := newCountingShop(t)
	params := &graphql.RawParams{Query: `subscription { watchBooks` + countedSelection + `}`}
	op, errs := g.Executor().CreateOperationContext(t.Context(), params)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	next, ctx := g.Executor().DispatchOperation(t.Context(), op)
	events := 0
	for r := next(ctx); r != nil; r = next(ctx) {
		events++
		got := shop.takeCalls()
		delete(got, "WatchBooks")
		if len(r.Errors) > 0 || !maps.Equal(got, perAnswer) {
			t.Errorf("event %d: calls %v, want %v; %v", events, got, perAnswer, r.Errors)
		}
	}
	if events != 2 {
		t.Errorf("%d events", events)
	}
}
