package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// claim is what wants a GraphQL name: a type, or the root field of a method. It is immutable, and kept with the backend.
type claim struct {
	key        string // the full name, or derivation.key
	backend    *Backend
	descriptor protoreflect.Descriptor
	method     *Method // nil: it is a type
	position   func() string
	noun       string // what it is, for messages
	want       string // by option, or else by rule
	byOption   bool
	misnamed   string        // what an option says and is no name
	qualified  string        // where want is not free
	mend       string        // the options that give another name
	derived    []broughtType // names that the claimed one brings with it
}

// broughtType is a derivation of some type, spelled out.
type broughtType struct {
	derivation
	key string
	end string // of the name, behind the type's
}

func brought(message string, d derivation) broughtType {
	return broughtType{d, d.key(message), d.of("")}
}

// claimOf returns what a type or a method wants by rule and by option.
func claimOf(b *Backend, d protoreflect.Descriptor, byRule, byOption string) *claim {
	c := &claim{
		key: string(d.FullName()), backend: b, descriptor: d, want: byRule,
		position: sync.OnceValue(func() string { return PositionOf(d) }),
	}
	switch {
	case byOption == "":
	case !isGraphQLName(byOption):
		c.misnamed = byOption
	default:
		c.want, c.byOption = byOption, true
	}
	return c
}

// nameTypes gives types and root fields their GraphQL names.
func (c *compiler) nameTypes() {
	lock := c.in.Names
	if lock == nil {
		lock = new(Names)
	}
	r := reachFrom(c.snapshot.Backends)
	c.reportConflicts(r)
	c.snapshot.Groups = c.groupsOf(r)
	types := newAllocation(lock.Types, reservedTypes, c.judged(r.claims()))
	types.allocate()
	c.warnOfNames(types)
	fields := newAllocation(lock.Fields, reservedFields, c.judged(fieldClaims(c.snapshot.Backends)))
	fields.prefixAlways = c.in.PrefixFields
	fields.allocate()
	c.warnOfNames(fields)
	c.snapshot.Names = &Names{Types: types.given, Fields: fields.given}
}

var (
	reservedTypes = []string{
		"Query", "Mutation", "Subscription",
		"Int", "Float", "String", "Boolean", "ID",
		"Int64", "UInt64", "UInt32", "DateTime", "Duration", "Bytes", "JSON",
		"_Service", "_Entity", "_Any",
	}
	reservedFields = []string{"_service", "_entities"}
)

// judged returns the claims, and tells of options that give none.
func (c *compiler) judged(claims []*claim) []*claim {
	for _, claimed := range claims {
		if claimed.misnamed != "" {
			c.warnAt(claimed, "%q is no GraphQL name; %s stays as it would be without the option", claimed.misnamed, claimed.want)
		}
	}
	return claims
}

func (c *compiler) warnAt(claimed *claim, format string, arguments ...any) {
	c.report(claimed.problem(format, arguments...))
}

func (claimed *claim) problem(format string, arguments ...any) Problem {
	return Problem{
		Severity: Warning,
		Backend:  claimed.backend.Name,
		Element:  string(claimed.descriptor.FullName()),
		Position: claimed.position(),
		Message:  fmt.Sprintf(format, arguments...),
	}
}

// typeClaim returns what a type wants.
func typeClaim(b *Backend, d protoreflect.Descriptor) *claim {
	c := claimOf(b, d, nestedName(d), typeOption(d))
	c.noun, c.mend = "type", "graphql_name or graphql_type_prefix"
	c.qualified = qualifiedType(c.key)
	return c
}

// nestedName returns a type's name without its package, as Outer_Inner.
func nestedName(d protoreflect.Descriptor) string {
	name := string(d.Name())
	for parent := d.Parent(); parent != nil; parent = parent.Parent() {
		if _, ok := parent.(protoreflect.FileDescriptor); ok {
			break
		}
		name = string(parent.Name()) + "_" + name
	}
	return name
}

// qualifiedType makes acme_shop_v1_Item of acme.shop.v1.Item.
func qualifiedType(fullName string) string {
	return validStart(strings.ReplaceAll(fullName, ".", "_"))
}

// typeOption returns the name that options give a type, or "".
func typeOption(d protoreflect.Descriptor) string {
	var name string
	switch d.(type) {
	case protoreflect.MessageDescriptor:
		name = extensionOf[*optionsv1.MessageOptions](d.Options(), optionsv1.E_Message).GetGraphqlName()
	case protoreflect.EnumDescriptor:
		name = extensionOf[*optionsv1.EnumOptions](d.Options(), optionsv1.E_Enum).GetGraphqlName()
	}
	if name != "" {
		return name
	}
	file := extensionOf[*optionsv1.FileOptions](d.ParentFile().Options(), optionsv1.E_File)
	if prefix := file.GetGraphqlTypePrefix(); prefix != "" {
		return prefix + nestedName(d)
	}
	return ""
}

