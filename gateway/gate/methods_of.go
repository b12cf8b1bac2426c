package gate

import (
	"context"
	"maps"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// The bounds of looking for the methods that findings concern: all methods may lead to each message.
const (
	namedFindings = 2000
	namedSteps    = 4_000_000 // from one message to another, or to a method: about 1 µs each
)

// findMethods looks for the methods of the first findings that are about messages or enums, until the bounds
// or the context are met.
func (c *comparison) findMethods(findings []Finding) {
	known := make(map[protoreflect.Descriptor][]string)
	left := namedSteps
	for i := range findings[:min(len(findings), namedFindings)] {
		f := &findings[i]
		if f.about == nil {
			continue
		}
		paths, found := known[f.about]
		if !found && left > 0 && c.ctx.Err() == nil {
			paths = c.methodsOf(c.ctx, f.about, &left)
			known[f.about] = paths
		}
		f.Methods, f.about = paths, nil
	}
}

// methodsOf returns the paths of the methods that lead to a message or enum of the old
// snapshot, sorted. It walks from the type back through the messages that hold it, and returns nothing where it comes to
// no end within what is left of the steps.
func (w *pairWalk) methodsOf(ctx context.Context, d protoreflect.Descriptor, left *int) []string {
	seen := map[protoreflect.Descriptor]bool{d: true}
	paths := make(map[string]bool)
	for queue := []protoreflect.Descriptor{d}; len(queue) > 0; queue = queue[1:] {
		*left -= len(w.callers[queue[0]]) + len(w.holders[queue[0]]) + 1
		if *left < 0 || ctx.Err() != nil {
			return nil
		}
		for _, path := range w.callers[queue[0]] {
			paths[path] = true
		}
		for _, holder := range w.holders[queue[0]] {
			if !seen[holder] {
				seen[holder] = true
				queue = append(queue, holder)
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}
