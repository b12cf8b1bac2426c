package schema

import (
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
)

// claim is what wants a GraphQL name: a type, or the root field of a method.
type claim struct {
	key        string // the full name, or derivation.key
	backend    *Backend
	descriptor protoreflect.Descriptor
	noun       string // what it is, for messages
	want       string // by option, or else by rule
	byOption   bool
	qualified  string       // where want is not free
	mend       string       // the options that give another name
	derived    []derivation // names that the claimed one brings with it
}

// nameTypes gives types and root fields their GraphQL names.
func (c *compiler) nameTypes() {
	lock := c.in.Names
	if lock == nil {
		lock = new(Names)
	}
	r := reachFrom(c.snapshot.Services)
	c.reportConflicts(r)
	c.snapshot.Groups = c.groupsOf(r)
	types := newAllocation(lock.Types, reservedTypes, c.typeClaims(r))
	types.allocate()
	c.warnOfNames(types)
	fields := newAllocation(lock.Fields, reservedFields, c.fieldClaims())
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

// typeClaims returns what types want, in the order of their first use.
func (c *compiler) typeClaims(r *reach) []*claim {
	claims := make([]*claim, 0, len(r.types))
	for _, t := range r.types {
		d := t.first()
		claimed := &claim{
			key:        t.fullName,
			backend:    t.backend,
			descriptor: d,
			noun:       "type",
			want:       nestedName(d),
			qualified:  qualifiedType(t.fullName),
			mend:       "graphql_name or graphql_type_prefix",
			derived:    t.derivations,
		}
		c.claimByOption(claimed, typeOption(d))
		claims = append(claims, claimed)
	}
	return claims
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

// fieldClaims returns what the methods in the graph want.
func (c *compiler) fieldClaims() []*claim {
	var claims []*claim
	for _, s := range c.snapshot.Services {
		for _, m := range s.Methods {
			if m.Operation == Hidden {
				continue
			}
			claimed := &claim{
				key:        m.FullName(),
				backend:    s.Backend,
				descriptor: m.Descriptor,
				noun:       "root field",
				want:       validStart(camel(string(m.Descriptor.Name()))),
				qualified:  validStart(qualifiedField(m.FullName())),
				mend:       "graphql.name of the method or graphql.prefix of the service",
			}
			c.claimByOption(claimed, fieldOption(m))
			claims = append(claims, claimed)
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

var graphQLName = regexp.MustCompile(`^[_A-Za-z][_0-9A-Za-z]*$`)

// isGraphQLName reports whether a schema may use a name. Those with two underscores
// in front are GraphQL's own.
func isGraphQLName(name string) bool {
	return graphQLName.MatchString(name) && !strings.HasPrefix(name, "__")
}

// claimByOption makes a claim want the name of an option, if it is a name at all.
func (c *compiler) claimByOption(claimed *claim, name string) {
	switch {
	case name == "":
	case !isGraphQLName(name):
		c.warn(claimed.backend, claimed.descriptor, "%q is no GraphQL name; %s stays as it would be without the option", name, claimed.want)
	default:
		claimed.want, claimed.byOption = name, true
	}
}

// warnOfNames tells which claims did not get the name they wanted because another
// has it.
func (c *compiler) warnOfNames(a *allocation) {
	for _, claimed := range slices.Concat(a.claims, a.brought) {
		given := a.given[claimed.key]
		owner, taken := a.owner[claimed.want]
		if given == "" || given == claimed.want || !taken && isGraphQLName(claimed.want) {
			continue
		}
		c.warn(claimed.backend, claimed.descriptor, "the GraphQL name %s belongs to %s; this %s is published as %s, and the option %s gives it another name",
			claimed.want, a.describeOwner(owner), claimed.noun, given, claimed.mend)
	}
}
