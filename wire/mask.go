package wire

import (
	"fmt"
	"slices"
)

// ProjectMask returns the projection of the fields that a field mask names, such
// as `name,author.name`. Names are JSON or proto names. An unknown name is an error.
//
// Each of the paths is one path of the mask; `*` names all fields, and so does an empty mask. A path may
// lead through lists, of whose elements it then takes the fields, and not into
// maps or messages that have a JSON form of their own. Fields are written in declaration order.
// The projection is the caller's to keep: masks are a stranger's, so none is remembered.
func (m *Message) ProjectMask(o Options, paths []string) (*Projection, error) {
	if len(paths) == 0 {
		return m.Project(o), nil
	}
	if m.HasOwnForm() && !slices.Contains(paths, "*") {
		return nil, fmt.Errorf("%s has no fields to choose from", m.FullName())
	}
	tree := make(maskTree)
	for _, path := range paths {
		if path == "*" {
			return m.Project(o), nil
		}
		if err := tree.add(m, path); err != nil {
			return nil, err
		}
	}
	m.types.mu.Lock()
	defer m.types.mu.Unlock()
	return m.types.projectMask(m, o, tree), nil
}

// maskTree is a field mask by fields. A field with a nil tree is taken whole.
type maskTree map[*Field]maskTree

func (t maskTree) add(m *Message, path string) error {
	fields, err := m.fieldsAt(path, (*Field).hasMembers)
	if err != nil {
		return err
	}
	last := len(fields) - 1
	for _, f := range fields[:last] {
		child, known := t[f]
		if !known {
			child = make(maskTree)
			t[f] = child
		}
		if child == nil {
			return nil // taken whole already
		}
		t = child
	}
	t[fields[last]] = nil
	return nil
}

// hasMembers reports whether a mask can choose from the fields of a field.
func (f *Field) hasMembers() bool {
	return f.message != nil && !f.isMap && !f.message.HasOwnForm()
}

// projectMask returns the projection of the fields in the tree. The caller holds t.mu.
func (t *Types) projectMask(m *Message, o Options, tree maskTree) *Projection {
	p := &Projection{message: m, options: o}
	b := builder{types: t, projection: p}
	for _, f := range outputOrder(m) {
		below, chosen := tree[f]
		if !chosen {
			continue
		}
		var child *Projection
		if below != nil {
			child = t.projectMask(f.message, o, below)
		}
		p.steps = append(p.steps, b.fieldStep(f, o, child))
	}
	return p
}
