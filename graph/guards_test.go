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

// TestHostileDocuments takes documents that are small, and expensive for those who
// compare everything with everything. A test that ran into such a cost would not end.
func TestHostileDocuments(t *testing.T) {
	g, _ := inputGraph(t)
	fill := func(unit string) string { return strings.Repeat(unit, 16<<10/len(unit)) }
	for name, query := range map[string]string{
		"one field":         `{ getIt { ` + fill("int ") + ` } }`,
		"one object":        `{ getIt { ` + fill("inner{n}") + ` } }`,
		"unknown fields":    `{ getIt { ` + repeated("field%d ", 1500) + ` } }`,
		"unknown arguments": `{ getIt(` + repeated("arg%d: 1 ", 1200) + `) { int } }`,
		"same argument":     `{ getIt(` + fill("int: 1 ") + `) { int } }`,
		"a long list":       `{ getIt(ints: [` + fill("1 ") + `]) { int } }`,
		"objects in lists":  `{ getIt(inners: [` + fill("{n:1}") + `]) { int } }`,
		"deep values":       `{ getIt(json: ` + strings.Repeat("[", 8000) + strings.Repeat("]", 8000) + `) { int } }`,
		"deep selections":   strings.Repeat("{a", 5000) + strings.Repeat("}", 5000),
		"spreads":           `{ getIt { ` + fill("...F ") + ` } } fragment F on It { int }`,
		"inline fragments":  `{ getIt { ` + strings.Repeat("...{", 900) + "int" + strings.Repeat("}", 900) + ` } }`,
		"comments":          fill("#\n") + `{ getIt { int } }`,
		"a string":          `{ getIt(text: "` + fill(`\u0041`) + `") { int } }`,
		"types of types":    `{ __schema { types { ` + strings.Repeat("ofType { ", 900) + "name" + strings.Repeat("}", 900) + ` } } }`,
		"lists of lists":    `{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }`,
	} {
		t.Run(name, func(t *testing.T) {
			r := responses(t, t.Context(), g, query, "")[0]
			if len(r.Errors) > maxErrors {
				t.Errorf("%d errors", len(r.Errors))
			}
		})
	}
}
