package translate

import (
	"net/url"
	"strings"
)

// Match returns the route that a request takes, by its HTTP method and its path as in the request line,
// without a query. It returns false where there is none.
func (t *REST) Match(verb, escapedPath string) (Route, bool) {
	var p path
	if err := p.split(escapedPath); err != nil || p.trailing {
		return Route{}, false
	}
	found := t.trie.match(verb, &p)
	for _, r := range t.routes {
		if found != nil && r.route == found {
			return r, true
		}
	}
	return Route{}, false
}

// Shape returns the template without the names of its variables: routes of equal shape and
// verb take the same requests.
func (r Route) Shape() string {
	var b strings.Builder
	for _, s := range r.route.template.segments {
		b.WriteByte('/')
		switch s.kind {
		case star:
			b.WriteByte('*')
		case deep:
			b.WriteString("**")
		default:
			b.WriteString(url.PathEscape(s.text))
		}
	}
	if b.Len() == 0 {
		b.WriteByte('/')
	}
	if verb := r.route.template.verb; verb != "" {
		b.WriteString(":" + url.PathEscape(verb))
	}
	return b.String()
}

// ResponseBody returns the field of the response that the answer is, or nothing for all of it.
func (r Route) ResponseBody() string { return r.route.binding.ResponseBody }

// Position returns where the route's http rule stands, as file.proto:line:column as far as that is
// known. It is empty for the default mapping.
func (r Route) Position() string { return r.route.binding.Position }

// Variables returns the fields that the path sets, with the places in the shape that each covers.
func (r Route) Variables() []Variable {
	var variables []Variable
	for _, v := range r.route.variables {
		variables = append(variables, Variable{Field: v.field, From: v.from, To: v.to})
	}
	return variables
}

// Variable is a field that the segments [From, To) of a path set.
type Variable struct {
	Field    string
	From, To int
}
