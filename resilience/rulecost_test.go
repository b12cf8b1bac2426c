package resilience

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestRuleCost says how the steps of an expression grow with what it is about: with which power of it.
func TestRuleCost(t *testing.T) {
	for text, want := range map[string]int{
		"this.a < 1":                                                 0,
		"this.name == 'x'":                                           0,
		"this.name.matches('^a+$')":                                  1,
		"this.names.all(n, n.matches('^a+$'))":                       1,
		"this.names.unique()":                                        1,
		"this.books.all(b, b.pages.all(p, p > 0))":                   1,
		"this.books.all(b, b.pages.filter(p, p > 1).all(p, p > 2))":  1,
		"this.books.all(b, b.id in ['a', 'b'])":                      1,
		"this.text.split(',').all(x, x != '')":                       1,
		"this.names.map(n, n.lowerAscii() + '!').unique()":           1,
		"this.names.join(',').size() < 100":                          1,
		"this.text.replace('a', 'bb') != ''":                         1,
		"['a', 'b'].all(p, this.name.contains(p))":                   1,
		"this.books.all(a, this.books.exists_one(b, a.id == b.id))":  2,
		"this.books.all(b, b.shelf in this.shelves)":                 2,
		"this.books.all(b, this.text.contains(b.title))":             2,
		"this.books.map(b, b.id).all(i, this.books.all(b, i > b.n))": 2,
		"this.names.join(this.text) != ''":                           2,
		"this.text.matches(this.pattern)":                            2,
		"this.text.indexOf(this.part) < 0":                           2,
		"this.text.replace(this.part, this.other) != ''":             2,
		"this.all(a, this.all(b, this.all(c, a.id + b.id > c.id)))":  3,
		"not an expression":                                          0,
	} {
		if got, err := costOfText(text, ruleInputs{}); err != nil || got.steps.degree() != want {
			t.Errorf("%s: %d, %v, want %d", text, got.steps.degree(), err, want)
		}
	}
}

const costlyService = `
edition = "2023";
package p;
import "buf/validate/validate.proto";
message Pairs {
  option (buf.validate.message).cel = { id: "pairs" message: "no two alike" expression: "this.books.all(a, this.books.exists_one(b, a.id == b.id))" };
  repeated Book books = 1;
  map<string, Book> others = 2;
}
message Book { int32 id = 1; repeated int32 pages = 2; }
message Flat { repeated Book books = 1 [(buf.validate.field).cel = { id: "flat" message: "positive" expression: "this.all(b, b.id >= 0)" }]; }
message Endless { option (buf.validate.message).cel_expression = "[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, [0,1,2,3,4,5,6,7,8,9].all(d, [0,1,2,3,4,5,6,7,8,9].all(e, [0,1,2,3,4,5,6,7,8,9].all(f, true))))))"; }
message Empty {}
service S {
  rpc Squares(Pairs) returns (Empty);
  rpc Lines(Flat) returns (Empty);
  rpc Long(Endless) returns (Empty);
}
`

// TestCostlyRequests checks requests with many elements: where the rules take the square of them, too many are refused.
func TestCostlyRequests(t *testing.T) {
	snap := rpctest.CompileWith(t, validateEnabled, map[string]string{"a.proto": costlyService})
	v, problems := CompileValidation(snap)
	if len(problems) != 1 || problems[0].Element != "p.S.Long" {
		t.Errorf("problems %v", problems)
	}
	h := v.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
	books := func(n int) string {
		ids := make([]string, n)
		for i := range ids {
			ids[i] = fmt.Sprintf(`{"id":%d}`, i)
		}
		return `"books":[` + strings.Join(ids, ",") + `]`
	}
	call := func(ctx context.Context, method, request string) error {
		m := rpctest.Method(t, snap, "/p.S/"+method)
		return h(ctx, &rpc.Call{Method: m, Request: rpctest.Message(t, m.Input.Descriptor(), request)}, discard{})
	}
	for _, test := range []struct {
		name, method, request string
		code                  codes.Code
	}{
		{"few", "Squares", "{" + books(300) + "}", codes.OK},
		{"not valid", "Squares", `{"books":[{},{}]}`, codes.InvalidArgument},
		{"many", "Squares", "{" + books(600) + "}", codes.ResourceExhausted},
		{"many in one loop", "Lines", "{" + books(20_000) + "}", codes.OK},
		{"a loop that is always long", "Long", "{}", codes.Internal},
	} {
		if err := call(t.Context(), test.method, test.request); status.Code(err) != test.code {
			t.Errorf("%s: %v, want %v", test.name, err, test.code)
		}
	}
	over, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	if err := call(over, "Lines", "{"+books(20_000)+"}"); status.Code(err) != codes.Canceled {
		t.Errorf("after the call: %v", err)
	}
}
