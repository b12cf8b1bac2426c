package graph

import (
	"strconv"
	"strings"
)

// inputPath leads from a variable or a root field to a value, such as `input`, `.book` and `[2]`. It
// is written out only where something is wrong there.
type inputPath []inputStep

// inputStep is the name of a field or, without one, an index in a list.
type inputStep struct {
	name  string
	index int
}

// String has a dot before each name.
func (p inputPath) String() string {
	var b strings.Builder
	for _, step := range p {
		if step.name != "" {
			b.WriteByte('.')
			b.WriteString(step.name)
			continue
		}
		b.WriteByte('[')
		b.WriteString(strconv.Itoa(step.index))
		b.WriteByte(']')
	}
	return b.String()
}
