package gate

import (
	"maps"
	"slices"
)

// graphDocuments finds documents in use that do not fit the graph any more.
var graphDocuments = Rule{"documents", GraphQL, func(c *comparison, r *reporter) {
	for _, name := range slices.Sorted(maps.Keys(c.old.Documents)) {
		if c.ctx.Err() != nil {
			return
		}
		text := c.old.Documents[name]
		if c.old.Graph.Check(text) != nil {
			continue // it fails today
		}
		if err := c.updated.Graph.Check(text); err != nil {
			r.element(Breaking, name, "the document does not run any more: %s", err)
		}
	}
}}
