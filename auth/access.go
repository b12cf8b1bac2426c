package auth

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema"
)

// access is what the calls of one method need. It is immutable.
type access struct {
	// closed says why nobody may call; empty where somebody may.
	closed string
	// anonymous: callers without credentials are not refused at once.
	anonymous bool
	// public: it does not matter which authenticator a caller has been to.
	public bool
	// authenticators are lists, of each of which the caller's must be one.
	authenticators [][]string
	// conditions must all hold.
	conditions []condition
}

// condition is one compiled `authorize` block.
type condition struct {
	scopes, roles []string
	rule          *expression
	external      *Authorizer
}

// accessCompiler decides what the methods of a snapshot need.
type accessCompiler struct {
	options      *PolicyOptions
	environments *environments
	problems     []schema.Problem
}

// refuse closes a method to everyone and reports why, and where that stands. The first reason is kept.
func (c *accessCompiler) refuse(m *schema.Method, a *access, position, format string, arguments ...any) {
	why := fmt.Sprintf(format, arguments...)
	if a.closed == "" {
		a.closed = why
	}
	c.problems = append(c.problems, schema.Problem{
		Severity: schema.Warning,
		Backend:  m.Service.Backend.Name,
		Element:  m.FullName(),
		Position: position,
		Message:  "calls are refused: " + why,
	})
}

// of returns what a method needs, and nil where everyone may call it. The operator
// and the .proto file are separate origins: what the file says can only narrow what
// the operator allows, unless the operator trusts it and says nothing.
func (c *accessCompiler) of(m *schema.Method) *access {
	said, file := m.Operator.GetAuthorize(), c.fileAuthorize(m)
	configured := len(c.options.Authenticators) > 0
	a := new(access)
	switch {
	case said != nil:
		a.public = said.GetPublic()
	case file != nil && (c.options.TrustProtoPolicies || !configured):
		a.public = file.GetPublic()
	case configured && file != nil:
		c.refuse(m, a, schema.PositionOf(m.Descriptor), "the operator allows nothing here, and the .proto file's authorize is not trusted to (trust_proto_policies)")
	case configured:
		a.closed = "no policy allows the call"
	default:
		return nil
	}
	c.authenticate(m, a)
	for _, block := range []*policyv1.Authorize{said, file} {
		c.add(m, a, block)
	}
	if a.public && len(a.conditions) == 0 && a.closed == "" {
		return nil
	}
	return a
}

// fileAuthorize returns what the .proto file says of a method or, if that is
// nothing, of its service.
func (c *accessCompiler) fileAuthorize(m *schema.Method) *policyv1.Authorize {
	if said := m.Options.GetPolicy().GetAuthorize(); said != nil {
		return said
	}
	return m.Service.Options.GetPolicy().GetAuthorize()
}

// authenticate compiles who vouches for callers.
func (c *accessCompiler) authenticate(m *schema.Method, a *access) {
	said := m.Operator.GetAuthenticate()
	file := m.Options.GetPolicy().GetAuthenticate()
	if file == nil {
		file = m.Service.Options.GetPolicy().GetAuthenticate()
	}
	a.anonymous = a.public || said.GetOptional() || said == nil && c.options.TrustProtoPolicies && file.GetOptional()
	for _, block := range []*policyv1.Authenticate{said, file} {
		if len(block.GetAnyOf()) == 0 {
			continue
		}
		for _, name := range block.GetAnyOf() {
			if !slices.Contains(c.options.Authenticators, name) {
				c.refuse(m, a, placeOf(m, block == said, "authenticate"), "authenticate.any_of names %q, and there is no such authenticator", name)
			}
		}
		a.authenticators = append(a.authenticators, block.GetAnyOf())
	}
}

// placeOf is where the operator said a part of a method's policy, or the place of the method in its file.
func placeOf(m *schema.Method, byOperator bool, part protoreflect.Name) string {
	if byOperator {
		return m.Said[part].Position
	}
	return schema.PositionOf(m.Descriptor)
}

// add compiles an `authorize` block.
func (c *accessCompiler) add(m *schema.Method, a *access, said *policyv1.Authorize) {
	if said == nil {
		return
	}
	place := placeOf(m, said == m.Operator.GetAuthorize(), "authorize")
	one := condition{scopes: said.GetScopes(), roles: said.GetRoles()}
	if text := said.GetRule(); text != "" {
		rule, err := c.environments.rule(m, text)
		if err != nil {
			c.refuse(m, a, place, "authorize.rule: %s", err)
		}
		one.rule = rule
	}
	if name := said.GetExternal(); name != "" {
		if one.external = c.options.Authorizers[name]; one.external == nil {
			c.refuse(m, a, place, "authorize.external names %q, and there is no such authorizer", name)
		}
	}
	if len(one.scopes) > 0 || len(one.roles) > 0 || one.rule != nil || one.external != nil {
		a.conditions = append(a.conditions, one)
	}
}
