package gateway

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// positions knows where the messages of a configuration stand in its file. Messages that
// came from elsewhere, such as the command line, stand nowhere.
type positions struct {
	name  string // of the file
	nodes map[proto.Message]*yaml.Node
}

// newPositions goes through a message and the YAML that it was read from side by side.
func newPositions(name string, root *yaml.Node, m proto.Message) *positions {
	p := &positions{name: name, nodes: make(map[proto.Message]*yaml.Node)}
	if root.Kind == yaml.DocumentNode && len(root.Content) > 0 {
		root = root.Content[0]
	}
	p.add(m.ProtoReflect(), root)
	return p
}

func (p *positions) add(m protoreflect.Message, n *yaml.Node) {
	p.nodes[m.Interface()] = n
	if n.Kind != yaml.MappingNode {
		return // a Duration, and others that are written as text
	}
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		value := entry(n, fd)
		switch {
		case value == nil || fd.Message() == nil:
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				if at := keyed(value, k.String()); at != nil && fd.MapValue().Message() != nil {
					p.add(v.Message(), at)
				}
				return true
			})
		case fd.IsList():
			for i := range min(v.List().Len(), len(value.Content)) {
				p.add(v.List().Get(i).Message(), value.Content[i])
			}
		default:
			p.add(v.Message(), value)
		}
		return true
	})
}

// entry returns the value of a field in a mapping, in either spelling of its name, or nil.
func entry(n *yaml.Node, fd protoreflect.FieldDescriptor) *yaml.Node {
	if at := keyed(n, string(fd.Name())); at != nil {
		return at
	}
	return keyed(n, fd.JSONName())
}

func keyed(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

// of returns where a part of a message stands, as file:line:column, or where as much of
// it does as is written; empty where nothing is known of the message.
func (p *positions) of(m proto.Message, path string) string {
	if p == nil {
		return ""
	}
	n := p.nodes[m]
	if n == nil {
		return ""
	}
	for _, step := range steps(path) {
		next := child(n, step)
		if next == nil {
			break
		}
		n = next
	}
	return fmt.Sprintf("%s:%d:%d", p.name, n.Line, n.Column)
}

// steps takes a path such as `keys[2].sha256` apart.
func steps(path string) []string {
	return strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

func child(n *yaml.Node, step string) *yaml.Node {
	if n.Kind == yaml.SequenceNode {
		if i, err := strconv.Atoi(step); err == nil && i < len(n.Content) {
			return n.Content[i]
		}
		return nil
	}
	if at := keyed(n, step); at != nil {
		return at
	}
	return keyed(n, camelCase(step))
}

// locate begins the error with the position of what it is about. Of several errors each
// gets its own. One whose position is not known stays as it is.
func (p *positions) locate(err error) error {
	if p == nil || err == nil {
		return err
	}
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		var located []error
		for _, one := range several.Unwrap() {
			located = append(located, p.locate(one))
		}
		return errors.Join(located...)
	}
	fault, ok := errors.AsType[*configv1.FaultError](err)
	if !ok {
		return err
	}
	if at := p.of(fault.In, fault.Path); at != "" {
		return fmt.Errorf("%s: %w", at, err)
	}
	return err
}

// policies returns the positions of what is said of methods: overlays, rules, and each
// block of their policies.
func (p *positions) policies(config *configv1.Config) map[proto.Message]string {
	known := make(map[proto.Message]string)
	if p == nil {
		return known
	}
	for _, o := range config.GetOverlays() {
		known[o] = p.of(o, "")
		p.blocks(known, o.GetMethod().GetPolicy())
		p.blocks(known, o.GetService().GetPolicy())
		if field := o.GetField().GetPolicy(); field != nil {
			known[field] = p.of(field, "")
		}
	}
	for _, r := range config.GetPolicies() {
		known[r] = p.of(r, "selector")
		p.blocks(known, r.GetPolicy())
	}
	return known
}

func (p *positions) blocks(known map[proto.Message]string, policy proto.Message) {
	policy.ProtoReflect().Range(func(_ protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		block := v.Message().Interface()
		if at := p.of(block, ""); at != "" {
			known[block] = at
		}
		return true
	})
}
