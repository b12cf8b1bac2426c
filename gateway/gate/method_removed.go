package gate

// serviceRemoved finds services that are not served any more. Their methods are not
// reported one by one.
var serviceRemoved = Rule{"service-removed", Wire, func(c *comparison, r *reporter) {
	for _, s := range c.old.Snapshot.Services {
		if c.updated.Snapshot.Service(s.FullName()) != nil {
			continue
		}
		f := Finding{Severity: Breaking, Element: s.FullName(), Message: "the service is not served any more"}
		for _, m := range s.Methods {
			f.Methods = append(f.Methods, m.Path)
		}
		r.report(f)
	}
}}

// methodRemoved finds methods that their services do not have any more.
var methodRemoved = Rule{"method-removed", Wire, func(c *comparison, r *reporter) {
	for _, m := range eachMethod(c.old.Snapshot) {
		if c.updated.Snapshot.Service(m.Service.FullName()) != nil && c.updated.Snapshot.Method(m.Path) == nil {
			r.report(Finding{
				Severity: Breaking, Element: m.FullName(), Methods: []string{m.Path},
				Message: "the service does not have this method any more",
			})
		}
	}
}}

// methodAdded finds methods that were not served before.
var methodAdded = Rule{"method-added", Wire, func(c *comparison, r *reporter) {
	for _, m := range eachMethod(c.updated.Snapshot) {
		if c.old.Snapshot.Method(m.Path) == nil {
			r.method(Safe, m, "the method is new")
		}
	}
}}
