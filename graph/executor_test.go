package graph

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const doProto = `
syntax = "proto3";
package do.v1;
service Do {
  rpc Step(It) returns (It);
  rpc GetIt(It) returns (It);
}
message It { int32 n = 1; }
`

func doGraph(t testing.TB, h rpc.Handler, o Options) *Graph {
	t.Helper()
	g, problems := New(rpctest.Compile(t, map[string]string{"do.proto": doProto}), h, o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g
}

// TestMutationsRunInOrder, while queries need not.
func TestMutationsRunInOrder(t *testing.T) {
	var order []byte
	g := doGraph(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		order = append(order, c.Request[1])
		return s.Send(c.Request)
	}, Options{})
	r := responses(t, t.Context(), g, `mutation { `+repeated("s%d: step(input: {n: 1}) { n } ", 3)+`b: step(input: {n: 2}) { n } c: step(input: {n: 3}) { n } }`, "")[0]
	if len(r.Errors) > 0 || !slices.Equal(order, []byte{1, 1, 1, 2, 3}) {
		t.Errorf("order %v, errors %v", order, r.Errors)
	}
}

// TestParallelCallsAreBounded: as many calls as may be are under way at once, and no more.
func TestParallelCallsAreBounded(t *testing.T) {
	arrived, release := make(chan struct{}, 20), make(chan struct{})
	g := doGraph(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		arrived <- struct{}{}
		<-release
		return s.Send(c.Request)
	}, Options{MaxParallel: 3})
	var wg sync.WaitGroup
	wg.Go(func() {
		if r := responses(t, t.Context(), g, `{ `+repeated("a%d: getIt { n } ", 10)+`}`, "")[0]; len(r.Errors) > 0 {
			t.Error(r.Errors)
		}
	})
	for range 3 {
		<-arrived
	}
	if len(arrived) > 0 {
		t.Error("more than three calls are under way")
	}
	close(release)
	wg.Wait()
}

// TestCallsCarryTheRequest checks what the handler is told of the client.
func TestCallsCarryTheRequest(t *testing.T) {
	var got *rpc.Call
	g := doGraph(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		got = c
		return s.Send(nil)
	}, Options{})
	ctx := WithRequest(t.Context(), Request{Metadata: metadata.Pairs("x-tenant", "t"), Peer: "192.0.2.1:5"})
	responses(t, ctx, g, `{ getIt(n: 0) { n } }`, "")
	if got == nil || got.Peer != "192.0.2.1:5" || got.Door != rpc.GraphQL || got.Metadata.Get("x-tenant")[0] != "t" {
		t.Errorf("got %+v", got)
	}
}

// TestPick checks which operation of a document runs.
func TestPick(t *testing.T) {
	g := doGraph(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }, Options{})
	for _, c := range []struct{ query, name, want string }{
		{`{ __typename }`, "", ""},
		{`query A { __typename }`, "A", ""},
		{`query A { __typename } query B { __typename }`, "B", ""},
		{`query A { __typename } query B { __typename }`, "", codeOperation},
		{`query A { __typename }`, "B", codeOperation},
		{`{ __typename }`, "A", codeOperation},
	} {
		_, errs := g.Executor().CreateOperationContext(t.Context(), &graphql.RawParams{Query: c.query, OperationName: c.name})
		code := ""
		if len(errs) > 0 {
			code, _ = errs[0].Extensions["code"].(string)
		}
		if code != c.want {
			t.Errorf("%s, %q: %q, want %q", c.query, c.name, code, c.want)
		}
	}
}

// TestCancelledQuery: what waits for its turn does not call any more.
func TestCancelledQuery(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	g := doGraph(t, func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
		calls++
		cancel()
		<-ctx.Done()
		return rpc.ContextError(ctx)
	}, Options{MaxParallel: 1})
	r := responses(t, ctx, g, `mutation { a: step(input: {n: 1}) { n } b: step(input: {n: 1}) { n } }`, "")[0]
	if calls != 1 || len(r.Errors) != 2 || r.Errors[0].Extensions["code"] != "CANCELLED" {
		t.Errorf("%d calls, %v", calls, r.Errors)
	}
}

// TestDocumentCache: documents are kept up to the bound, the last used longest.
func TestDocumentCache(t *testing.T) {
	c := newLRU[*document](10 * costOf("0"))
	get := func(query string) *document {
		d, _ := c.get(query)
		return d
	}
	add := func(query string) { c.add(query, &document{}, costOf(query)) }
	for i := range 10 {
		add(fmt.Sprint(i))
	}
	if get("0") == nil {
		t.Fatal("the first document is gone")
	}
	add("a")
	if get("0") == nil || get("1") != nil || get("a") == nil {
		t.Error("not the document that was least used is gone")
	}
	add(strings.Repeat("x", 10*costOf("0")))
	if len(c.byKey) != 10 || c.recent.Len() != 10 || c.size != 10*costOf("0") {
		t.Errorf("%d documents of %d bytes", len(c.byKey), c.size)
	}
}

// TestPlansAreKept: one for each outcome of the conditions, up to a bound.
func TestPlansAreKept(t *testing.T) {
	g := doGraph(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send([]byte{8, 1}) }, Options{})
	query := `query(` + repeated("$v%d: Boolean = false ", 6) + `) { getIt { k: n ` + repeated("n%[1]d: n @include(if: $v%[1]d) ", 6) + `} }`
	for i := range 64 {
		var on []string
		want := `{"getIt":{"k":1`
		for bit := range 6 {
			if i>>bit&1 == 1 {
				on = append(on, fmt.Sprintf(`"v%d": true`, bit))
				want += fmt.Sprintf(`,"n%d":1`, bit)
			}
		}
		r := responses(t, t.Context(), g, query, `{`+strings.Join(on, ",")+`}`)[0]
		if string(r.Data) != want+`}}` {
			t.Fatalf("got %s, want %s", r.Data, want)
		}
	}
	if doc, _ := g.executor.documents.get(query); doc == nil || len(doc.plans) != maxPlans {
		t.Error("the plans are not kept up to the bound")
	}
}

// TestConcurrentUse runs the same documents at once, some of them for the first time.
func TestConcurrentUse(t *testing.T) {
	g := doGraph(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }, Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20 {
				query := fmt.Sprintf(`query($n: Int = 1) { a%d: getIt(n: $n) { ...F } } fragment F on It { n }`, i)
				want := fmt.Sprintf(`{"a%d":{"n":1}}`, i)
				if r := responses(t, t.Context(), g, query, "")[0]; string(r.Data) != want {
					t.Errorf("got %s, want %s", r.Data, want)
				}
			}
		})
	}
	wg.Wait()
}

// TestDigestField: where no method is a query, a field says which schema is served.
func TestDigestField(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"do.proto": `
syntax = "proto3";
package do.v1;
service Do { rpc Step(It) returns (It); }
message It { int32 n = 1; }
`})
	g, _ := New(snap, nil, Options{})
	r := responses(t, t.Context(), g, `{ served: `+DigestField+` __typename }`, "")[0]
	if want := fmt.Sprintf(`{"served":%q,"__typename":"Query"}`, snap.Digest); string(r.Data) != want || len(r.Errors) > 0 {
		t.Errorf("%s %v, want %s", r.Data, r.Errors, want)
	}
}
