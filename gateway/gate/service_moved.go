package gate

import (
	"slices"

	"github.com/protean-gateway/protean/schema"
)

// serviceServedByOther finds services whose calls would go to another backend than before, and services
// of a new registration that another backend serves and keeps.
var serviceServedByOther = Rule{"service-served-by-other", Wire, func(c *comparison, r *reporter) {
	change := c.updated.Registration
	for _, old := range c.old.Snapshot.Services {
		updated := c.updated.Snapshot.Service(old.FullName())
		if updated == nil || updated.Backend.Name == old.Backend.Name {
			continue
		}
		severity := Breaking
		if updated.Backend.Name == change.Backend && slices.Contains(change.TakesOver, old.FullName()) {
			severity = Dangerous
		}
		r.moved(severity, old, "was served by backend %s and is now served by backend %s", old.Backend.Name, updated.Backend.Name)
	}
	for _, name := range change.Claims {
		if holder := c.updated.Snapshot.Service(name); holder != nil && holder.Backend.Name != change.Backend {
			r.moved(Breaking, holder, "is served by backend %s, which keeps it; --take-over (take_over) moves it to backend %s",
				holder.Backend.Name, change.Backend)
		}
	}
}}

// moved reports about a service as all of its callers see it.
func (r *reporter) moved(s Severity, of *schema.Service, format string, args ...any) {
	methods := make([]string, len(of.Methods))
	for i, m := range of.Methods {
		methods[i] = m.Path
	}
	r.elementAt(s, of.Descriptor, methods, format, args...)
}
