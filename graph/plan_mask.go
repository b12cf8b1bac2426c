package graph

import (
	"slices"
	"strings"

	"github.com/protean-gateway/protean/wire"
)

// readMask returns the read mask of a request, encoded: the paths of what is
// selected, and of the keys of what is joined (AIP-157). Only a response that is a resource
// itself has paths that everybody reads alike; for others nothing is sent, and the backend answers in full.
func (p *planner) readMask(r *root, selections []wire.Selection, joins []*joinOutput) []byte {
	if r.input == nil || r.input.masks.read == nil || resourceOf(r.method.Output.Descriptor()) == nil {
		return nil
	}
	m := readPaths{joins: joins, seen: make(map[string]bool)}
	m.selections("", r.method.Output, selections)
	if len(m.paths) == 0 {
		return nil
	}
	slices.Sort(m.paths)
	return appendMask(nil, r.input.masks.read, m.whole())
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
	return slices.DeleteFunc(m.paths, func(path string) bool {
		for i := range len(path) {
			if path[i] == '.' && m.seen[path[:i]] {
				return true
			}
		}
		return false
	})
}
