package translate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/protean-gateway/protean/schema"
)

// testRoute is a route that only the trie looks at.
func testRoute(t testing.TB, verb, text string) *route {
	t.Helper()
	parsed, err := parseTemplate(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return &route{
		verb: verb, template: parsed,
		method:  &schema.Method{Path: text},
		binding: &schema.Binding{Template: text},
	}
}

func split(t testing.TB, text string) *path {
	t.Helper()
	p := new(path)
	if err := p.split(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return p
}

func TestPrecedence(t *testing.T) {
	templates := []string{
		"GET /v1/**", "GET /v1/{a=**}/meta", "GET /v1/*", "GET /v1/books", "GET /v1/*/reviews", "GET /v1/books/*",
		"GET /v1/books/first", "POST /v1/books/second", "GET /v1/books/*:stop", "GET /v1/**:stop", "GET /v1/*:now",
		"GET /v1/*:stop:now", "* /v1/books/first", "GET /", "GET /v1/**/x/y", "GET /v1/**/y",
	}
	tests := []struct{ request, want string }{
		{"GET /", "/"},
		{"GET /v1", "/v1/**"},
		{"GET /v1/books", "/v1/books"},
		{"GET /v1/authors", "/v1/*"},
		{"GET /v1/books/reviews", "/v1/books/*"},
		{"GET /v1/authors/reviews", "/v1/*/reviews"},
		{"GET /v1/books/first", "/v1/books/first"},
		{"PUT /v1/books/first", "/v1/books/first"},
		{"GET /v1/books/second", "/v1/books/*"},
		{"POST /v1/books/second", "/v1/books/second"},
		{"GET /v1/books/7:stop", "/v1/books/*:stop"},
		{"GET /v1/books/first:stop", "/v1/books/*:stop"},
		{"GET /v1/a/b/c:stop", "/v1/**:stop"},
		{"GET /v1/a:stop:now", "/v1/*:stop:now"},
		{"GET /v1/a:go:now", "/v1/*:now"},
		{"GET /v1/a:go", "/v1/*"},
		{"GET /v1/:now", "/v1/*"},
		{"GET /v1/a/b/meta", "/v1/{a=**}/meta"},
		{"GET /v1/a/b/x/y", "/v1/**/x/y"},
		{"GET /v1/a/b/z/y", "/v1/**/y"},
		{"GET /v1/a/b/x/z", "/v1/**"},
		{"DELETE /v1/books", ""},
		{"GET /v2", ""},
	}
	for range 20 { // the order in which routes come does not matter
		rand.Shuffle(len(templates), func(i, j int) { templates[i], templates[j] = templates[j], templates[i] })
		var tr trie
		for _, text := range templates {
			verb, text, _ := strings.Cut(text, " ")
			if owner := tr.add(testRoute(t, verb, text)); owner != nil {
				t.Fatalf("%s is %s", text, owner.method.Path)
			}
		}
		for _, test := range tests {
			verb, text, _ := strings.Cut(test.request, " ")
			got := ""
			if r := tr.match(verb, split(t, text)); r != nil {
				got = r.method.Path
			}
			if got != test.want {
				t.Errorf("%s: got %q, want %q, of %q", test.request, got, test.want, templates)
			}
		}
	}
}

func TestSamePlace(t *testing.T) {
	var tr trie
	first := testRoute(t, "GET", "/v1/{a=books/*}")
	tr.add(first)
	if owner := tr.add(testRoute(t, "GET", "/v1/books/{b}")); owner != first {
		t.Errorf("got %v", owner)
	}
	if owner := tr.add(testRoute(t, "POST", "/v1/books/{b}")); owner != nil {
		t.Errorf("got %v", owner)
	}
}

// FuzzTrie compares the trie with a list of templates that are tried one by one.
// Both inputs are read as words, so that templates and paths meet often.
func FuzzTrie(f *testing.F) {
	f.Add([]byte("\x01\x02\x03\x00\x04\x01\x00\x05\x06\x07\x00"), []byte("\x01\x02"))
	f.Add([]byte("\x00\x05\x01\x00\x06\x08\x00\x04\x04\x00"), []byte("\x04\x09\x0a"))
	f.Fuzz(func(t *testing.T, templates, request []byte) {
		var tr trie
		var list []*route
		for i, code := range bytesSplit(templates) {
			r := fuzzRoute(code, []string{"GET", "POST", "*"}[i%3])
			if r == nil {
				continue
			}
			if tr.add(r) == nil {
				list = append(list, r)
			}
		}
		text := fuzzPath(request)
		for _, method := range []string{"GET", "POST", "HEAD"} {
			p := split(t, text)
			got, want := tr.match(method, p), naiveMatch(list, method, split(t, text))
			if got != want {
				t.Errorf("%s %s of %v: got %v, want %v", method, text, paths(list), paths([]*route{got}), paths([]*route{want}))
			}
		}
	})
}

func bytesSplit(b []byte) [][]byte {
	var out [][]byte
	for len(b) > 0 && len(out) < 50 {
		i := slices.Index(b, 0)
		if i < 0 {
			i = len(b)
		}
		out = append(out, b[:i])
		b = b[min(i+1, len(b)):]
	}
	return out
}

var (
	templateWords = []string{"a", "b", "c", "*", "**", "a:b", "b%3Aa"}
	fuzzVerbs     = []string{"", "", "", ":a", ":b", ":a:b", ":c"}
	pathWords     = []string{"a", "b", "c", "d", "a:b", "b%3aa", ":a", "a:b:c"}
)

func fuzzRoute(code []byte, method string) *route {
	text := ""
	for _, c := range code[:min(len(code), 6)] {
		text += "/" + templateWords[int(c)%len(templateWords)]
	}
	if len(code) > 0 {
		text += fuzzVerbs[int(code[0]/7)%len(fuzzVerbs)]
	}
	parsed, err := parseTemplate(text)
	if err != nil {
		return nil
	}
	return &route{verb: method, template: parsed, method: &schema.Method{Path: text}}
}

func fuzzPath(code []byte) string {
	text := ""
	for _, c := range code[:min(len(code), 8)] {
		text += "/" + pathWords[int(c)%len(pathWords)]
	}
	if text == "" {
		return "/"
	}
	if len(code) > 1 {
		text += fuzzVerbs[int(code[1]/7)%len(fuzzVerbs)]
	}
	return text
}

func paths(routes []*route) (texts []string) {
	for _, r := range routes {
		if r != nil {
			texts = append(texts, r.verb+" "+r.method.Path)
		}
	}
	return texts
}

// naiveMatch tries all routes and takes the most specific one that matches.
func naiveMatch(routes []*route, method string, p *path) (best *route) {
	var bestRank string
	for _, r := range routes {
		if r.verb != method && r.verb != anyMethod {
			continue
		}
		if rank := naiveRank(r.template, p); rank != "" {
			if r.verb == method {
				rank += "1"
			} else {
				rank += "0"
			}
			if best == nil || rank > bestRank {
				best, bestRank = r, rank
			}
		}
	}
	return best
}

// naiveRank returns a text that sorts behind that of every less specific
// template which matches the path, or nothing where there is no match.
func naiveRank(t *template, p *path) string {
	texts := make([]string, 0, len(p.parts))
	for _, part := range p.parts {
		texts = append(texts, part.text)
	}
	if t.verb != "" {
		if len(p.parts) == 0 {
			return ""
		}
		// The verb's colon is written as itself; those behind it are in the verb.
		raw, ok := cutVerb(p.parts[len(p.parts)-1].raw, t.verb)
		if !ok {
			return ""
		}
		texts[len(texts)-1] = raw
	}
	rank := fmt.Sprintf("%02d", len(t.verb))
	segments := t.segments
	for i, s := range segments {
		if s.kind == deep {
			tail := segments[i+1:]
			if len(texts) < i+len(tail) {
				return ""
			}
			for j, s := range tail {
				if texts[len(texts)-len(tail)+j] != s.text {
					return ""
				}
			}
			return rank + "1" + fmt.Sprintf("%02d", len(tail))
		}
		if i >= len(texts) || s.kind == literal && s.text != texts[i] {
			return ""
		}
		rank += map[segmentKind]string{literal: "3", star: "2"}[s.kind]
	}
	if len(texts) != len(segments) {
		return ""
	}
	return rank + "4"
}

// cutVerb returns a raw part, decoded, without its verb.
func cutVerb(raw, verb string) (string, bool) {
	for i := range raw {
		if i > 0 && raw[i] == ':' && decodeSegment(raw[i+1:]) == verb {
			return decodeSegment(raw[:i]), true
		}
	}
	return "", false
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		b.Run(fmt.Sprintf("%d routes", n), func(b *testing.B) {
			var tr trie
			for i := range n {
				tr.add(testRoute(b, "GET", fmt.Sprintf("/v1/service%d/{name=items/*}/parts/{part}", i)))
			}
			p := new(path)
			b.ReportAllocs()
			for b.Loop() {
				if p.split("/v1/service7/items/42/parts/9") != nil || tr.match("GET", p) == nil {
					b.Fatal("no match")
				}
			}
		})
	}
}

// TestMatchDoesNotGrow matches among 10 routes and among 10,000. What looked at all routes would take a thousand
// times as long; a machine that is busy with something else does not.
func TestMatchDoesNotGrow(t *testing.T) {
	quickest := func(n int) time.Duration {
		var tr trie
		for i := range n {
			tr.add(testRoute(t, "GET", fmt.Sprintf("/v1/service%d/{name=items/*}/parts/{part}", i)))
			tr.add(testRoute(t, "GET", fmt.Sprintf("/v1/{any}/**/part%d:do%d", i, i%100)))
		}
		p, best := new(path), time.Hour
		for range 50 {
			start := time.Now()
			for range 100 {
				if p.split("/v1/service7/items/42/parts/9") != nil || tr.match("GET", p) == nil {
					t.Fatal("no match")
				}
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	few, many := quickest(10), quickest(10_000)
	t.Logf("100 matches: %v among 20 routes, %v among 20,000", few, many)
	if many > 50*few {
		t.Errorf("100 matches: %v among 20 routes, %v among 20,000", few, many)
	}
}

func TestMatchAllocatesNothing(t *testing.T) {
	var tr trie
	tr.add(testRoute(t, "GET", "/v1/{name=items/*}/parts/{part}:go"))
	tr.add(testRoute(t, "GET", "/v1/{name=files/**}/meta"))
	p := new(path)
	for _, text := range []string{"/v1/items/42/parts/9:go", "/v1/files/a/b/c/meta"} {
		if n := testing.AllocsPerRun(100, func() {
			if p.split(text) != nil || tr.match("GET", p) == nil {
				t.Error("no match")
			}
		}); n > 0 {
			t.Errorf("%s: %v allocations", text, n)
		}
	}
}
