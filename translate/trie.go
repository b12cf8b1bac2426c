package translate

import (
	"slices"
	"strings"
)

// anyMethod is the HTTP method of a binding that takes all.
const anyMethod = "*"

// trie finds the route of a path. A literal goes before `*`, that before `**`,
// and a route with a verb before one without: the order in which routes were added does
// not matter, except that the first of two that are the same stays. It is
// immutable once it is filled; matching allocates nothing.
type trie struct {
	roots   map[string]*node // by verb, "" for none
	maxVerb int
}

// node is a place in the tree of template segments.
type node struct {
	literals map[string]*node
	star     *node
	deep     *tail
	ends     []end
}

// tail is a place in the tree of literals after `**`, from the last one backwards.
type tail struct {
	before map[string]*tail
	ends   []end
}

// end is a route that ends at a node.
type end struct {
	method string
	route  *route
}

// add places a route. It returns the route that has the place already, or nil.
func (t *trie) add(r *route) (owner *route) {
	verb := r.template.verb
	if t.roots == nil {
		t.roots = make(map[string]*node)
	}
	if t.roots[verb] == nil {
		t.roots[verb] = &node{}
		t.maxVerb = max(t.maxVerb, len(verb))
	}
	ends := t.roots[verb].place(r.template)
	for _, e := range *ends {
		if e.method == r.verb {
			return e.route
		}
	}
	*ends = append(*ends, end{r.verb, r})
	return nil
}

// place returns the ends of the node that a template leads to.
func (n *node) place(t *template) *[]end {
	for i, s := range t.segments {
		switch s.kind {
		case deep:
			if n.deep == nil {
				n.deep = &tail{}
			}
			return n.deep.place(t.segments[i+1:])
		case star:
			if n.star == nil {
				n.star = &node{}
			}
			n = n.star
		default:
			if n.literals == nil {
				n.literals = make(map[string]*node)
			}
			if n.literals[s.text] == nil {
				n.literals[s.text] = &node{}
			}
			n = n.literals[s.text]
		}
	}
	return &n.ends
}

func (t *tail) place(segments []segment) *[]end {
	for _, s := range slices.Backward(segments) {
		if t.before == nil {
			t.before = make(map[string]*tail)
		}
		if t.before[s.text] == nil {
			t.before[s.text] = &tail{}
		}
		t = t.before[s.text]
	}
	return &t.ends
}

// match returns the route for a method and a path. Where a verb was split off,
// p's last part is left without it.
func (t *trie) match(method string, p *path) *route {
	return t.eachVerb(p, func(root *node) *route { return root.match(method, p.parts) })
}

// eachVerb calls find for each verb that the path may end with, the longest
// first and no verb last, until it returns a route.
func (t *trie) eachVerb(p *path, find func(*node) *route) *route {
	if n := len(p.parts); n > 0 && t.maxVerb > 0 {
		whole := p.parts[n-1]
		// A colon at the end is part of the segment, since a verb is never empty (google/api/http.proto, "Path template syntax").
		for i := 1; i < len(whole.raw)-1; i++ {
			if whole.raw[i] != ':' || len(whole.raw)-i-1 > 3*t.maxVerb {
				continue
			}
			root := t.roots[decodeSegment(whole.raw[i+1:])]
			if root == nil {
				continue
			}
			p.parts[n-1] = whole.cut(i)
			if r := find(root); r != nil {
				return r
			}
			p.parts[n-1] = whole
		}
	}
	if root := t.roots[""]; root != nil {
		return find(root)
	}
	return nil
}

// match walks the tree from the most specific branch to the least. It visits a
// node at most once, because the depth of a node is the number of parts before it.
func (n *node) match(method string, parts []part) *route {
	if len(parts) == 0 {
		if r := pick(n.ends, method); r != nil {
			return r
		}
	} else {
		if next := n.literals[parts[0].text]; next != nil {
			if r := next.match(method, parts[1:]); r != nil {
				return r
			}
		}
		if n.star != nil {
			if r := n.star.match(method, parts[1:]); r != nil {
				return r
			}
		}
	}
	if n.deep != nil {
		return n.deep.match(method, parts)
	}
	return nil
}

// match compares literals from the end of the path; the most of them win.
func (t *tail) match(method string, parts []part) *route {
	if last := len(parts) - 1; last >= 0 {
		if next := t.before[parts[last].text]; next != nil {
			if r := next.match(method, parts[:last]); r != nil {
				return r
			}
		}
	}
	return pick(t.ends, method)
}

// pick returns the route for a method, or the one for all methods.
func pick(ends []end, method string) *route {
	var wild *route
	for _, e := range ends {
		switch e.method {
		case method:
			return e.route
		case anyMethod:
			wild = e.route
		}
	}
	return wild
}

// allowed returns the methods with which a path has a route, sorted, as the
// Allow header has them.
func (t *trie) allowed(p *path) string {
	var methods []string
	t.eachVerb(p, func(root *node) *route {
		root.methods(p.parts, &methods)
		return nil
	})
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ", ")
}

func (n *node) methods(parts []part, to *[]string) {
	if len(parts) == 0 {
		appendMethods(n.ends, to)
	} else {
		if next := n.literals[parts[0].text]; next != nil {
			next.methods(parts[1:], to)
		}
		if n.star != nil {
			n.star.methods(parts[1:], to)
		}
	}
	if n.deep == nil {
		return
	}
	t := n.deep
	for i := len(parts) - 1; t != nil; i-- {
		appendMethods(t.ends, to)
		if i < 0 {
			return
		}
		t = t.before[parts[i].text]
	}
}

func appendMethods(ends []end, to *[]string) {
	for _, e := range ends {
		*to = append(*to, e.method)
		if e.method == "GET" && !e.route.method.ServerStreams {
			*to = append(*to, "HEAD")
		}
	}
}
