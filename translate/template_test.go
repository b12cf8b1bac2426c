package translate

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseTemplate(t *testing.T) {
	tests := []struct{ text, want string }{
		{"/", "/"},
		{"/v1/books", "/v1/books"},
		{"/v1/*/books/**", "/v1/*/books/**"},
		{"/v1/{name}", "/v1/* name[1:2]"},
		{"/v1/{name=shelves/*/books/**}", "/v1/shelves/*/books/** name[1:5]+"},
		{"/v1/{a.b_c=x}/{d=**}:go", "/v1/x/**:go a.b_c[1:2] d[2:3]+"},
		{"/v1/{a=**}/tail/end", "/v1/**/tail/end a[1:2]+"},
		{"/v1/{a=x/*}:cancel:now", "/v1/x/*:cancel:now a[1:3]+"},
		{"/v1/*:a:b", "/v1/*:a:b"},
		{"/v1/a:b/c", "/v1/a:b/c"},
		{"/v1/a:b:c", "/v1/a:b:c"},
		{"/v1/a%20b:c%2Fd", "/v1/a b:c/d"},
		{"/v1/=x", "/v1/=x"},
	}
	for _, test := range tests {
		got, err := parseTemplate(test.text)
		if err != nil || shown(got) != test.want {
			t.Errorf("%s: got %v (%v), want %s", test.text, got, err, test.want)
		}
	}
	literalWithColon, err := parseTemplate("/v1/a:b:c")
	if err != nil || literalWithColon.segments[1].text != "a:b" || literalWithColon.verb != "c" {
		t.Errorf("/v1/a:b:c: got %+v (%v)", literalWithColon, err)
	}
}

func shown(t *template) string {
	var b strings.Builder
	for _, s := range t.segments {
		b.WriteString("/" + [...]string{s.text, "*", "**"}[s.kind])
	}
	if b.Len() == 0 {
		b.WriteString("/")
	}
	if t.verb != "" {
		b.WriteString(":" + t.verb)
	}
	for _, v := range t.variables {
		fmt.Fprintf(&b, " %s[%d:%d]", v.field, v.from, v.to)
		if v.multi {
			b.WriteString("+")
		}
	}
	return b.String()
}

func TestBadTemplates(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", "column 1: a path template starts with /"},
		{"v1", "column 1: a path template starts with /"},
		{"/v1/", "column 5: a path segment expected"},
		{"/v1//x", "column 5: a path segment expected"},
		{"/v1/{", "column 6: a field name expected"},
		{"/v1/{}", "column 6: a field name expected"},
		{"/v1/{1a}", "column 6: a field name expected"},
		{"/v1/{a.}", "column 8: a field name expected"},
		{"/v1/{a", "column 7: } expected to end the variable a"},
		{"/v1/{a=", "column 8: a path segment expected"},
		{"/v1/{a=}", "column 8: a path segment expected"},
		{"/v1/{a=b/}", "column 10: a path segment expected"},
		{"/v1/{a={b}}", "column 8: a variable cannot contain another"},
		{"/v1/{a}{b}", `column 8: / or : expected, not '{'`},
		{"/v1/x{b}", `column 6: / or : expected, not '{'`},
		{"/v1/x*", `column 6: / or : expected, not '*'`},
		{"/v1/***", `column 7: / or : expected, not '*'`},
		{"/v1/a}", `column 6: / or : expected, not '}'`},
		{"/v1/**/**", "column 8: a second **"},
		{"/v1/**/*", "column 8: only literals may follow **"},
		{"/v1/**/{a}", "column 10: only literals may follow **"},
		{"/v1/{a}/{a}", "column 10: field a is bound twice"},
		{"/v1/*:", "column 6: a verb expected after :"},
		{"/v1/*:a/b", `column 8: '/' in a verb, which ends the template`},
		{"/v1/%zz", `column 5: "%zz" is not percent-encoded well`},
		{"/v1/..", "column 5: no request can match this segment: it has a . or .. segment"},
		{"/v1/a%00", "column 5: no request can match this segment: it has a NUL"},
		{"/" + strings.Repeat("a", 4096), "column 4096: longer than 4096 bytes"},
	}
	for _, test := range tests {
		got, err := parseTemplate(test.text)
		if err == nil || err.Error() != test.want {
			t.Errorf("%.40s: got %v (%v), want %s", test.text, got, err, test.want)
		}
	}
}
