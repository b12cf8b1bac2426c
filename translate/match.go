package translate

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
