package schema

import (
	"errors"
	"regexp"
	"strings"
)

// ExpressionFault makes one line, as problems have it, of what CEL says in several about an expression, with the
// expression itself below: that is written where the problem says.
func ExpressionFault(err error) error {
	text, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(inputPlace.ReplaceAllString(text, "at $1 of the expression: "))
}

var inputPlace = regexp.MustCompile(`ERROR: <input>:(\d+:\d+): `)
