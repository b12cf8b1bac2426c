package resilience

import (
	"context"
	"flag"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var hostile = flag.Bool("hostile", false, "hold hostile rules and requests to their time too, the best of three")

// Bounds of what a rule may cost when it is compiled, and of what a request may when it is checked: ten times the
// largest request, and for lists that grew on the way as much again, and half.
const (
	hostileBytes = 25 * schema.DefaultRequestBytes
	hostileTime  = 100 * time.Millisecond // -hostile holds them to it
)

// hostileRules are expressions about the message Order below that cost much more than they weigh, or look as if they did.
func hostileRules() map[string]string {
	repeat := strings.Repeat
	nested := func(open, inside, end string, n int) string { return repeat(open, n) + inside + repeat(end, n) }
	rules := map[string]string{
		"a text that doubles":                 "['x']" + repeat(".map(a, a + a)", 50) + ".all(a, a != '')",
		"bytes that double":                   "[b'x']" + repeat(".map(a, a + a)", 50) + ".all(a, a != b'')",
		"a list that doubles":                 "[[1]]" + repeat(".map(a, a + a)", 50) + ".all(a, a.size() > 0)",
		"a list that doubles and is compared": "[[1]]" + repeat(".map(a, a + a)", 50) + " == [[1]]" + repeat(".map(a, a + a)", 50),
		"lists of themselves":                 "[dyn(1)]" + repeat(".map(a, dyn([a, a]))", 50) + " == [dyn(2)]",
		"maps of themselves":                  "[dyn(1)]" + repeat(".map(a, dyn({'x': a, 'y': a}))", 50) + " == [dyn(2)]",
		"the request, doubled":                "[this.text]" + repeat(".map(a, a + a)", 12) + ".all(a, a != '')",
		"nested doubling":                     nested("['x'].map(a, a + ", "'x'", ")[0]", 12) + " != ''",
		"doubling in conditions":              "['x']" + repeat(".map(a, a != '' ? a + a : a)", 50) + ".all(a, a != '')",
		"doubling in filters":                 "['x']" + repeat(".map(a, a != '', a + a)", 50) + ".filter(a, a != '').size() > 0",
		"replacing by more":                   "'xxxxxxxxxx'" + repeat(".replace('x', 'xxxxxxxxxx')", 12) + " != ''",
		"replacing nothing":                   "'xxxxxxxxxx'" + repeat(".replace('', 'xx')", 40) + " != ''",
		"replacing by the request":            "this.text.replace('', this.text) != ''",
		"joining with the request":            "this.names.join(this.text) != ''",
		"joining what was joined":             "[[this.names.join(this.text)].map(a, [a, a, a].join(a)).join('')].map(a, [a, a, a].join(a)).join('') != ''",
		"the request to each name":            "this.names.map(n, this.text + n).all(n, n != '')",
		"the request for each number":         "this.numbers.map(n, this.text).join('') != ''",
		"formats of formats":                  "['x']" + repeat(".map(a, '%s%s%s%s'.format([a, a, a, a]))", 30) + ".all(a, a != '')",
		"formats of the request":              "'%s%s%s%s%s%s%s%s'.format([this, this, this, this, this, this, this, this]) != ''",
		"numbers with decimals":               "this.numbers.map(n, '%.100f%.100f%.100f'.format([1.0, 1.0, 1.0])).join('') != ''",
		"quotes of quotes":                    nested("strings.quote(", "'\\\\\"'", ")", 30) + " != ''",
		"quotes of the request":               nested("strings.quote(", "this.text", ")", 6) + " != ''",
		"splitting":                           "this.text.split('').all(a, this.text.split('').exists(b, a == b))",
		"splitting into lists":                "this.text.split('').map(a, this.text.split('')).size() > 0",
		"a chain of additions":                "this.text" + repeat(" + this.text", 700) + " != ''",
		"searching for the request":           "this.text.indexOf(this.text + 'b') < 0 && this.text.lastIndexOf(this.text.substring(2) + 'b') < 0",
		"searching in all for each":           "this.names.all(n, !this.text.contains(n + 'y'))",
		"copies for each":                     "this.numbers.all(n, this.text.reverse().lowerAscii() != '')",
		"charAt for each":                     "this.text.split('').all(c, this.text.charAt(0) != '')",
		"a pattern of many states":            "!this.text.matches('(x?){500}x{500}y')",
		"a nested pattern":                    "!this.text.matches('((x{1,30}){1,30})y')",
		"patterns of the request":             "!this.text.matches(this.text)",
		"patterns of names":                   "this.names.all(n, !this.text.matches(n))",
		"made patterns":                       "!this.text.matches('(' + this.text + '){1000}')",
		"loops over a constant":               nested("[0,1,2,3,4,5,6,7,8,9].all(a, ", "true", ")", 6),
		"a very long chain":                   "['x']" + repeat(".map(a, a + a)", 400) + ".all(a, a != '')",
		"very deep loops":                     nested("[0,1].all(a, ", "true", ")", 60),
		"loops over what loops made":          "[0,1,2,3,4,5,6,7,8,9]" + repeat(".map(a, [0,1,2,3,4,5,6,7,8,9]).map(a, a.map(b, b)[0])", 5) + ".size() > 0",
		"pairs":                               "this.books.all(a, this.books.all(b, a == b || true))",
		"triples":                             "this.numbers.all(a, this.numbers.all(b, this.numbers.all(c, a + b + c > 0 || true)))",
		"pairs of names":                      "this.names.all(a, this.names.all(b, a + b != ''))",
		"pairs of long names":                 "this.names.all(a, this.names.all(b, a <= b || b <= a))",
		"sums in sums":                        "this.numbers.map(a, this.numbers.filter(b, b > a).size()).all(a, a >= 0)",
		"in for each":                         "this.numbers.all(n, n + 1 in this.numbers || true)",
		"messages in messages":                "this.books.all(b, b in this.books)",
		"unique for each":                     "this.numbers.all(n, this.numbers.unique() || true)",
		"maps":                                "this.pairs.all(k, this.pairs.all(l, this.pairs[k] + this.pairs[l] != '' || true))",
		"equality of requests":                "this.numbers.all(n, this == this)",
		"time zones":                          "this.numbers.all(n, now.getHours('Europe/Berlin') >= 0)",
		"children":                            "this.child.text.size() + this.child.child.text.size() >= 0 && this.child.books.all(a, this.child.books.all(b, a == b || true))",
		"eight fields":                        "this.text + this.data2 + this.a + this.b + this.c + this.d + this.e + this.f != 'x' && this.f.matches(this.e)",
		"a text that is said to clients":      "this.text + this.text",
		"not":                                 repeat("!", 4000) + "true",
		"parentheses":                         nested("(", "true", ")", 3000),
		"negative":                            repeat("- ", 3000) + "1 < 0",
		"conditions":                          repeat("true ? ", 1000) + "true" + repeat(" : false", 1000),
		"conditions in conditions":            nested("(true ? ", "true", " : false)", 100),
		"and":                                 "true" + repeat(" && true", 900),
		"lists in lists":                      nested("[", "1", "]", 200) + " != []",
		"maps in maps":                        nested("{1: ", "1", "}", 200) + " != {}",
		"a long text":                         "this.text != '" + repeat("x", 20000) + "'",
		"a long list":                         "this.a in ['x'" + repeat(", 'x'", 1500) + "]",
		"has":                                 repeat("has(this.child.child.child.child) || ", 200) + "true",
		"existsOne":                           "this.numbers.existsOne(a, this.numbers.existsOne(b, a == b))",
		"conversions":                         "this.names.all(n, bytes(this.text) != b'' && string(bytes(this.text)) != n + '!')",
		"addresses":                           "this.names.all(n, this.text.isEmail() || this.text.isUri() || this.text.isHostname() || true)",
		"durations":                           "this.names.all(n, duration(this.text + n) > duration('1s'))",
	}
	return rules
}

const order = `
edition = "2023";
package p;
import "buf/validate/validate.proto";
message Order {
  option (buf.validate.message).cel = { id: "the.rule" message: "m" expression: %s };
  string text = 1; repeated string names = 2; repeated int32 numbers = 3; repeated Book books = 4; map<string, string> pairs = 5; Order child = 6;
  string a = 7; string b = 8; string c = 9; string d = 10; string e = 11; string f = 12; string data2 = 13;
}
message Book { int32 id = 1; repeated int32 pages = 2; string title = 3; }
message Empty {}
service S { rpc Do(Order) returns (Empty); }
`

// hostileRequests are requests of nearly the largest size, and some that are just small enough for loops in loops.
func hostileRequests() map[string][]byte {
	const most = schema.DefaultRequestBytes - 64
	text := func(field protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s)
	}
	many := func(n int, one func(i int) []byte) (all []byte) {
		for i := range n {
			all = append(all, one(i)...)
		}
		return all
	}
	name := func(i int) []byte { return text(2, "name"+strconv.Itoa(i)) }
	book := func(i int) []byte { return text(4, string(text(3, "title"+strconv.Itoa(i)))) }
	pair := func(i int) []byte { return text(5, string(text(1, strconv.Itoa(i)))+string(text(2, "x"))) }
	requests := map[string][]byte{
		"nothing":          nil,
		"a long text":      text(1, strings.Repeat("x", most)),
		"a text":           text(1, strings.Repeat("x", 30_000)),
		"numbers":          text(3, strings.Repeat("\x01", most)),
		"some numbers":     text(3, strings.Repeat("\x01", 400)),
		"names":            many(most/14, name),
		"a long name":      slices.Concat(text(2, strings.Repeat("x", most/2)), text(2, strings.Repeat("x", most/2-16))),
		"some names":       many(300, name),
		"empty names":      many(most/2, func(int) []byte { return text(2, "") }),
		"books":            many(most/17, book),
		"empty books":      many(most/2, func(int) []byte { return text(4, "") }),
		"some books":       many(300, book),
		"pairs":            many(most/16, pair),
		"some pairs":       many(300, pair),
		"a text and so on": slices.Concat(text(1, strings.Repeat("x", 20_000)), text(3, strings.Repeat("\x01", 200)), many(200, name)),
	}
	child := many(300, book)
	for range 20 {
		child = text(6, string(child))
	}
	requests["children"] = child
	return requests
}

