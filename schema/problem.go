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
	Message  string // what is wrong and what mends it
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
