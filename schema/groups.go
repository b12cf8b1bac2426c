package schema

import "strings"

// groups puts backends together that have to do with each other in the graph. It is a union-find structure.
type groups struct {
	parent map[*Backend]*Backend
}

// groupsOf finds the groups of backends: those in which methods lead to types of the same name, and those from which a
// join leads to a method of the other.
func (c *compiler) groupsOf(r *reach) [][]*Backend {
	g := groups{parent: make(map[*Backend]*Backend)}
	for _, t := range r.types {
		for _, d := range t.descriptors {
			g.unite(t.backend, d.backend)
		}
		for _, method := range t.joins {
			if m := c.snapshot.Methods[pathOf(method)]; m != nil {
				g.unite(t.backend, m.Service.Backend)
			}
		}
	}
	return g.list(c.snapshot.Backends)
}

// pathOf makes `/pkg.Service/Method` of `pkg.Service.Method`.
func pathOf(method string) string {
	end := strings.LastIndexByte(method, '.')
	return "/" + method[:max(end, 0)] + "/" + method[end+1:]
}

func (g *groups) root(b *Backend) *Backend {
	for g.parent[b] != nil {
		b = g.parent[b]
	}
	return b
}

func (g *groups) unite(a, b *Backend) {
	if a == b {
		return
	}
	if a, b = g.root(a), g.root(b); a != b {
		g.parent[b] = a
	}
}

// list returns the groups in the order of their first backends.
func (g *groups) list(backends []*Backend) (list [][]*Backend) {
	at := make(map[*Backend]int)
	for _, b := range backends {
		if len(b.Services) == 0 {
			continue
		}
		root := g.root(b)
		i, known := at[root]
		if !known {
			i = len(list)
			at[root] = i
			list = append(list, nil)
		}
		list[i] = append(list[i], b)
	}
	return list
}
