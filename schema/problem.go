package schema

import (
	"fmt"
	"slices"
	"strings"
)

// Severity says whether what has a problem is served.
type Severity uint8

// The severities.
const (
	Warning Severity = iota + 1 // served, and worth a look
	Error                       // not served
)

func (s Severity) String() string {
	if s == Error {
		return "error"
	}
	return "warning"
}

// Problem is something found in a schema.
type Problem struct {
	Severity Severity
	Backend  string // whose files it was found in; empty: the operator's own words
	Element  string // full name; may be empty
	Position string // `file.proto:line:column`, or the file alone; may be empty
	Message  string // what is wrong and what fixes it
	// Scope is set for problems with GraphQL names alone: the service of the method, or the package of the type.
	// There may be many with the same scope, which one line can stand for.
	Scope string
	// Published is the GraphQL name that was given instead of the usual one, if there is a scope.
	Published string
	// Stack tells where the gateway panicked, if the problem stands for a panic. It is for the log alone.
	Stack string
}

// String returns the problem on one line, such as
// `error: backend "orders": orders.proto:12:3: orders.Order: ...`.
func (p Problem) String() string {
	if p.Backend == "" {
		return p.Severity.String() + ": " + p.Summary()
	}
	return fmt.Sprintf("%s: backend %q: %s", p.Severity, p.Backend, p.Summary())
}

// Summary returns the problem on one line without severity and backend.
func (p Problem) Summary() string {
	parts := slices.DeleteFunc([]string{p.Position, p.Element, p.Message}, func(part string) bool { return part == "" })
	return strings.Join(parts, ": ")
}

// GroupByScope returns the problems of each backend and scope together, in the order of the first of each group.
func GroupByScope(problems []Problem) (groups [][]Problem) {
	type place struct{ backend, scope string }
	at := make(map[place]int)
	for _, p := range problems {
		key := place{p.Backend, p.Scope}
		i, known := at[key]
		if !known {
			i = len(groups)
			at[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}
