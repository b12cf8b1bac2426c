package graph

import (
	"fmt"
	"strings"
	"testing"
)

// TestGuards refuses what is too much, and lets through what is just within.
func TestGuards(t *testing.T) {
	g, _ := inputGraph(t)
	nested := func(n int) string {
		return `{ getIt { inner { ` + strings.Repeat("list { ", n) + "n" + strings.Repeat(" }", n) + ` } } }`
	}
	for _, c := range []struct{ name, query, want string }{
		{"depth", nested(12), ""},
		{"too deep", nested(13), "nests deeper than 15"},
		{"too deep in fragments", `{ getIt { inner { ...A } } } fragment A on Inner { ` + strings.Repeat("list { ", 13) + "n" + strings.Repeat(" }", 13) + ` }`, "nests deeper"},
		{"aliases", `{ getIt { ` + repeated("a%d: int ", 250) + ` } }`, ""},
		{"too many aliases", `{ getIt { ` + repeated("a%d: int ", 251) + ` } }`, "more than 250 aliases"},
		{"too many calls", `{ ` + repeated("a%d: getIt { int } ", 51) + ` }`, "makes more than 50 calls"},
		{"too many directives", `{ getIt { int ` + strings.Repeat("@include(if: true) ", 251) + ` } }`, "more than 250 directives"},
		{"too many fragments", `{ getIt { int } } ` + repeated("fragment F%d on It { int } ", 31), "more than 30 fragments"},
		{"too many operations", repeated("query Q%d { getIt { int } } ", 11), "more than 10 operations"},
		{"too many variables", `query(` + repeated("$v%d: Int ", 251) + `) { getIt { int } }`, "more than 250 variables"},
		{"fragments that double", `{ getIt { inner { ...F0 } } } ` + doubling(29), "selects more than 10000 fields"},
		{"a fragment in itself", `{ getIt { ...F } } fragment F on It { ...F }`, "Cannot spread fragment"},
		{"no operation", `fragment F on It { int }`, "has no operation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := responses(t, t.Context(), g, c.query, "")[0]
			switch {
			case c.want == "" && len(r.Errors) > 0:
				t.Errorf("refused: %s", r.Errors[0].Message)
			case c.want != "" && (len(r.Errors) == 0 || !strings.Contains(r.Errors[0].Message, c.want)):
				t.Errorf("got %v, want %q", r.Errors, c.want)
			}
		})
	}
}

func repeated(format string, n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// doubling makes fragments of which each spreads the next twice.
func doubling(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "fragment F%d on Inner { ...F%d ... on Inner { ...F%d } } ", i, i+1, i+1)
	}
	fmt.Fprintf(&b, "fragment F%d on Inner { n }", n)
	return b.String()
}
