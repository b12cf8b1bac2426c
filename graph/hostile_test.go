package graph

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// hostileFamilies make documents whose size is n. They are small for those who send them, and
// expensive for servers that compare everything with everything, or repeat what
// they were told.
var hostileFamilies = map[string]func(n int) string{
	"one field":               func(n int) string { return `{ getIt { ` + strings.Repeat("int ", n) + ` } }` },
	"one object":              func(n int) string { return `{ getIt { ` + strings.Repeat("inner { n } ", n) + ` } }` },
	"objects in one object":   func(n int) string { return `{ getIt { ` + strings.Repeat("inner { list { list { n } } } ", n) + ` } }` },
	"type names":              func(n int) string { return `{ getIt { ` + strings.Repeat("__typename ", n) + ` } }` },
	"aliases":                 func(n int) string { return `{ getIt { ` + repeated("a%d: int ", n) + ` } }` },
	"aliases of a root field": func(n int) string { return `{ ` + repeated("a%d: getIt { int } ", n) + ` }` },
	"one root field":          func(n int) string { return `{ ` + strings.Repeat("getIt { int } ", n) + ` }` },
	"conflicting arguments":   func(n int) string { return `{ ` + repeated("a: getIt(int: %d) { int } ", n) + ` }` },
	"large equal arguments": func(n int) string {
		return `{ ` + strings.Repeat(`getIt(ints: [`+strings.Repeat("1 ", n/10)+`]) { int } `, 10) + ` }`
	},
	"depth": func(n int) string {
		return `{ getIt { inner { ` + strings.Repeat("list { ", n) + "n" + strings.Repeat(" }", n) + ` } } }`
	},
	"depth without an end":      func(n int) string { return strings.Repeat("{ a ", n) },
	"closing braces":            func(n int) string { return strings.Repeat("}", n) },
	"unknown fields":            func(n int) string { return `{ getIt { ` + repeated("field%d ", n) + ` } }` },
	"a long unknown field":      func(n int) string { return `{ getIt { ` + strings.Repeat("long", n) + ` } }` },
	"long unknown fields":       func(n int) string { return `{ getIt { ` + strings.Repeat(strings.Repeat("x", n)+" ", 10) + ` } }` },
	"unknown types":             func(n int) string { return `{ getIt { ` + repeated("... on Type%d { int } ", n) + ` } }` },
	"a long unknown type":       func(n int) string { return `{ getIt { ... on ` + strings.Repeat("Long", n) + ` { int } } }` },
	"unknown arguments":         func(n int) string { return `{ getIt(` + repeated("arg%d: 1 ", n) + `) { int } }` },
	"one argument":              func(n int) string { return `{ getIt(` + strings.Repeat("int: 1 ", n) + `) { int } }` },
	"a long list":               func(n int) string { return `{ getIt(ints: [` + strings.Repeat("1 ", n) + `]) { int } }` },
	"a long list of wrong ones": func(n int) string { return `{ getIt(ints: [` + strings.Repeat(`"a" `, n) + `]) { int } }` },
	"objects in a list":         func(n int) string { return `{ getIt(inners: [` + strings.Repeat("{ n: 1 } ", n) + `]) { int } }` },
	"fields of an object":       func(n int) string { return `{ getIt(inner: { ` + repeated("f%d: 1 ", n) + `}) { int } }` },
	"one field of an object":    func(n int) string { return `{ getIt(inner: { ` + strings.Repeat("n: 1 ", n) + `}) { int } }` },
	"deep lists": func(n int) string {
		return `{ getIt(json: ` + strings.Repeat("[", n) + strings.Repeat("]", n) + `) { int } }`
	},
	"deep objects": func(n int) string {
		return `{ getIt(json: ` + strings.Repeat("{a:", n) + "1" + strings.Repeat("}", n) + `) { int } }`
	},
	"spreads": func(n int) string {
		return `{ getIt { ` + strings.Repeat("...F ", n) + ` } } fragment F on It { int }`
	},
	"spreads of the unknown": func(n int) string { return `{ getIt { ` + repeated("...F%d ", n) + ` } }` },
	"fragments":              func(n int) string { return `{ getIt { int } } ` + repeated("fragment F%d on It { int } ", n) },
	"fragments of one name":  func(n int) string { return `{ getIt { int } } ` + strings.Repeat("fragment F on It { int } ", n) },
	"fragments that double":  func(n int) string { return `{ getIt { inner { ...F0 } } } ` + doubling(min(n, 29)) },
	"a chain of fragments": func(n int) string {
		return `{ getIt { inner { ...F0 } } } ` + chain(min(n, 29)) + strings.Repeat("# more\n", n)
	},
	"a ring of fragments": func(n int) string {
		n = min(n, 29)
		return `{ getIt { ...F0 } } ` + repeated("fragment F%d on It { int ...F%[1]d } ", n)
	},
	"fragments side by side": func(n int) string {
		n = min(n, 30)
		return `{ getIt { ` + repeated("...F%d ", n) + `} } ` + repeated("fragment F%d on It { inner { list { list { list { n } } } } } ", n)
	},
	"operations over one fragment": func(n int) string {
		return repeated("query Q%d { getIt { ...F } } ", min(n, 10)) + `fragment F on It { ` + strings.Repeat("inner { n } ", n) + `}`
	},
	"operations over one fragment with variables": func(n int) string {
		n = min(n, 240)
		operation := `query Q%d(` + strings.ReplaceAll(repeated("$v%d: Int ", n), "%", "%%") + `) { ...F } `
		return repeated(operation, 10) + `fragment F on Query { ` + repeated("a%d: getIt(int: $v%[1]d) { int } ", n) + `}`
	},
	"operations over all fragments": func(n int) string {
		inner := strings.Repeat("inner { n } ", min(n, 4500)/30)
		return repeated("query Q%d { getIt { "+repeated("...F%d ", 30)+"} } ", 10) + repeated("fragment F%d on It { "+inner+"} ", 30)
	},
	"a chain of fragments in each operation": func(n int) string {
		return repeated("query Q%d { getIt { inner { ...F0 } } } ", 10) + strings.ReplaceAll(chain(29), " n list ", " "+strings.Repeat("n ", min(n, 300))+"list ")
	},
	"a union's members": func(n int) string {
		return `{ getA { u { ` + strings.Repeat("... on C { y a { x } } ... on B { z a { y } } ", n/10) + `} } }`
	},
	"unions within unions": func(n int) string {
		return `{ getA { ...F0 } } ` + unions(6, strings.Repeat("x y ", min(n, 9000)/64))
	},
	"conflicts between a union's members": func(n int) string {
		return `{ getA { u { ` + strings.Repeat("... on C { a { x } } ", n/10) + strings.Repeat("... on B { a { x: y } } ", n/10) + `} } }`
	},
	"operations":            func(n int) string { return repeated("query Q%d { getIt { int } } ", n) },
	"operations of no name": func(n int) string { return strings.Repeat("{ getIt { int } } ", n) },
	"variables":             func(n int) string { return `query(` + repeated("$v%d: Int ", n) + `) { getIt { int } }` },
	"variables of one name": func(n int) string { return `query(` + strings.Repeat("$v: Int ", n) + `) { getIt(int: $v) { int } }` },
	"variables in a list": func(n int) string {
		return `query(` + repeated("$v%d: Int ", n) + `) { getIt(ints: [` + repeated("$v%d ", n) + `]) { int } }`
	},
	"undefined variables": func(n int) string { return `{ getIt(ints: [` + repeated("$v%d ", n) + `]) { int } }` },
	"a type of lists": func(n int) string {
		return `query($v: ` + strings.Repeat("[", n) + "Int" + strings.Repeat("]", n) + `) { getIt(ints: $v) { int } }`
	},
	"a large default": func(n int) string {
		return `query($v: [Int!] = [` + strings.Repeat("1 ", n) + `]) { getIt(ints: $v) { int } }`
	},
	"conditions": func(n int) string {
		n = min(n, 250)
		return `query(` + repeated("$v%d: Boolean = true ", n) + `) { getIt { ` + repeated("int @include(if: $v%d) ", n) + `} }`
	},
	"directives":         func(n int) string { return `{ getIt { int ` + strings.Repeat("@include(if: true) ", n) + ` } }` },
	"unknown directives": func(n int) string { return `{ getIt { int ` + repeated("@d%d ", n) + ` } }` },
	"inline fragments": func(n int) string {
		return `{ getIt { ` + strings.Repeat("... { ", n) + "int" + strings.Repeat(" }", n) + ` } }`
	},
	"inline fragments side by side": func(n int) string { return `{ getIt { ` + strings.Repeat("... on It { inner { n } } ", n) + ` } }` },
	"comments":                      func(n int) string { return strings.Repeat("#\n", n) + `{ getIt { int } }` },
	"commas":                        func(n int) string { return strings.Repeat(",\n", n) + `{ getIt { int } }` },
	"a string":                      func(n int) string { return `{ getIt(text: "` + strings.Repeat(`\u0041`, n) + `") { int } }` },
	"a block string":                func(n int) string { return `{ getIt(text: """` + strings.Repeat("  line\n", n) + `""") { int } }` },
	"a long wrong value":            func(n int) string { return `{ getIt(int: "` + strings.Repeat("x", 10*n) + `") { int } }` },
	"a long number":                 func(n int) string { return `{ getIt(long: ` + strings.Repeat("9", 10*n) + `) { int } }` },
	"types of types": func(n int) string {
		return `{ __schema { types { ` + strings.Repeat("ofType { ", n) + "name" + strings.Repeat(" }", n) + ` } } }`
	},
	"types again":    func(n int) string { return `{ ` + repeated("t%d: __schema { types { fields { name } } } ", n) + ` }` },
	"not a document": func(n int) string { return strings.Repeat("\xff\xfe", n) },
}

