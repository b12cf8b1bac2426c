package translate

import (
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/schema"
)

// grammarPaths bounds TestRoutesFollowGrammar; `make routes` runs the full proof.
var grammarPaths = flag.Int("grammar", 20_000, "how many random paths are compared with the grammar of google.api.http")

// plainTemplate is a path template, read by the grammar of google/api/http.proto and nothing else. It shares no code with
// the template parser and the trie: the template becomes a regular expression over the path as the client sends it.
type plainTemplate struct {
	expression *regexp.Regexp
	fields     []string // of the groups of expression
	multi      []bool   // by group: it covers more than one segment
	shape      string   // equal for templates that match the same paths
	rank       string   // greater for the more specific of two templates that match one path
}

// readPlainTemplate returns false for what is not a template.
func readPlainTemplate(text string) (*plainTemplate, bool) {
	r := &plainReader{rank: "00"}
	if !r.template(text) {
		return nil, false
	}
	for i, f := range r.out.fields {
		if slices.Contains(r.out.fields[:i], f) {
			return nil, false
		}
	}
	r.out.expression = regexp.MustCompile("^" + r.expression.String() + "$")
	r.out.rank = r.rank
	if r.deep < 0 {
		r.out.rank += "4" // before a template that goes on with **
	} else {
		r.out.rank += fmt.Sprintf("%02d", r.deep)
	}
	return &r.out, true
}

type plainReader struct {
	out        plainTemplate
	expression strings.Builder
	rank       string
	count      int // segments so far
	deep       int // literals behind **, or -1 before it
}

var (
	plainSegments = regexp.MustCompile(`\{[^{}]*\}|[^/{}]+`)
	plainVariable = regexp.MustCompile(`^\{([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:=([^{}]+))?\}$`)
)

// template reads `"/" [ Segments [ Verb ] ]`.
func (r *plainReader) template(text string) bool {
	r.deep = -1
	rest, ok := strings.CutPrefix(text, "/")
	if !ok || rest == "" {
		return ok
	}
	segments, verb := rest, ""
	if at := verbColon(rest); at >= 0 {
		segments, verb = rest[:at], rest[at+1:]
		if verb == "" || strings.ContainsAny(verb, "/{}*") {
			return false
		}
	}
	list := plainSegments.FindAllString(segments, -1)
	if len(list) == 0 || strings.Join(list, "/") != segments {
		return false
	}
	for _, s := range list {
		if !r.segment(s) {
			return false
		}
	}
	return verb == "" || r.verb(verb)
}

// verbColon returns where the verb starts: at the last colon of a literal, and at the first one behind anything else.
func verbColon(rest string) int {
	last := max(strings.LastIndexByte(rest, '/'), strings.LastIndexByte(rest, '}'))
	tail := rest[last+1:]
	at := strings.LastIndexByte(tail, ':')
	if last >= 0 && rest[last] == '}' || strings.HasPrefix(tail, "*") {
		at = strings.IndexByte(tail, ':')
	}
	if at < 0 {
		return -1
	}
	return last + 1 + at
}

func (r *plainReader) segment(text string) bool {
	if !strings.HasPrefix(text, "{") {
		return r.simple(text)
	}
	v := plainVariable.FindStringSubmatch(text)
	if v == nil {
		return false
	}
	list := strings.Split(cmp.Or(v[2], "*"), "/")
	group := len(r.out.fields)
	r.out.fields = append(r.out.fields, v[1])
	r.out.multi = append(r.out.multi, len(list) > 1 || list[0] == "**")
	// The slash before a variable is not part of it, except that ** has its own.
	fmt.Fprintf(&r.expression, "(?P<v%d>", group)
	for _, s := range list {
		if !r.simple(s) {
			return false
		}
	}
	r.expression.WriteString(")")
	return true
}

