package graph

import (
	"slices"
	"strings"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// readMask is what the read mask of a method is about (AIP-157).
type readMask struct {
	field    *wire.Field   // of the request
	elements *wire.Field   // the list of the response that has the resources; nil: the response is the resource
	resource *wire.Message // to which the paths belong
	// declared: the resource is declared as one (google.api.resource). If it is not, the paths might belong to something else, and
	// clients have the mask as an argument.
	declared bool
}

// readMaskOf returns the read mask of a method. It is nil if the method has none, or if the response does not show to what
// the paths belong.
func readMaskOf(m *schema.Method) *readMask {
	f := m.Input.FieldByName("read_mask")
	if f == nil || !isMask(f) {
		return nil
	}
	if resourceOf(m.Output.Descriptor()) != nil {
		return &readMask{field: f, resource: m.Output, declared: true}
	}
	list := soleElements(m.Output)
	if list == nil {
		return nil
	}
	of := list.Message()
	return &readMask{field: f, elements: list, resource: of, declared: resourceOf(of.Descriptor()) != nil}
}

// soleElements returns the list of messages of a response, if it has no other messages.
func soleElements(m *wire.Message) *wire.Field {
	var sole *wire.Field
	for _, f := range m.Fields() {
		if f.Message() == nil || wellKnown(f.Message()) {
			continue
		}
		if sole != nil || !f.IsList() {
			return nil
		}
		sole = f
	}
	return sole
}

// derived reports whether the mask is made of the selection. A mask that clients can give is made only if it is required.
func (r *readMask) derived() bool {
	return r != nil && (r.declared || requiredInput(r.field.Descriptor()))
}

// encode returns a mask of paths. A required mask without paths asks for one field of the resource, its name if it has one.
func (r *readMask) encode(paths []string) []byte {
	if len(paths) == 0 {
		if !requiredInput(r.field.Descriptor()) {
			return nil
		}
		paths = onePath(r.resource)
	}
	return appendMask(nil, r.field, paths)
}

func onePath(m *wire.Message) []string {
	if name := nameField(m.Descriptor()); name != nil {
		return []string{string(name.Name())}
	}
	for _, f := range m.Fields() {
		return []string{protoName(f)}
	}
	return []string{"*"} // AIP-161: everything, of a message without fields
}

// readMask returns the read mask of a request, encoded: the paths of what is
// selected, and of the keys of what is joined.
func (p *planner) readMask(r *root, selections []wire.Selection, joins []*joinOutput) []byte {
	mask := readMaskOf(r.method)
	if r.input == nil || !mask.derived() {
		return nil
	}
	if mask.elements == nil {
		return mask.encode(readPathsOf(mask.resource, selections, joins))
	}
	collector := readPaths{joins: joins, seen: make(map[string]bool)}
	for i := range selections {
		if s := &selections[i]; s.Kind == wire.SelectField && s.Field == mask.elements {
			collector.selections("", mask.resource, s.Children)
		}
	}
	return mask.encode(collector.whole())
}

// pageMask returns the read mask of a connection: the paths of what is selected of its nodes.
func (p *planner) pageMask(r *root, c *connectionPlan) []byte {
	mask := readMaskOf(r.method)
	if r.input == nil || !mask.derived() || mask.elements != r.connection.items.Field() {
		return nil
	}
	return mask.encode(merged(c.read))
}

// merged returns paths in order, each once, less those below another one.
func merged(paths []string) []string {
	collector := readPaths{seen: make(map[string]bool)}
	for _, path := range paths {
		collector.add(path)
	}
	return collector.whole()
}

// readPathsOf returns the paths of what is selected of a message, in order.
func readPathsOf(m *wire.Message, selections []wire.Selection, joins []*joinOutput) []string {
	collector := readPaths{joins: joins, seen: make(map[string]bool)}
	collector.selections("", m, selections)
	return collector.whole()
}

// readMask returns the read mask of what is fetched for all selections of a join together. It is empty
// where one of them needs all, or nothing but to know whether the result is there.
func (w *wave) readMask() []byte {
	switch {
	case w.join.readMask == nil || len(w.selections) == 0:
		return nil
	case len(w.selections) == 1:
		return w.selections[0].output.mask
	}
	var together []string
	for _, selected := range w.selections {
		if len(selected.output.paths) == 0 {
			return nil
		}
		together = append(together, selected.output.paths...)
	}
	return appendMask(nil, w.join.readMask, merged(together))
}

// readPaths collects paths in proto names.
type readPaths struct {
	joins []*joinOutput
	paths []string
	seen  map[string]bool
}

func (m *readPaths) add(path string) {
	if !m.seen[path] {
		m.seen[path] = true
		m.paths = append(m.paths, path)
	}
}

func (m *readPaths) selections(prefix string, of *wire.Message, list []wire.Selection) {
	for i := range list {
		switch s := &list[i]; s.Kind {
		case wire.SelectField:
			m.field(prefix, s)
		case wire.SelectOneof:
			members := of.Descriptor().Oneofs().Get(s.Oneof).Fields()
			for i := range members.Len() {
				m.add(prefix + string(members.Get(i).Name()))
			}
		case wire.SelectUnion:
			for i := range s.Members {
				m.field(prefix, &s.Members[i])
			}
		case wire.SelectJoin:
			m.add(prefix + protoPath(m.joins[s.Join].key()))
		}
	}
}

// field adds a selected field. A mask cannot lead through lists and maps, which are taken whole.
func (m *readPaths) field(prefix string, s *wire.Selection) {
	path := prefix + string(s.Field.Descriptor().Name())
	if len(s.Children) == 0 || s.Field.IsList() || s.Field.IsMap() {
		m.add(path)
		return
	}
	before := len(m.paths)
	m.selections(path+".", s.Field.Message(), s.Children)
	if len(m.paths) == before {
		m.add(path) // nothing but its type name: whether it is there
	}
}

func protoPath(p *wire.Path) string {
	names := make([]string, 0, 2)
	for _, f := range p.Fields() {
		names = append(names, string(f.Descriptor().Name()))
	}
	return strings.Join(names, ".")
}

// whole returns the paths, in order, less those below another one.
func (m *readPaths) whole() []string {
	slices.Sort(m.paths)
	return slices.DeleteFunc(m.paths, func(path string) bool {
		for i := range len(path) {
			if path[i] == '.' && m.seen[path[:i]] {
				return true
			}
		}
		return false
	})
}
