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
	now := routesByName(c.updated.REST)
	for _, route := range c.old.REST.Routes() {
		if _, found := now[nameOfRoute(route)]; !found && c.updated.Snapshot.Method(route.Method.Path) != nil {
			r.route(Breaking, route, "the route is not served any more")
		}
	}
}}

// routeAdded finds routes that are new for a method that is not.
var routeAdded = Rule{"route-added", REST, func(c *comparison, r *reporter) {
	before := routesByName(c.old.REST)
	for _, route := range c.updated.REST.Routes() {
		if _, found := before[nameOfRoute(route)]; !found && c.old.Snapshot.Method(route.Method.Path) != nil {
			r.route(Safe, route, "the route is new")
		}
	}
}}

// routeServedByOther finds requests that another method answers than before: where a route
// changed hands, and where a new one takes some of an old one's requests.
var routeServedByOther = Rule{"route-served-by-other", REST, func(c *comparison, r *reporter) {
	before := routesByName(c.old.REST)
	for _, route := range c.updated.REST.Routes() {
		if old, found := before[nameOfRoute(route)]; found {
			if old.Method.Path != route.Method.Path {
				r.route(Breaking, route, "was served by %s and is now served by %s", old.Method.FullName(), route.Method.FullName())
			}
			continue
		}
		for _, old := range c.old.REST.Routes() {
			if request := taken(c, old, route); request != "" {
				r.route(Breaking, route, "takes requests such as %s, which %s of %s answers today",
					request, nameOfRoute(old), old.Method.FullName())
			}
		}
	}
}}

// taken returns a request that an old route answered and that goes to the new route now.
func taken(c *comparison, old, updated translate.Route) string {
	if old.Method.Path == updated.Method.Path {
		return ""
	}
	request, both := old.Overlap(updated)
	if !both || !served(c.old.REST, request, old) || !served(c.updated.REST, request, updated) {
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