// chain makes fragments of which each spreads the next, and selects what the others do.
func chain(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on Inner { n list { n } ...F%d } ", i, i+1)
	}
	fmt.Fprintf(&b, "fragment F%d on Inner { n }", n)
	return b.String()
}

// unions makes fragments of which each leads to the next through each member of a union.
func unions(n int, leaves string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on A { %s u { ... on B { a { ...F%d } } ... on C { a { ...F%d } } } } ", i, leaves, i+1, i+1)
	}
	fmt.Fprintf(&b, "fragment F%d on A { %s } ", n, leaves)
	return b.String()
}

// hostileDocuments are all documents, by name.
func hostileDocuments(t *testing.T) map[string]string {
	t.Helper()
	documents := make(map[string]string)
	for name, family := range hostileFamilies {
		for _, n := range []int{20, 300, 2500, 7000, 300_000} {
			documents[fmt.Sprintf("%s %d", name, n)] = family(n)
		}
	}
	files, err := filepath.Glob("testdata/hostile/*.graphql")
	if err != nil || len(files) == 0 {
		t.Fatal("no documents", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents[filepath.Base(file)] = string(text)
	}
	if len(documents) < 200 {
		t.Fatalf("only %d documents", len(documents))
	}
	return documents
}

// Bounds of the work for one document. They are about ten times of what the
// document itself takes, and what is quadratic breaks them by orders of magnitude.
const (
	hostileAllocations = 400_000
	hostileBytes       = 64 << 20
	hostileTime        = 50 * time.Millisecond // of the processor; -hostile holds them to it
)

var hostile = flag.Bool("hostile", false, "hold hostile documents to their time too, the best of three")

// hostileCost is what one document cost.
type hostileCost struct {
	name                    string
	cpu                     time.Duration
	allocations, bytes      uint64
	size, calls, errorCount int
	refused                 bool
}

// TestHostileDocuments refuses each document without a call, or executes it within
// bounds. The work is counted in allocations, because time depends on the machine, and in time with
// -hostile; the slowest are printed.
func TestHostileDocuments(t *testing.T) {
	var calls atomic.Int64
	snap := rpctest.Compile(t, map[string]string{"in.proto": inputProto, "o.proto": overlapUnionProto})
	g, _ := New(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		calls.Add(1)
		return s.Send(nil)
	}, Options{})
	responses(t, t.Context(), g, `{ __schema { types { name } } getIt { int } }`, "") // what is made once is made
	var costs []hostileCost
	for name, document := range hostileDocuments(t) {
		calls.Store(0)
		cost := measure(func() *graphql.Response { return responses(t, t.Context(), g, document, "")[0] })
		cost.name, cost.size, cost.calls = name, len(document), int(calls.Load())
		cost.check(t, g.options)
		for again := 0; *hostile && again < 2 && cost.cpu > hostileTime; again++ {
			fresh, _ := New(snap, g.handler, Options{}) // that has not cached the document
			cost.cpu = min(cost.cpu, measure(func() *graphql.Response { return responses(t, t.Context(), fresh, document, "")[0] }).cpu)
		}
		if *hostile && cost.cpu > hostileTime {
			t.Errorf("%s: %v of the processor", name, cost.cpu)
		}
		costs = append(costs, cost)
	}
	slices.SortFunc(costs, func(a, b hostileCost) int { return int(b.cpu - a.cpu) })
	refused := 0
	for _, c := range costs {
		if c.refused {
			refused++
		}
	}
	t.Logf("%d documents, %d of them refused; the slowest:", len(costs), refused)
	for _, c := range costs[:10] {
		t.Logf("%8s CPU %8d allocations %6.1f MB, %6d bytes, %2d calls, refused %-5v %s", c.cpu.Round(10*time.Microsecond),
			c.allocations, float64(c.bytes)/(1<<20), c.size, c.calls, c.refused, c.name)
	}
}

