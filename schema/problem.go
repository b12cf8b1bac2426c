package schema

import (
	"fmt"
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
	var b strings.Builder
	b.WriteString(p.Severity.String())
	if p.Backend != "" {
		fmt.Fprintf(&b, ": backend %q", p.Backend)
	}
	for _, part := range []string{p.Position, p.Element, p.Message} {
		if part != "" {
			b.WriteString(": ")
			b.WriteString(part)
		}
	}
	return b.String()
}