// simple reads `*`, `**` or a literal.
func (r *plainReader) simple(text string) bool {
	r.count++
	switch text {
	case "*":
		r.expression.WriteString("/[^/]+")
		r.rank += "2"
		r.out.shape += "/*"
		return r.deep < 0
	case "**":
		r.expression.WriteString("(?:/[^/]+)*")
		r.rank += "1"
		r.out.shape += "/**"
		if r.deep >= 0 {
			return false
		}
		r.deep = 0
		return true
	}
	decoded, err := url.PathUnescape(text)
	if err != nil || strings.ContainsAny(text, "{}*") || !goodSegment(decoded) {
		return false
	}
	r.expression.WriteString("/" + spellings(decoded))
	r.out.shape += "/" + url.QueryEscape(decoded)
	if r.deep < 0 {
		r.rank += "3"
	} else {
		r.deep++
	}
	return true
}

// verb reads `":" LITERAL`. Its first colon is one that the client wrote; those within may be encoded.
func (r *plainReader) verb(text string) bool {
	decoded, err := url.PathUnescape(text)
	if err != nil || !goodSegment(decoded) {
		return false
	}
	r.expression.WriteString(":" + spellings(decoded))
	r.out.shape += ":" + url.QueryEscape(decoded)
	r.rank = fmt.Sprintf("%02d", len(decoded)) + r.rank[2:]
	return true
}

// goodSegment reports whether a path may have a decoded segment.
func goodSegment(s string) bool {
	_, _, ok := plainPath("/" + url.PathEscape(s))
	return ok
}

// spellings matches all ways in which a client can write a text: each byte as itself or percent-encoded.
func spellings(text string) string {
	var b strings.Builder
	for _, c := range text {
		encoded := ""
		for _, octet := range []byte(string(c)) {
			encoded += fmt.Sprintf("(?i:%%%02x)", octet)
		}
		if c == '/' || c == '%' {
			b.WriteString(encoded)
		} else {
			b.WriteString("(?:" + regexp.QuoteMeta(string(c)) + "|" + encoded + ")")
		}
	}
	return b.String()
}

// match returns the values of the variables, by field.
func (p *plainTemplate) match(path string) (values map[string]string, ok bool) {
	if path == "/" {
		path = ""
	}
	groups := p.expression.FindStringSubmatch(path)
	if groups == nil {
		return nil, false
	}
	values = make(map[string]string)
	for i, field := range p.fields {
		values[field] = plainDecoded(strings.TrimPrefix(groups[i+1], "/"), p.multi[i])
	}
	return values, true
}

// plainDecoded decodes a value; an encoded slash stays encoded in several segments.
func plainDecoded(raw string, multi bool) string {
	if !multi {
		text, _ := url.PathUnescape(raw)
		return text
	}
	return plainValue("/"+raw, 0, strings.Count(raw, "/")+1)
}

// plainRoute is a route of plainRoutes.
type plainRoute struct {
	*plainTemplate
	method string
	id     int
}

// plainRoutes finds routes by trying all of them.
type plainRoutes []plainRoute

// add returns the route that has the place already, or -1.
func (p *plainRoutes) add(t *plainTemplate, method string, id int) int {
	for _, r := range *p {
		if r.shape == t.shape && r.method == method {
			return r.id
		}
	}
	*p = append(*p, plainRoute{t, method, id})
	return -1
}

// find returns the most specific route, or -1, the values of its variables, and the methods that the path has.
func (p plainRoutes) find(method, path string) (id int, values map[string]string, methods []string) {
	id = -1
	if _, trailing, ok := plainPath(path); !ok || trailing {
		return id, nil, nil
	}
	best := ""
	for _, r := range p {
		found, ok := r.match(path)
		if !ok {
			continue
		}
		methods = append(methods, r.method)
		rank := r.rank + "1"
		if r.method == anyMethod {
			rank = r.rank + "0"
		}
		if (r.method == method || r.method == anyMethod) && rank > best {
			id, values, best = r.id, found, rank
		}
	}
	slices.Sort(methods)
	return id, values, slices.Compact(methods)
}

// grammarSet are some templates, in the trie and in the plain list.
type grammarSet struct {
	trie  trie
	plain plainRoutes
	texts []string
}

