package translate

import (
	"net/url"
	"slices"
	"strings"
)

// Overlap finds a request that both routes take, each by itself, and returns it as
// its HTTP method and path: the proof that the two overlap. It returns false where there
// is none. Which of them serves the request is a matter of precedence; see [REST.Match].
func (r Route) Overlap(other Route) (witness string, ok bool) {
	verb := r.Verb
	switch {
	case verb == anyMethod:
		verb = other.Verb
	case other.Verb != anyMethod && other.Verb != verb:
		return "", false
	}
	if verb == anyMethod {
		verb = "GET"
	}
	if apart(r.route.template.segments, other.route.template.segments) {
		return "", false
	}
	for _, mine := range patternsOf(r.route.template) {
		for _, theirs := range patternsOf(other.route.template) {
			if parts, ok := intersect(mine, theirs); ok {
				return verb + " /" + strings.Join(parts, "/"), true
			}
		}
	}
	return "", false
}

// Overlap is a request that two routes take, each by itself, and the one of them that
// serves it.
type Overlap struct {
	Request        string // such as `GET /v1/books/first`
	Serves, Passed Route
}

// Overlaps returns up to limit pairs of routes to different methods that a request leads to both. That
// is no fault: what is served is the more specific one, whatever the order. It compares all pairs, and
// is for commands, not for requests.
func (t *REST) Overlaps(limit int) (found []Overlap) {
	for i, a := range t.routes {
		for _, b := range t.routes[i+1:] {
			if len(found) == limit {
				return found
			}
			if a.Method == b.Method {
				continue
			}
			if request, ok := a.Overlap(b); ok {
				found = append(found, t.overlapOf(request, a, b))
			}
		}
	}
	return found
}

func (t *REST) overlapOf(request string, a, b Route) Overlap {
	verb, path, _ := strings.Cut(request, " ")
	if served, _ := t.Match(verb, path); served.route == b.route {
		a, b = b, a
	}
	return Overlap{Request: request, Serves: a, Passed: b}
}

// apart reports whether two templates differ in a literal before either's last segment or `**`,
// which settles most pairs of routes at once.
func apart(a, b []segment) bool {
	for i := range min(len(a), len(b)) - 1 {
		if a[i].kind == deep || b[i].kind == deep {
			return false
		}
		if a[i].kind == literal && b[i].kind == literal && a[i].text != b[i].text {
			return true
		}
	}
	return false
}

// pattern is a segment as a request's path sees it: the verb is the end of the last part.
type pattern struct {
	kind segmentKind
	text string // of a literal, verb included
	verb string // that ends a star; empty for none
}

// patternsOf returns the patterns of a template, in up to two alternatives: a verb behind
// `**` ends the last of its parts, or where it has none, the part before it.
func patternsOf(t *template) [][]pattern {
	patterns := make([]pattern, 0, len(t.segments)+1)
	for _, s := range t.segments {
		patterns = append(patterns, pattern{kind: s.kind, text: s.text})
	}
	if t.verb == "" || len(patterns) == 0 {
		return [][]pattern{patterns}
	}
	last := len(patterns) - 1
	if patterns[last].kind != deep {
		return [][]pattern{endedBy(t.verb, patterns)}
	}
	alternatives := [][]pattern{endedBy(t.verb, append(slices.Clone(patterns), pattern{kind: star}))}
	if last > 0 {
		alternatives = append(alternatives, endedBy(t.verb, patterns[:last]))
	}
	return alternatives
}

// endedBy puts a verb to the last of the patterns.
func endedBy(verb string, patterns []pattern) []pattern {
	last := &patterns[len(patterns)-1]
	if last.kind == literal {
		last.text += ":" + verb
	} else {
		last.verb = verb
	}
	return patterns
}

// intersect returns the parts of a path that both patterns take. It looks at each pair
// of places in them once.
func intersect(a, b []pattern) (parts []string, ok bool) {
	dead := make(map[[2]int]bool)
	var walk func(i, j int) bool
	walk = func(i, j int) bool {
		place := [2]int{i, j}
		if i == len(a) && j == len(b) {
			return true
		}
		if dead[place] {
			return false
		}
		dead[place] = true
		deepA, deepB := i < len(a) && a[i].kind == deep, j < len(b) && b[j].kind == deep
		if deepA && walk(i+1, j) || deepB && walk(i, j+1) {
			return true
		}
		if i == len(a) || j == len(b) {
			return false
		}
		part, fits := a[i].both(b[j])
		if !fits {
			return false
		}
		parts = append(parts, part)
		if walk(i+step(!deepA), j+step(!deepB)) {
			return true
		}
		parts = parts[:len(parts)-1]
		return false
	}
	ok = walk(0, 0)
	return slices.Clip(parts), ok
}

func step(forward bool) int {
	if forward {
		return 1
	}
	return 0
}

// anyPart stands for a part that may be anything.
const anyPart = "x"

// both returns a part that both patterns take.
func (p pattern) both(q pattern) (part string, ok bool) {
	if q.kind == literal {
		p, q = q, p
	}
	if p.kind != literal {
		verb, ok := longerVerb(p.verb, q.verb)
		if verb == "" {
			return anyPart, ok
		}
		return anyPart + ":" + url.PathEscape(verb), ok
	}
	if q.kind == literal {
		return url.PathEscape(p.text), p.text == q.text
	}
	before, ends := strings.CutSuffix(p.text, ":"+q.verb)
	return url.PathEscape(p.text), q.verb == "" || ends && before != ""
}

// longerVerb returns the verb of parts that end with both.
func longerVerb(a, b string) (verb string, ok bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	return a, b == "" || a == b || strings.HasSuffix(a, ":"+b)
}

// PathRoute returns a route that takes every request whose path fits the template. It leads
// to no method: it is there to be compared with others.
func PathRoute(text string) (Route, error) {
	t, err := parseTemplate(text)
	if err != nil {
		return Route{}, err
	}
	return Route{Verb: anyMethod, Template: text, route: &route{verb: anyMethod, template: t}}, nil
}