// quickRequests are those without which nothing would be seen; the others come with -hostile.
var quickRequests = []string{"nothing", "a text", "some numbers", "some names", "some books", "empty books"}

// TestHostileRules compiles rules that anybody may have written, and checks requests by them that anybody may send.
// Each is refused, or takes no more than its time and its memory.
func TestHostileRules(t *testing.T) {
	requests := hostileRequests()
	maps.DeleteFunc(requests, func(name string, _ []byte) bool { return !*hostile && !slices.Contains(quickRequests, name) })
	refused, slowest := 0, make(map[string]hostileUse)
	for _, name := range slices.Sorted(maps.Keys(hostileRules())) {
		rule := hostileRules()[name]
		snap := rpctest.CompileWith(t, validateEnabled, map[string]string{"a.proto": fmt.Sprintf(order, strconv.Quote(rule))})
		var v *Validation
		var problems []schema.Problem
		use := measured(func() { v, problems = CompileValidation(snap) })
		use.check(t, name+" is compiled")
		slowest[name+" is compiled"] = use
		if len(problems) > 0 {
			refused++
			if text := problems[0].String(); !strings.Contains(text, "p.S.Do") || len(text) > 2000 {
				t.Errorf("%s: %d bytes %s", name, len(text), text)
			}
		}
		h := v.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
		m := rpctest.Method(t, snap, "/p.S/Do")
		for what, request := range requests {
			var err error
			use := measured(func() { err = h(t.Context(), &rpc.Call{Method: m, Request: request}, discard{}) })
			use.check(t, name+" of "+what)
			slowest[name+" of "+what] = use
			switch code := status.Code(err); {
			case len(problems) > 0 && code != codes.Internal:
				t.Errorf("%s of %s: %v, though the rule is refused", name, what, err)
			case code != codes.OK && code != codes.Internal && code != codes.ResourceExhausted && code != codes.InvalidArgument:
				t.Errorf("%s of %s: %v", name, what, err)
			}
		}
	}
	largest := slices.MaxFunc(slices.Collect(maps.Values(slowest)), func(a, b hostileUse) int { return int(a.bytes) - int(b.bytes) })
	names := slices.SortedFunc(maps.Keys(slowest), func(a, b string) int { return int(slowest[b].took - slowest[a].took) })
	t.Logf("%d rules, %d of them refused, on %d requests each; at most %.1f MB; the slowest:",
		len(hostileRules()), refused, len(requests), float64(largest.bytes)/(1<<20))
	for _, name := range names[:10] {
		t.Logf("%8s %5.1f MB %s", slowest[name].took.Round(10*time.Microsecond), float64(slowest[name].bytes)/(1<<20), name)
	}
}