// hostileRequests are bodies that cost more than they weigh once they are decoded. Some are refused for that.
func hostileRequests(n int) map[string]string {
	with := func(query, variables string) string { return `{"query":"` + query + `","variables":` + variables + `}` }
	const takesInts, takesObjects, takesJSON = `query($v: [Int!]) { getIt(ints: $v) { int } }`,
		`query($v: [InnerInput!]) { getIt(inners: $v) { int } }`, `query($v: JSON) { getIt(json: $v) { int } }`
	return map[string]string{
		"numbers":                    with(takesInts, `{"v":[`+strings.Repeat("1,", n)+`1]}`),
		"wrong numbers":              with(takesInts, `{"v":[`+strings.Repeat(`"",`, n)+`1]}`),
		"objects":                    with(takesObjects, `{"v":[`+strings.Repeat("{},", n)+`{}]}`),
		"objects in lists":           with(takesObjects, `{"v":[`+strings.Repeat(`{"list":[{"n":1}]},`, n/4)+`{}]}`),
		"lists":                      with(takesJSON, `{"v":[`+strings.Repeat("[],", n)+`[]]}`),
		"lists in lists":             with(takesJSON, `{"v":`+strings.Repeat("[", min(n, 9000))+strings.Repeat("]", min(n, 9000))+`}`),
		"members":                    with(takesJSON, `{"v":{`+repeated(`"%d":1,`, n)+`"a":1}}`),
		"members of the request":     `{"query":"{ getIt { int } }","variables":{"v":1},` + repeated(`"%d":1,`, n) + `"a":1}`,
		"names that are repeated":    with(takesJSON, `{"v":{`+repeated(`"%d":1,`, n/2)+repeated(`"%d":1,`, n/2)+`"a":"`+strings.Repeat("<", n)+`"}}`),
		"objects of many names":      with(takesJSON, `{"v":[`+strings.Repeat(`{`+repeated(`"%d":1,`, 23)+`"a":1},`, n/25)+`{}]}`),
		"variables that are unknown": with(`{ getIt { int } }`, `{`+repeated(`"v%d":1,`, n)+`"a":1}`),
		"a text":                     with(takesJSON, `{"v":"`+strings.Repeat("[{,", n)+`"}`),
	}
}

