package graph

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/wire"
)

// connectionPlan is what is selected of a connection.
type connectionPlan struct {
	fields []connectionField
	nodes  []output // of the selections of `node`, numbered
	paths  []string // of response keys to them
	read   []string // what is selected of all nodes, as paths of a read mask
}

// connectionField is a selected field of a connection, an edge or a page info.
type connectionField struct {
	key, name string
	fields    []connectionField // of edges and pageInfo
	node      int               // of node
}

func (p *planner) connection(c *connection, of string, group *fieldGroup) (*connectionPlan, error) {
	out := &connectionPlan{}
	var err error
	out.fields, err = p.connectionFields(out, c, of, "", group.selections())
	return out, err
}

// connectionFields plans a selection on one of the types of a connection.
func (p *planner) connectionFields(out *connectionPlan, c *connection, of, path string, sets []ast.SelectionSet) ([]connectionField, error) {
	var fields []connectionField
	for _, group := range collect(sets, of, p.conditions) {
		f := connectionField{key: group.key, name: group.first().Name}
		var err error
		switch f.name {
		case "edges", "pageInfo":
			inner := named(group.first().Definition.Type)
			f.fields, err = p.connectionFields(out, c, inner, path+f.key+".", group.selections())
		case "node":
			f.node = len(out.nodes)
			node, selections, failed := p.selected(c.shape, group.selections())
			err = failed
			out.read = append(out.read, readPathsOf(c.shape.message, selections, node.joins)...)
			out.nodes, out.paths = append(out.nodes, node), append(out.paths, path+f.key)
		case "__typename":
			f.name, f.node = quoted(of), -1
		}
		if err != nil {
			return nil, err
		}
		fields = append(fields, f)
	}
	return fields, nil
}

// named returns the name of a type within its lists.
func named(t *ast.Type) string {
	for t.Elem != nil {
		t = t.Elem
	}
	return t.NamedType
}

// pageAnswer is the part of a list that a client asked for.
type pageAnswer struct {
	page
	next     string // token
	total    string // empty: not told
	elements [][]byte
	whole    bool    // elements go on to the end of the backend's page
	nodes    []*site // by number of the node's selection
}

// readPage takes the response of a method with pages apart and notes what is to be joined to its elements.
func readPage(f *rootField, asked *page, to *answer) error {
	c, response := f.root.connection, to.message
	a := &pageAnswer{page: *asked, whole: true}
	err := c.items.Messages(response, func(element []byte) bool {
		a.elements = append(a.elements, element)
		return true
	})
	if err != nil {
		return err
	}
	a.elements = a.elements[min(a.skip, len(a.elements)):]
	if a.first > 0 && len(a.elements) > a.first {
		a.elements, a.whole = a.elements[:a.first], false
	}
	if err := c.nextToken.Values(response, func(v wire.Value) bool { a.next = v.Text; return true }); err != nil {
		return err
	}
	if c.totalSize != nil {
		a.total = "0"
		if err := c.totalSize.Values(response, func(v wire.Value) bool { a.total = keyText(c.totalSize.Field(), v); return true }); err != nil {
			return err
		}
	}
	for _, node := range f.connection.nodes {
		s := &site{out: node, parents: a.elements}
		a.nodes, to.sites = append(a.nodes, s), append(to.sites, s)
	}
	to.page = a
	return nil
}

// endCursor returns where one goes on behind the part; false where nothing was found.
func (a *pageAnswer) endCursor() (string, bool) {
	switch {
	case len(a.elements) > 0:
		return a.cursorOf(len(a.elements) - 1), true
	case a.next != "":
		return cursor(a.next, 0), true // a page may be empty and not the last (AIP-158)
	default:
		return "", false
	}
}

// cursorOf returns the cursor of an element. Behind the last one of a page, the next page begins.
func (a *pageAnswer) cursorOf(i int) string {
	if i == len(a.elements)-1 && a.whole && a.next != "" {
		return cursor(a.next, 0)
	}
	return cursor(a.token, a.skip+i+1)
}

// page writes a connection, or the fields of its page info.
func (w *responseWriter) page(dst []byte, f *rootField, fields []connectionField, a *pageAnswer) ([]byte, error) {
	dst = append(dst, '{')
	for i, field := range fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendKey(dst, field.key)
		var err error
		switch field.name {
		case "edges":
			before := len(w.sink.Faults)
			dst, err = w.edges(dst, f, field.fields, a)
			w.sink.Within(before, field.key)
		case "pageInfo":
			dst, err = w.page(dst, f, field.fields, a)
		default:
			dst = a.append(dst, field)
		}
		if err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

// append writes a field that is no object.
func (a *pageAnswer) append(dst []byte, field connectionField) []byte {
	switch {
	case field.node < 0:
		return append(dst, field.name...) // the name of the type
	case field.name == "totalCount" && a.total != "":
		return append(dst, a.total...)
	case field.name == "hasNextPage":
		return strconv.AppendBool(dst, a.next != "" || !a.whole)
	case field.name == "hasPreviousPage":
		return strconv.AppendBool(dst, a.token != "" || a.skip > 0)
	case field.name == "startCursor" && len(a.elements) > 0:
		return appendText(dst, a.cursorOf(0))
	}
	if end, ok := a.endCursor(); ok && field.name == "endCursor" {
		return appendText(dst, end)
	}
	return append(dst, "null"...)
}

func appendText(dst []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil {
		return append(dst, `""`...)
	}
	return append(dst, quoted...)
}

func (w *responseWriter) edges(dst []byte, f *rootField, fields []connectionField, a *pageAnswer) ([]byte, error) {
	dst = append(dst, '[')
	for i := range a.elements {
		if i > 0 {
			dst = append(dst, ',')
		}
		before := len(w.sink.Faults)
		var err error
		dst, err = w.edge(dst, f, fields, a, i)
		w.sink.Within(before, i)
		if err != nil {
			return dst, err
		}
		if len(dst) > w.limit {
			return dst, wire.ErrTooLarge
		}
	}
	return append(dst, ']'), nil
}

// edge writes one element with its cursor. Where the element cannot be written, it is null.
func (w *responseWriter) edge(dst []byte, f *rootField, fields []connectionField, a *pageAnswer, i int) ([]byte, error) {
	dst = append(dst, '{')
	for n, field := range fields {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst = appendKey(dst, field.key)
		switch {
		case field.node < 0:
			dst = append(dst, field.name...)
		case field.name == "cursor":
			dst = appendText(dst, a.cursorOf(i))
		default:
			start, before := len(dst), len(w.sink.Faults)
			var err error
			dst, err = w.message(dst, f.connection.nodes[field.node], parent{a.nodes[field.node].joins, i}, a.elements[i])
			w.sink.Within(before, field.key)
			if err != nil && !errors.Is(err, wire.ErrNull) {
				return dst, err
			}
			if err != nil {
				dst = append(dst[:start], "null"...)
			}
		}
	}
	return append(dst, '}'), nil
}
