package graph

import (
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"
)

// TestCheckTokens has documents that gqlparser reads, and the place of what the specification does not accept, or 0.
func TestCheckTokens(t *testing.T) {
	tests := []struct {
		name, document string
		line, column   int
	}{
		{"a name behind an integer", `{f(a:1b:2)}`, 1, 7},
		{"a name behind zero", `{f(a:0x:1)}`, 1, 7},
		{"a name behind a negative integer", `{f(a:-12_b:2)}`, 1, 9},
		{"a name behind a fraction", `{f(a:1.5b:2)}`, 1, 9},
		{"a name behind an exponent", `{f(a:1.5e+3b:2)}`, 1, 12},
		{"an exponent behind an exponent", `{f(a:1e2e3:2)}`, 1, 9},
		{"behind a line break and a wide character", "{f(s:\"\u00e9\"\r\na:1b:2)}", 2, 4},
		{"a wide character on the line", "{f(s:\"\u00e9\" a:1b:2)}", 1, 13},
		{"a number and a name", `{f(a:1 b:2)}`, 0, 0},
		{"numbers and commas", `{f(a:1,b:-2.5e-3,c:1E+9)}`, 0, 0},
		{"a list of numbers", `{f(a:[1,2 3])}`, 0, 0},
		{"digits within names", `{f1a(a1b2:c3d)}`, 0, 0},
		{"a number in a comment", "{f #1a \n}", 0, 0},
		{"a number in a string", `{f(s:"1a #")}`, 0, 0},
		{"a number in a block string", `{f(s:"""1a "quoted" \""" 1b""")}`, 0, 0},
		{"a block string that ends with quotes", `{f(s:"""1a""""" a:1b:2)}`, 1, 20},
		{"an empty block string", `{f(s:"""""" a:1b:2)}`, 1, 16},
		{"an empty string", `{f(s:"" a:1b:2)}`, 1, 12},

		{"a leading surrogate", `{f(s:"\uD83D")}`, 1, 7},
		{"a trailing surrogate", `{f(s:"a\uDE00")}`, 1, 8},
		{"surrogates in the wrong order", `{f(s:"\uDE00\uD83D")}`, 1, 7},
		{"two leading surrogates", `{f(s:"\uD83D\uD83D\uDE00")}`, 1, 7},
		{"a leading surrogate and a character", `{f(s:"\uD83Dx")}`, 1, 7},
		{"a leading surrogate and another escape", `{f(s:"\uD83D\n")}`, 1, 7},
		{"a pair of surrogates", `{f(s:"\uD83D\uDE00")}`, 0, 0},
		{"a pair and a leading surrogate", `{f(s:"\uD83D\uDE00\ud83d")}`, 1, 19},
		{"an escaped backslash", `{f(s:"\\uD83D")}`, 0, 0},
		{"an escaped quote", `{f(s:"\"\u0041" t:"\uD83D")}`, 1, 20},
		{"a surrogate in a block string, which has no such escapes", `{f(s:"""\uD83D""")}`, 0, 0},
		{"a surrogate in a comment", "{f #\"\\uD83D\"\n}", 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := parser.ParseQuery(&ast.Source{Input: test.document}); err != nil {
				t.Fatalf("gqlparser: %v", err)
			}
			switch err := checkTokens(test.document); {
			case err == nil && test.line == 0:
			case err == nil:
				t.Error("no error")
			case test.line == 0:
				t.Error(err)
			case err.Locations[0].Line != test.line || err.Locations[0].Column != test.column:
				t.Errorf("%v at %v, want %d:%d", err, err.Locations, test.line, test.column)
			}
		})
	}
}