type hostileUse struct {
	took  time.Duration
	bytes uint64
}

// measured is what something takes: the best of three with -hostile.
func measured(do func()) (use hostileUse) {
	use.took = time.Hour
	times := 1
	if *hostile {
		times = 3
	}
	for range times {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := processorTime()
		do()
		use.took = min(use.took, processorTime()-start)
		runtime.ReadMemStats(&after)
		use.bytes = after.TotalAlloc - before.TotalAlloc
	}
	return use
}

// processorTime is what this process has used.
func processorTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (u hostileUse) check(t *testing.T, name string) {
	t.Helper()
	if u.bytes > hostileBytes {
		t.Errorf("%s: %.1f MB", name, float64(u.bytes)/(1<<20))
	}
	if *hostile && u.took > hostileTime {
		t.Errorf("%s: %v", name, u.took)
	}
}

const usualRules = `
edition = "2023";
package p;
import "buf/validate/validate.proto";
extend buf.validate.StringRules {
  bool doubled = 1001 [(buf.validate.predefined).cel = { id: "doubled" message: "m" expression: "['x']%s.all(a, a != '')" }];
  bool usual = 1002 [(buf.validate.predefined).cel = { id: "usual" message: "m" expression: "!rule || this != 'x'" }];
}
message Numbers { repeated int32 positive = 1 [(buf.validate.field).repeated.items.int32.gt = 0]; }
message Names { map<string, string> names = 1 [(buf.validate.field).map.values.string.min_len = 1]; }
message Says { string text = 1 [(buf.validate.field).cel = { id: "says" expression: "this + this" }]; }
message Doubled { string text = 1 [(buf.validate.field).string.(doubled) = true]; }
message Usual { repeated string texts = 1 [(buf.validate.field).repeated.items.string.(usual) = true]; }
message Default { string text = 1 [default = "%s", (buf.validate.field).cel = { id: "d" expression: "this.matches('(x?){500}x{500}y') ? '' : ''" }]; }
message Empty {}
service S {
  rpc CheckNumbers(Numbers) returns (Empty);
  rpc CheckNames(Names) returns (Empty);
  rpc Say(Says) returns (Empty);
  rpc CheckDoubled(Doubled) returns (Empty);
  rpc CheckUsual(Usual) returns (Empty);
  rpc CheckDefault(Default) returns (Empty);
}
`

