package admin

import (
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema"
)

// matches reports whether a policy's selector matches a method, or a field, of a snapshot.
func matches(p *adminv1.RegisteredPolicy, s *schema.Snapshot) bool {
	if p.GetField() != nil {
		return declaresField(s, p.GetSelector())
	}
	if p.GetSelector() == "*" {
		return true
	}
	within := strings.TrimSuffix(p.GetSelector(), "*")
	if within == p.GetSelector() {
		within += "."
	}
	for _, m := range s.Methods {
		if m.FullName() == p.GetSelector() || strings.HasPrefix(m.FullName(), within) && selectsScope(p.GetSelector(), m) {
			return true
		}
	}
	return false
}

// selectsScope reports whether a selector of more than one method is `pkg.*` or the very service of a method.
func selectsScope(selector string, m *schema.Method) bool {
	return strings.HasSuffix(selector, ".*") || selector == m.Service.FullName()
}

func declaresField(s *schema.Snapshot, field string) bool {
	for _, b := range s.Backends {
		if d, err := b.Files.FindDescriptorByName(protoreflect.FullName(field)); err == nil {
			if _, ok := d.(protoreflect.FieldDescriptor); ok {
				return true
			}
		}
	}
	return false
}

func kindOf(p *adminv1.RegisteredPolicy) string {
	if p.GetField() != nil {
		return "field"
	}
	return "method"
}