// add adds a template to both; they must agree on whether it is one and whether its place is free.
func (s *grammarSet) add(t testing.TB, method, text string) {
	plain, ok := readPlainTemplate(text)
	parsed, err := parseTemplate(text)
	if (err == nil) != ok {
		t.Fatalf("template %q: %v; by the grammar it is a template: %v", text, err, ok)
	}
	if !ok {
		return
	}
	id := len(s.texts)
	s.texts = append(s.texts, method+" "+text)
	owner := s.trie.add(&route{
		verb: method, template: parsed,
		method:  &schema.Method{Path: fmt.Sprint(id)},
		binding: &schema.Binding{Template: text},
	})
	if want := s.plain.add(plain, method, id); routeID(owner) != want {
		t.Fatalf("%q: the place of %s belongs to %d, want %d", s.texts, text, routeID(owner), want)
	}
}

// routeID returns the position of a route in grammarSet.texts, or -1.
func routeID(r *route) (id int) {
	if r == nil {
		return -1
	}
	_, _ = fmt.Sscan(r.method.Path, &id)
	return id
}

// compare sends a path through both, as the target of a request.
func (s *grammarSet) compare(t testing.TB, target string) {
	u, err := url.ParseRequestURI(target)
	if err != nil {
		return // net/http rejects it
	}
	raw, _, _ := strings.Cut(target, "?")
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodDelete, "QUERY"} {
		id, values, methods := s.plain.find(method, raw)
		var p path
		if p.split(requestPath(u)) != nil || p.trailing {
			if id >= 0 {
				t.Fatalf("%s %s: rejected, want route %s of %q", method, target, s.texts[id], s.texts)
			}
			continue
		}
		r := s.trie.match(method, &p)
		if routeID(r) != id {
			t.Fatalf("%s %s: got route %d, want %d of %q", method, target, routeID(r), id, s.texts)
		}
		if r != nil {
			for i := range r.template.variables {
				v := &r.template.variables[i]
				from, to := r.template.span(v, len(p.parts))
				if got := p.value(from, to, v.multi); got != values[v.field] {
					t.Fatalf("%s %s by %s: %s is %q, want %q", method, target, s.texts[id], v.field, got, values[v.field])
				}
			}
			continue
		}
		if err := p.split(requestPath(u)); err != nil {
			t.Fatal(err)
		}
		if got := strings.ReplaceAll(s.trie.allowed(&p), ", HEAD", ""); got != strings.Join(methods, ", ") {
			t.Fatalf("%s %s: allowed are %q, want %q, of %q", method, target, got, methods, s.texts)
		}
	}
}

// Templates and paths are made of these: every separator, raw and encoded, among letters.
var (
	grammarPieces   = []string{"a", "a", "a", "b", "b", ":", ":", "%3A", "%3a", "%2F", "%2f", ".", "=", "%25", "@", "é", "%C3%A9", "%20", "+", ";"}
	templatePieces  = []string{"?", "#", "%3F", "%7B", "%2A"}
	pathPieces      = []string{"*", "**", "{", "}", `"`, "#", "%", "?", "%3F", "%7B", "%2A", "%5C", "%00", "/"}
	grammarMethods  = []string{"GET", "GET", "POST", "POST", "DELETE", anyMethod}
	defaultTemplate = "/a.b/a"
)

func grammarWord(r *rand.Rand, rare []string) string {
	var b strings.Builder
	for range 1 + r.IntN(3) {
		if r.IntN(25) == 0 {
			b.WriteString(rare[r.IntN(len(rare))])
		} else {
			b.WriteString(grammarPieces[r.IntN(len(grammarPieces))])
		}
	}
	return b.String()
}

func randomTemplate(r *rand.Rand) string {
	var b strings.Builder
	segment := func() string {
		switch r.IntN(10) {
		case 0, 1, 2:
			return "*"
		case 3:
			return "**"
		default:
			return grammarWord(r, templatePieces)
		}
	}
	for i := range r.IntN(5) {
		b.WriteString("/")
		if r.IntN(3) > 0 {
			b.WriteString(segment())
			continue
		}
		fmt.Fprintf(&b, "{f%d", i)
		if r.IntN(2) == 0 {
			b.WriteString("=" + segment())
			for range r.IntN(2) {
				b.WriteString("/" + segment())
			}
		}
		b.WriteString("}")
	}
	if b.Len() == 0 {
		return "/"
	}
	if r.IntN(3) == 0 {
		b.WriteString(":" + grammarWord(r, templatePieces))
	}
	return b.String()
}

