package gate

import (
	"cmp"
	"slices"
	"strings"

	"github.com/protean-gateway/protean/translate"
)

// routeRemoved finds routes that are gone although their method is there. Where the method is
// gone, that says enough.
var routeRemoved = Rule{"route-removed", REST, func(c *comparison, r *reporter) {
	now := c.routesNow()
	for _, route := range c.gone {
		if _, found := now[nameOfRoute(route)]; !found && c.updated.Snapshot.Method(route.Method.Path) != nil {
			r.route(Breaking, route, "the route is not served any more")
		}
	}
}}

// routeAdded finds routes that are new for a method that is not.
var routeAdded = Rule{"route-added", REST, func(c *comparison, r *reporter) {
	before := c.routesThen()
	for _, route := range c.come {
		if _, found := before[nameOfRoute(route)]; !found && c.old.Snapshot.Method(route.Method.Path) != nil {
			r.route(Safe, route, "the route is new")
		}
	}
}}

// routeServedByOther finds requests that another method answers than before: where a route
// changed hands, and where a new one takes some of an old one's requests.
var routeServedByOther = Rule{"route-served-by-other", REST, func(c *comparison, r *reporter) {
	before, existing := c.routesThen(), c.old.REST.Routes()
	budget := routeBudget{pairs: comparedPairs, requests: comparedRequests}
	for _, route := range c.come {
		if old, found := before[nameOfRoute(route)]; found {
			if old.Method.Path != route.Method.Path {
				r.route(Breaking, route, "was served by %s and is now served by %s", old.Method.FullName(), route.Method.FullName())
			}
			continue
		}
		shown := 0
		if c.ctx.Err() != nil {
			return
		}
		for _, old := range existing {
			request := taken(c, old, route, &budget)
			if budget.isSpent() {
				r.route(Breaking, route, "there are more new routes, or more that meet, than can be compared; register them in parts")
				return
			}
			if request == "" {
				continue
			}
			r.route(Breaking, route, "takes requests such as %s, which %s of %s answers today",
				request, nameOfRoute(old), old.Method.FullName())
			if shown++; shown == shownTaken {
				break
			}
		}
	}
}}

// shownTaken is of how many old routes it is said that one new route takes their requests.
const shownTaken = 5

// The bounds of comparing every new route with every old one. Where they are not enough, nobody knows
// whether a change breaks something, so it does.
const (
	comparedPairs    = 4_000_000 // whether they overlap: about 1 µs each
	comparedRequests = 10_000    // which route takes a request in the end
)

// routeBudget is what is left of the bounds.
type routeBudget struct{ pairs, requests int }

func (b *routeBudget) isSpent() bool { return b.pairs < 0 || b.requests < 0 }

// taken returns a request that an old route answered and that goes to the new route now.
func taken(c *comparison, old, updated translate.Route, budget *routeBudget) string {
	if old.Method.Path == updated.Method.Path {
		return ""
	}
	if budget.pairs--; budget.isSpent() {
		return ""
	}
	request, both := old.Overlap(updated)
	if both {
		budget.requests--
	}
	if !both || budget.isSpent() || !served(c.old.REST, request, old) || !served(c.updated.REST, request, updated) {
		return ""
	}
	return request
}

// routeBody finds routes that take the body for another field.
var routeBody = Rule{"route-body", REST, func(c *comparison, r *reporter) {
	for old, updated := range c.routes() {
		if old.Body != updated.Body {
			r.route(Breaking, updated, "the body was %s and is now %s", bodyOf(old.Body), bodyOf(updated.Body))
		}
	}
}}

func bodyOf(field string) string {
	switch field {
	case "":
		return "none"
	case "*":
		return "the whole request"
	default:
		return "the field " + field
	}
}

// routeResponse finds routes that answer with another part of the response.
var routeResponse = Rule{"route-response", REST, func(c *comparison, r *reporter) {
	for old, updated := range c.routes() {
		if before, now := old.ResponseBody(), updated.ResponseBody(); before != now {
			r.route(Breaking, updated, "the answer was %s and is now %s", responseOf(before), responseOf(now))
		}
	}
}}

func responseOf(field string) string {
	if field == "" {
		return "the whole response"
	}
	return "the field " + field
}

// routeVariables finds routes whose path sets other fields than before.
var routeVariables = Rule{"route-variables", REST, func(c *comparison, r *reporter) {
	for old, updated := range c.routes() {
		if before, now := old.Variables(), updated.Variables(); !slices.Equal(before, now) {
			r.route(Breaking, updated, "the path set %s and now sets %s", namesOf(before), namesOf(now))
		}
	}
}}

func namesOf(variables []translate.Variable) string {
	names := make([]string, 0, len(variables))
	for _, v := range variables {
		names = append(names, v.Field)
	}
	return cmp.Or(strings.Join(names, ", "), "no field")
}
