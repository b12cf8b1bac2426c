package translate

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// advice returns what a rule that is served cannot do as it was meant: requests that HTTP, google/api/http.proto or the gateway
// itself do not let through.
func (r *route) advice() (findings []string) {
	if i := strings.IndexAny(r.binding.Template, "?#"); i >= 0 {
		c := r.binding.Template[i]
		findings = append(findings, fmt.Sprintf("%q ends the path of a URL, so that only requests with %%%X match; "+
			"query parameters are not part of a template", c, c))
	}
	return slices.Concat(findings, r.variableAdvice(), r.bodyAdvice())
}

func (r *route) variableAdvice() (findings []string) {
	var repeated []string
	for _, v := range r.variables {
		f := v.path.Field()
		switch m := f.Message(); {
		case m != nil && !hasTextForm(m) && !isFreeJSON(m):
			findings = append(findings, fmt.Sprintf("path variable %s is a %s, which has no text form, so that each request is rejected; "+
				"bind one of its fields", v.field, m.FullName()))
		case f.IsList():
			repeated = append(repeated, v.field)
		}
	}
	if len(repeated) > 0 {
		findings = append(findings, fmt.Sprintf("path variable %s is repeated, which google/api/http.proto does not allow; "+
			"its elements are separated by commas here", strings.Join(repeated, ", ")))
	}
	return findings
}

func (r *route) bodyAdvice() (findings []string) {
	switch r.verb {
	case http.MethodGet, http.MethodHead, http.MethodDelete:
		if r.hasBody() {
			findings = append(findings, fmt.Sprintf("the body of a %s request has no meaning in HTTP (RFC 9110, section 9.3), so that clients "+
				"and proxies drop it; leave out `body`, and fields come from the query", r.verb))
		}
	}
	if r.method.ClientStreams && !r.hasBody() {
		findings = append(findings, "the method takes a stream of messages and the rule has no body, so that only a WebSocket can call it here; "+
			"write `body: \"*\"` and a method such as POST")
	}
	if v := r.bodyRival(); v != nil {
		findings = append(findings, fmt.Sprintf("the path sets %s, so that each body with %s is rejected or only repeats it", v.field, r.binding.Body))
	}
	return findings
}

// literalPath returns the one path that a template without wildcards matches, or nothing.
func literalPath(t *template) string {
	var b strings.Builder
	for _, s := range t.segments {
		if s.kind != literal {
			return ""
		}
		b.WriteString("/" + s.text)
	}
	if t.verb != "" {
		b.WriteString(":" + t.verb)
	}
	return b.String()
}
