package gateway

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"buf.build/go/protovalidate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/auth"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// violation is one thing that is wrong with a policy of the admin service, by the field of the request.
type violation = errdetails.BadRequest_FieldViolation

// fieldSelector is `pkg.Message.field`.
var fieldSelector = regexp.MustCompile(`^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$`)

// longestSelector is in bytes.
const longestSelector = 256

// checkPolicy finds what the configuration would be refused for as well.
func checkPolicy(config *configv1.Config, p *adminv1.RegisteredPolicy) []*violation {
	found := formOf(p)
	if len(found) > 0 {
		return found
	}
	c := accessCheck{config: config}
	if p.GetPolicy() != nil {
		c.policy(p.GetPolicy())
	}
	if unless := p.GetField().GetUnless(); unless != "" {
		c.expression(p.GetField(), "unless", unless, auth.CheckUnless)
	}
	return violationsOf(p, errors.Join(c.faults...))
}

// formOf finds what is wrong with a policy wherever it is said.
func formOf(p *adminv1.RegisteredPolicy) (found []*violation) {
	add := func(field, format string, arguments ...any) {
		found = append(found, &violation{Field: field, Description: fmt.Sprintf(format, arguments...)})
	}
	selector := p.GetSelector()
	switch {
	case len(selector) > longestSelector:
		add("selector", "it is longer than %d bytes", longestSelector)
	case p.GetDeleted():
		if !methodSelector.MatchString(selector) {
			add("selector", "%q is none", selector)
		}
		return found
	case p.GetField() != nil && !fieldSelector.MatchString(selector):
		add("selector", "%q names no field; write pkg.Message.field", selector)
	case p.GetField() == nil && !methodSelector.MatchString(selector):
		add("selector", "%q is none; write *, pkg.*, pkg.Service or pkg.Service.Method", selector)
	}
	said, field := saidOf(p)
	switch {
	case said == nil:
		add("policy", "nothing is said; give a policy, or a field's")
		return found
	case proto.Size(said) == 0:
		add(field, "nothing is said in it; delete it to take back what was said")
	}
	if at := unknownIn(said.ProtoReflect(), field); at != "" {
		add(at, "it has a field that this gateway does not know")
	}
	if p.GetField() != nil && p.GetField().GetAction() == policyv1.FieldPolicy_ACTION_UNSPECIFIED {
		add("field.action", "it is missing; to let everyone see the field, say one with unless: 'true'")
	}
	found = append(found, violationsOf(p, checkLengthsOfTime(said.ProtoReflect()))...)
	return append(found, ruleViolations(said, field)...)
}

// saidOf returns what is said, and the field of the request that it stands in.
func saidOf(p *adminv1.RegisteredPolicy) (said proto.Message, field string) {
	switch s := p.GetSaid().(type) {
	case *adminv1.RegisteredPolicy_Policy:
		return s.Policy, "policy"
	case *adminv1.RegisteredPolicy_Field:
		return s.Field, "field"
	}
	return nil, ""
}

// ruleViolations are those of the rules in the .proto file.
func ruleViolations(said proto.Message, field string) []*violation {
	validator, err := configValidator()
	if err == nil {
		err = validator.Validate(said)
	}
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*protovalidate.ValidationError](err)
	if !ok {
		return []*violation{{Field: field, Description: "its rules cannot be checked"}}
	}
	var found []*violation
	for _, v := range invalid.Violations {
		found = append(found, &violation{
			Field:       field + "." + protovalidate.FieldPathString(v.Proto.GetField()),
			Description: v.Proto.GetMessage(),
		})
	}
	return found
}

// violationsOf gives faults the path from the request.
func violationsOf(p *adminv1.RegisteredPolicy, err error) (found []*violation) {
	if err == nil {
		return nil
	}
	said, field := saidOf(p)
	paths := make(map[proto.Message]string)
	pathsIn(said.ProtoReflect(), field, paths)
	for _, fault := range faultsIn(err) {
		path, text := field, fault.Error()
		if f, ok := errors.AsType[*configv1.FaultError](fault); ok {
			if paths[f.In] != "" {
				path = paths[f.In]
			}
			if f.Path != "" {
				path += "." + f.Path
			}
			text = strings.TrimPrefix(text, f.Path+": ")
		}
		found = append(found, &violation{Field: path, Description: text})
	}
	return found
}

// faultsIn takes joined errors apart.
func faultsIn(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range several.Unwrap() {
		all = append(all, faultsIn(one)...)
	}
	return all
}

// pathsIn says where the messages within one stand.
func pathsIn(m protoreflect.Message, at string, paths map[proto.Message]string) {
	paths[m.Interface()] = at
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.Message() == nil || fd.IsMap():
		case fd.IsList():
			for i := range v.List().Len() {
				pathsIn(v.List().Get(i).Message(), fmt.Sprintf("%s.%s[%d]", at, fd.Name(), i), paths)
			}
		default:
			pathsIn(v.Message(), at+"."+string(fd.Name()), paths)
		}
		return true
	})
}

// unknownIn returns where a message has fields that are not known, or nothing.
func unknownIn(m protoreflect.Message, at string) (found string) {
	if len(m.GetUnknown()) > 0 {
		return at
	}
	paths := make(map[proto.Message]string)
	pathsIn(m, at, paths)
	for inside, path := range paths {
		if len(inside.ProtoReflect().GetUnknown()) > 0 && (found == "" || path < found) {
			found = path
		}
	}
	return found
}
