package graph

import (
	"slices"
	"strings"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// readMaskOf returns the field of a method's request that takes a read mask (AIP-157). Only a response that is a
// resource itself has paths that everybody reads alike; for others nothing is sent, and the backend answers in full.
func readMaskOf(m *schema.Method) *wire.Field {
	if f := m.Input.FieldByName("read_mask"); f != nil && isMask(f) && resourceOf(m.Output.Descriptor()) != nil {
		return f
	}
	return nil
}

// readMask returns the read mask of a request, encoded: the paths of what is
// selected, and of the keys of what is joined.
func (p *planner) readMask(r *root, selections []wire.Selection, joins []*joinOutput) []byte {
	if r.input == nil || r.input.masks.read == nil || readMaskOf(r.method) == nil {
		return nil
	}
	paths := readPathsOf(r.method.Output, selections, joins)
	if len(paths) == 0 {
		return nil
	}
	return appendMask(nil, r.input.masks.read, paths)
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
	together := readPaths{seen: make(map[string]bool)}
	for _, selected := range w.selections {
		if len(selected.output.paths) == 0 {
			return nil
		}
		for _, path := range selected.output.paths {
			together.add(path)
		}
	}
	return appendMask(nil, w.join.readMask, together.whole())
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