// randomTarget is a path of random words, or one that fits a template, here and there with a separator more.
func randomTarget(r *rand.Rand, texts []string) string {
	if len(texts) == 0 || r.IntN(4) == 0 {
		target := ""
		for range r.IntN(5) {
			target += "/" + grammarWord(r, pathPieces)
		}
		return cmp.Or(target, "/")
	}
	_, template, _ := strings.Cut(texts[r.IntN(len(texts))], " ")
	target := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(template, "*")
	target = regexp.MustCompile(`\{\w+=|\}`).ReplaceAllString(target, "")
	target = regexp.MustCompile(`\*+`).ReplaceAllStringFunc(target, func(string) string { return grammarWord(r, pathPieces) })
	switch at := 1 + r.IntN(len(target)); r.IntN(4) {
	case 0:
		target = target[:at] + grammarWord(r, pathPieces) + target[at:]
	case 1:
		target += ":"
	}
	return target
}

// TestRoutesFollowGrammar compares the trie with a plain matcher of the grammar, on random sets of templates and random
// paths: which template is one, which route a path takes, what its variables are, and which methods it has.
func TestRoutesFollowGrammar(t *testing.T) {
	const perSet = 20
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 1))
	t.Logf("seed %d", seed)
	for done := 0; done < *grammarPaths; done += perSet {
		var s grammarSet
		s.add(t, http.MethodPost, defaultTemplate)
		for range 1 + r.IntN(12) {
			s.add(t, grammarMethods[r.IntN(len(grammarMethods))], randomTemplate(r))
		}
		for range perSet {
			s.compare(t, randomTarget(r, s.texts))
		}
	}
	t.Logf("%d paths", *grammarPaths)
}

// FuzzRoutes is TestRoutesFollowGrammar on templates, one a line, and a path that the fuzzer chooses.
func FuzzRoutes(f *testing.F) {
	f.Add("/v0/users/{id}\n/files/{id=**}\n/status\n/jobs/{id}:cancel", "/v0/users/a:")
	f.Add("/{a=b/*}/c:d:e\n/**\n/*:d", "/b/x%2Fy/c:d%3Ae")
	f.Add("/a:b\n/{x}\n/%C3%A9?#", "/a%3Ab\"é")
	f.Fuzz(func(t *testing.T, templates, target string) {
		var s grammarSet
		for i, text := range strings.SplitN(templates, "\n", 20) {
			if len(text) > 50 || strings.Count(text, "/") > 8 { // ranks are compared as text
				return
			}
			s.add(t, grammarMethods[i%len(grammarMethods)], text)
		}
		s.compare(t, target)
	})
}

// TestRPCPathsAreExact mutates the path of a method: gRPC, gRPC-Web and Connect serve it in its one spelling, and REST in
// those that decode to the same segments.
func TestRPCPathsAreExact(t *testing.T) {
	const path = "/lib.v1.Library/Legacy"
	rest, _ := NewREST(library(t), nil, RESTOptions{})
	methods := NewMethods(library(t), nil, nil, ReflectionOptions{})
	pieces := slices.Concat(grammarPieces, templatePieces, pathPieces, []string{"", "%4C"})
	for at := range len(path) + 1 {
		for _, piece := range pieces {
			for _, target := range []string{path[:at] + piece + path[at:], path[:at] + piece + path[min(at+1, len(path)):]} {
				u, err := url.ParseRequestURI(target)
				if err != nil {
					continue
				}
				raw, _, _ := strings.Cut(target, "?")
				_, err = methods.lookup(&http.Request{URL: u})
				if want := raw == path; (err == nil) != want {
					t.Errorf("RPC %s: %v, want a method: %v", target, err, want)
				}
				segments, trailing, ok := plainPath(raw)
				want := ok && !trailing && "/"+strings.Join(segments, "/") == path && strings.Count(raw, "/") == 2
				r, found := rest.Match(http.MethodPost, requestPath(u))
				if found != want || found && r.Template != path {
					t.Errorf("REST %s: %v %s, want a route: %v", target, found, r.Template, want)
				}
			}
		}
	}
}