// TestHostileRequestsOfUsualRules breaks usual rules a million times in a request, or with a megabyte of text. What clients
// are told of it is short.
func TestHostileRequestsOfUsualRules(t *testing.T) {
	sources := map[string]string{"a.proto": fmt.Sprintf(usualRules, strings.Repeat(".map(a, a + a)", 50), strings.Repeat("x", 50_000))}
	snap := rpctest.CompileWith(t, validateEnabled, sources)
	v, problems := CompileValidation(snap)
	if len(problems) != 2 || !strings.Contains(problems[0].String(), `p.Doubled.text: the rule "doubled": it costs too much`) ||
		!strings.Contains(problems[1].String(), `p.Default.text: the rule "d": it costs too much`) {
		t.Errorf("problems %v", problems)
	}
	long := strings.Repeat("k", 1<<20)
	for _, test := range []struct {
		method, request string
		code            codes.Code
		field           string
	}{
		{"CheckNumbers", `{"positive":[` + strings.Repeat("0,", 600_000) + `0]}`, codes.InvalidArgument, "positive[0]"},
		{"CheckNames", `{"names":{"` + long + `":""}}`, codes.InvalidArgument, "names"},
		{"Say", `{"text":"` + long + `"}`, codes.InvalidArgument, "text"},
		{"CheckDoubled", `{"text":"x"}`, codes.Internal, ""},
		{"CheckUsual", `{"texts":["a","x"]}`, codes.InvalidArgument, "texts[1]"},
		{"CheckUsual", `{"texts":["a","b"]}`, codes.OK, ""},
		{"CheckDefault", `{}`, codes.Internal, ""},
	} {
		m := rpctest.Method(t, snap, "/p.S/"+test.method)
		request := rpctest.Message(t, m.Input.Descriptor(), test.request)
		h := v.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
		var err error
		measured(func() { err = h(t.Context(), &rpc.Call{Method: m, Request: request}, discard{}) }).check(t, test.method)
		if status.Code(err) != test.code {
			t.Errorf("%s: %.300v", test.method, err)
			continue
		}
		said := status.Convert(err)
		if len(said.Message()) > 4<<10 {
			t.Errorf("%s: %d bytes of text", test.method, len(said.Message()))
		}
		for _, d := range said.Details() {
			found := d.(*errdetails.BadRequest).GetFieldViolations()
			if len(found) != 1 || found[0].GetField() != test.field || len(found[0].GetDescription()) > 2<<10 {
				t.Errorf("%s: %d violations, %.300v", test.method, len(found), found)
			}
		}
	}
}
