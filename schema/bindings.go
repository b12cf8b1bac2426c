package schema

import (
	"slices"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// bindings returns the http rule of a method and its additional bindings.
func (c *compiler) bindings(m *Method) []*Binding {
	if !proto.HasExtension(m.Descriptor.Options(), annotations.E_Http) {
		return nil
	}
	rule := proto.GetExtension(m.Descriptor.Options(), annotations.E_Http).(*annotations.HttpRule)
	bindings := c.appendBinding(nil, m, rule, c.rulePosition(m, -1))
	for i, additional := range rule.GetAdditionalBindings() {
		position := c.rulePosition(m, i)
		if len(additional.GetAdditionalBindings()) > 0 {
			c.warnRule(m, position, "an additional binding has additional bindings of its own, which are left out")
		}
		bindings = c.appendBinding(bindings, m, additional, position)
	}
	return bindings
}

func (c *compiler) appendBinding(bindings []*Binding, m *Method, rule *annotations.HttpRule, position string) []*Binding {
	verb, template := pattern(rule)
	if verb == "" || template == "" {
		c.warnRule(m, position, "an http rule without a method and a path is left out")
		return bindings
	}
	return append(bindings, &Binding{
		Method:       m,
		Verb:         verb,
		Template:     template,
		Body:         rule.GetBody(),
		ResponseBody: rule.GetResponseBody(),
		Position:     position,
	})
}

func pattern(rule *annotations.HttpRule) (verb, template string) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET", p.Get
	case *annotations.HttpRule_Put:
		return "PUT", p.Put
	case *annotations.HttpRule_Post:
		return "POST", p.Post
	case *annotations.HttpRule_Delete:
		return "DELETE", p.Delete
	case *annotations.HttpRule_Patch:
		return "PATCH", p.Patch
	case *annotations.HttpRule_Custom:
		return p.Custom.GetKind(), p.Custom.GetPath()
	}
	return "", ""
}

func (c *compiler) warnRule(m *Method, position, message string) {
	c.report(Problem{
		Severity: Warning,
		Backend:  m.Service.Backend.Name,
		Element:  m.FullName(),
		Position: position,
		Message:  message,
	})
}

// overlayPosition stands for the position of a rule that no file has.
const overlayPosition = "overlay"

// Numbers of fields on the way from a file to the http rule of a method.
const (
	fileServices       = 6
	serviceMethods     = 2
	methodOptions      = 4
	additionalBindings = 11
)

// ruleVerbs are the numbers of get, put, post, delete, patch and custom.
var ruleVerbs = []int32{2, 3, 4, 5, 6, 8}

// rulePosition returns where a rule stands; additional counts additional bindings and
// is -1 for the rule itself.
func (c *compiler) rulePosition(m *Method, additional int) string {
	if position := c.overlays.httpPosition(m.FullName()); position != "" {
		return position
	}
	method := protoreflect.SourcePath{
		fileServices, int32(m.Service.Descriptor.Index()),
		serviceMethods, int32(m.Descriptor.Index()),
	}
	rule := within(method, methodOptions, int32(annotations.E_Http.TypeDescriptor().Number()))
	var paths []protoreflect.SourcePath
	if additional >= 0 {
		paths = append(paths, within(rule, additionalBindings, int32(additional)))
	}
	paths = append(paths, rule)
	for _, verb := range ruleVerbs {
		paths = append(paths, within(rule, verb)) // `option (google.api.http).get = ...`
	}
	return positionAt(m.Descriptor.ParentFile(), append(paths, method)...)
}

func within(path protoreflect.SourcePath, steps ...int32) protoreflect.SourcePath {
	return slices.Concat(path, steps)
}
