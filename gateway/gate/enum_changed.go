package gate

// enumValueRemoved finds enum numbers that mean nothing any more and are free again.
var enumValueRemoved = Rule{"enum-value-removed", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.enums {
		for i := range p.old.Values().Len() {
			v := p.old.Values().Get(i)
			if p.updated.Values().ByNumber(v.Number()) != nil {
				continue
			}
			if p.updated.ReservedRanges().Has(v.Number()) {
				r.member(Safe, p.old, p.updated, v.Name(), "the value is removed from %s, and its number %d is reserved", p.where(), v.Number())
				continue
			}
			r.member(Breaking, p.old, p.updated, v.Name(),
				"the value is removed from %s, and its number %d is not reserved: another value could take it", p.where(), v.Number())
		}
	}
}}

// enumClosed finds enums that refuse unknown numbers now.
var enumClosed = Rule{"enum-closed", Wire, func(c *comparison, r *reporter) {
	for _, p := range c.enums {
		if !p.old.IsClosed() && p.updated.IsClosed() {
			r.enum(Dangerous, p.old, p.updated, "the enum is closed now: unknown numbers are not kept")
		}
	}
}}

// jsonEnumValue finds names of enum values that mean nothing any more in JSON.
var jsonEnumValue = Rule{"json-enum-value", JSON, func(c *comparison, r *reporter) {
	for _, p := range c.enums {
		if isWellKnown(p.old) {
			continue
		}
		for i := range p.old.Values().Len() {
			v := p.old.Values().Get(i)
			if p.updated.Values().ByName(v.Name()) != nil {
				continue
			}
			if now := p.updated.Values().ByNumber(v.Number()); now != nil {
				r.member(Breaking, p.old, now, v.Name(), "the value %d has the name %s in %s now", v.Number(), now.Name(), p.where())
				continue
			}
			r.member(Breaking, p.old, p.updated, v.Name(), "the value's name is removed from %s", p.where())
		}
	}
}}