// fieldsKey is where the claims of a backend's methods are kept with it.
type fieldsKey struct{}

// fieldClaims returns what the methods in the graph want.
func fieldClaims(backends []*Backend) (claims []*claim) {
	for _, b := range backends {
		claims = append(claims, b.Derived(fieldsKey{}, func() any { return fieldClaimsOf(b) }).([]*claim)...)
	}
	return claims
}

func fieldClaimsOf(b *Backend) (claims []*claim) {
	for _, s := range b.Services {
		for _, m := range s.Methods {
			if m.Operation == Hidden {
				continue
			}
			c := claimOf(b, m.Descriptor, validStart(camel(string(m.Descriptor.Name()))), fieldOption(m))
			c.method = m
			c.noun, c.mend = "root field", "graphql.name of the method or graphql.prefix of the service"
			c.qualified = validStart(qualifiedField(m.FullName()))
			claims = append(claims, c)
		}
	}
	return claims
}

// fieldOption returns the name that options give a root field, or "".
func fieldOption(m *Method) string {
	if name := m.Options.GetGraphql().GetName(); name != "" {
		return name
	}
	if prefix := m.Service.Options.GetGraphql().GetPrefix(); prefix != "" {
		return prefix + pascal(string(m.Descriptor.Name()))
	}
	return ""
}

// qualifiedField makes acmeShopV1ItemServiceGet of acme.shop.v1.ItemService.Get.
func qualifiedField(method string) string {
	parts := strings.Split(method, ".")
	name := camel(parts[0])
	for _, part := range parts[1:] {
		name += upperFirst(part)
	}
	return name
}

// validStart puts something before a digit, with which no GraphQL name starts, and
// before two underscores, with which only GraphQL's own names do.
func validStart(name string) string {
	switch {
	case strings.HasPrefix(name, "__"):
		return "x" + name
	case name != "" && '0' <= name[0] && name[0] <= '9':
		return "_" + name
	}
	return name
}

// isGraphQLName reports whether a schema may use a name. Those with two underscores
// in front are GraphQL's own.
func isGraphQLName(name string) bool {
	if name == "" || '0' <= name[0] && name[0] <= '9' || strings.HasPrefix(name, "__") {
		return false
	}
	for i := range len(name) {
		switch c := name[i]; {
		case c == '_', '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		default:
			return false
		}
	}
	return true
}

// warnOfNames reports the claims that did not get the name they want because another one
// has it, or wants it too.
func (c *compiler) warnOfNames(a *allocation) {
	rivals := sync.OnceValue(a.rivals) // in most schemas nobody asks
	for _, claimed := range slices.Concat(a.claims, a.brought) {
		given := a.given[claimed.key]
		if given == "" || given == claimed.want {
			continue
		}
		var p Problem
		owner, taken := a.owner[claimed.want]
		switch {
		case a.prefixAlways && claimed.method != nil && given == a.prefixes.of(claimed.method):
			continue
		case taken || !isGraphQLName(claimed.want):
			p = claimed.problem("the GraphQL name %s belongs to %s; this %s is published as %s, and the option %s gives it another name",
				claimed.want, a.describeOwner(owner), claimed.noun, given, claimed.mend)
		case len(rivals()[claimed.want]) > 1:
			p = claimed.problem("%d methods have the GraphQL name %s (another is %s); this %s is published as %s, and the option %s gives it another name",
				len(rivals()[claimed.want]), claimed.want, a.describeOwner(rivalOf(claimed, rivals())), claimed.noun, given, claimed.mend)
		default:
			continue
		}
		p.Scope, p.Published = claimed.scope(), given
		c.report(p)
	}
}

// rivals returns the claims of root fields that want a name by rule, by that name.
func (a *allocation) rivals() map[string][]*claim {
	rivals := make(map[string][]*claim, len(a.claims))
	for _, claimed := range a.claims {
		if claimed.method != nil && !claimed.byOption {
			rivals[claimed.want] = append(rivals[claimed.want], claimed)
		}
	}
	return rivals
}

// rivalOf returns the key of the first other claim that wants the same name.
func rivalOf(claimed *claim, rivals map[string][]*claim) string {
	first := rivals[claimed.want][0]
	if first == claimed {
		first = rivals[claimed.want][1]
	}
	return first.key
}

// scope returns the service of a root field, or the package of a type; of a type without package its file.
func (claimed *claim) scope() string {
	if claimed.method != nil {
		return claimed.method.Service.FullName()
	}
	file := claimed.descriptor.ParentFile()
	return cmp.Or(string(file.Package()), file.Path())
}
