package gate

import (
	"fmt"
	"iter"
	"strings"

	"github.com/protean-gateway/protean/translate"
)

// nameOfRoute names a route by the requests that it takes: two with the same name differ only
// in the names of their variables.
func nameOfRoute(r translate.Route) string { return r.Verb + " " + r.Shape() }

func routesByName(view *translate.REST) map[string]translate.Route {
	routes := make(map[string]translate.Route)
	for _, r := range view.Routes() {
		routes[nameOfRoute(r)] = r
	}
	return routes
}

// routes yields the routes that are in both views and lead to the same method, less the very same.
func (c *comparison) routes() iter.Seq2[translate.Route, translate.Route] {
	return func(yield func(old, updated translate.Route) bool) {
		now := c.routesNow()
		for _, old := range c.gone {
			updated, found := now[nameOfRoute(old)]
			if found && old.Method.Path == updated.Method.Path && !yield(old, updated) {
				return
			}
		}
	}
}

// served reports whether a request, such as `GET /v1/x`, goes to a route.
func served(view *translate.REST, request string, route translate.Route) bool {
	verb, path, _ := strings.Cut(request, " ")
	found, ok := view.Match(verb, path)
	return ok && nameOfRoute(found) == nameOfRoute(route)
}

// route reports about a route.
func (r *reporter) route(s Severity, route translate.Route, format string, args ...any) {
	r.report(Finding{
		Severity: s,
		Element:  route.Verb + " " + route.Template,
		Position: route.Position(),
		Message:  fmt.Sprintf(format, args...),
		Methods:  []string{route.Method.Path},
	})
}