// TestHostileRequests bounds what the JSON of a request comes to.
func TestHostileRequests(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"in.proto": inputProto})
	g, _ := New(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(nil) }, Options{})
	for _, n := range []int{1000, maxValues - 10, maxValues, 4 * maxValues} {
		for name, body := range hostileRequests(n) {
			var answer *httptest.ResponseRecorder
			cost := measure(func() *graphql.Response {
				answer = httptest.NewRecorder()
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/graphql", strings.NewReader(body))
				r.Header.Set("Content-Type", "application/json")
				g.ServeHTTP(answer, r)
				return &graphql.Response{}
			})
			refused := strings.Contains(answer.Body.String(), errTooManyValues.Error())
			if want := n >= maxValues && !strings.HasPrefix(name, "a text") && !strings.HasPrefix(name, "lists in"); refused != want {
				t.Errorf("%s %d: refused %v", name, n, refused)
			}
			if cost.bytes > 32<<20 || *hostile && cost.cpu > 2*hostileTime {
				t.Errorf("%s %d: %.1f MB, %v of the processor for %d bytes", name, n, float64(cost.bytes)/(1<<20), cost.cpu, len(body))
			}
		}
	}
}

func measure(f func() *graphql.Response) hostileCost {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := processorTime()
	response := f()
	cpu := processorTime() - begin
	runtime.ReadMemStats(&after)
	return hostileCost{
		cpu:         cpu,
		allocations: after.Mallocs - before.Mallocs,
		bytes:       after.TotalAlloc - before.TotalAlloc,
		errorCount:  len(response.Errors),
		refused:     response.Data == nil,
	}
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (c hostileCost) check(t *testing.T, o Options) {
	t.Helper()
	switch {
	case c.refused && c.calls > 0:
		t.Errorf("%s: refused after %d calls", c.name, c.calls)
	case c.calls > o.MaxCalls:
		t.Errorf("%s: %d calls", c.name, c.calls)
	case c.errorCount > maxFieldErrors+o.MaxCalls:
		t.Errorf("%s: %d errors", c.name, c.errorCount)
	case c.allocations > hostileAllocations || c.bytes > poolLoss*hostileBytes:
		t.Errorf("%s: %d allocations of %d bytes", c.name, c.allocations, c.bytes)
	}
}
