package gate

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
)

// reporter collects what one rule finds.
type reporter struct {
	rule     Rule
	findings *[]Finding
}

func (r *reporter) report(f Finding) {
	f.Rule, f.Surface = r.rule.Name, r.rule.Surface
	*r.findings = append(*r.findings, f)
	if len(*r.findings) >= 2*mostFindings {
		sortFindings(*r.findings)
		*r.findings = (*r.findings)[:mostFindings]
	}
}

// element reports about something that is in no file, such as a route.
func (r *reporter) element(s Severity, name, format string, args ...any) {
	r.report(Finding{Severity: s, Element: name, Message: fmt.Sprintf(format, args...)})
}

// method reports about a method.
func (r *reporter) method(s Severity, m *schema.Method, format string, args ...any) {
	r.elementAt(s, m.Descriptor, []string{m.Path}, format, args...)
}

// elementAt reports about a whole element that callers of the methods see.
func (r *reporter) elementAt(s Severity, d protoreflect.Descriptor, methods []string, format string, args ...any) {
	r.report(Finding{
		Severity: s,
		Element:  string(d.FullName()),
		Position: schema.PositionOf(d),
		Message:  fmt.Sprintf(format, args...),
		Methods:  methods,
	})
}

// member reports about a field or enum value of what old was; at says where it stands now. What another message
// has in its place under a name of its own is named as that one has it.
func (r *reporter) member(s Severity, owner, at protoreflect.Descriptor, name protoreflect.Name, format string, args ...any) {
	element := string(owner.FullName()) + "." + string(name)
	if md, ok := owner.(protoreflect.MessageDescriptor); ok && md.Fields().ByName(name) == nil && at.Name() == name {
		element = string(at.FullName())
	}
	r.report(Finding{
		Severity: s,
		Element:  element,
		Position: schema.PositionOf(at),
		Message:  fmt.Sprintf(format, args...),
		about:    owner,
	})
}

// enum reports about a whole enum of the old snapshot; at says where it stands now.
func (r *reporter) enum(s Severity, old, at protoreflect.EnumDescriptor, format string, args ...any) {
	r.report(Finding{
		Severity: s,
		Element:  string(at.FullName()),
		Position: schema.PositionOf(at),
		Message:  fmt.Sprintf(format, args...),
		about:    old,
	})
}
