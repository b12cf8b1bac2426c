package graph

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// connection makes a list method with pages (AIP-158) a connection as Relay knows it (GraphQL Cursor
// Connections Specification), forwards only: pages have no way back.
//
// A cursor says after how many elements of the page with a token one goes on. That
// is sound because a page may be asked for again with another size.
type connection struct {
	items     *wire.Path // the elements of a page, in the response
	nextToken *wire.Path
	totalSize *wire.Path // nil: the method does not tell
	pageSize  *wire.Field
	pageToken *wire.Field
	shape     *shape // of the elements
}

const (
	pageInfoType  = "PageInfo"
	firstArgument = "first"
	afterArgument = "after"
)

// connect makes a root field a connection, where its method's option asks for one. It
// returns the type of the field, and nil where it is none.
func (b *builder) connect(r *root) *ast.Type {
	m := r.method
	if !m.Options.GetGraphql().GetConnection() {
		return nil
	}
	c, err := b.connectionOf(m)
	if err != nil {
		b.refuse(m.Descriptor, "connection: %s; the method stays as it would be without the option", err.Error())
		return nil
	}
	r.connection = c
	return ast.NamedType(b.connectionType(c), nil)
}

func (b *builder) connectionOf(m *schema.Method) (*connection, error) {
	fd := schema.PagedField(m.Descriptor)
	if fd == nil || m.Operation != schema.Query {
		return nil, fmt.Errorf("the method must be a query with page_size and page_token, whose answer has next_page_token and one list of messages")
	}
	request := b.input(inputKey{message: m.Input})
	for _, name := range []string{firstArgument, afterArgument} {
		if request.byName[name] != nil || m.Input.FieldByName(name) != nil {
			return nil, fmt.Errorf("the request has a field %q of its own", name)
		}
	}
	items := typeUse{name: b.typeName(fd.Message()), kind: ast.Object}
	if !b.agrees(items) {
		return nil, b.disagreement(items)
	}
	if def := b.definitions[pageInfoType]; b.typeTaken(pageInfoType) && (def == nil || def != b.pageInfo) {
		return nil, fmt.Errorf("the graph has a type %s already; the option graphql_name gives it another name", pageInfoType)
	}
	c := &connection{
		items:     pathTo(m.Output, string(fd.Name())),
		nextToken: pathTo(m.Output, "next_page_token"),
		totalSize: pathTo(m.Output, "total_size"),
		pageSize:  m.Input.FieldByName("page_size"),
		pageToken: m.Input.FieldByName("page_token"),
	}
	if c.totalSize != nil {
		if s, ok := keyScalar(c.totalSize.Field()); !ok || s != scalarInt {
			c.totalSize = nil
		}
	}
	if c.items.Field().Descriptor() != fd {
		return nil, fmt.Errorf("another field of the answer has the JSON name %q", fd.Name())
	}
	c.shape = b.object(c.items.Field().Message())
	return c, nil
}

// pathTo returns the path of one field, nil where there is none of that name.
func pathTo(m *wire.Message, name string) *wire.Path {
	p, err := m.Path(name)
	if err != nil {
		return nil
	}
	return p
}

// connectionType returns the name of a connection's type and sees that it is defined.
func (b *builder) connectionType(c *connection) string {
	md := c.shape.message.Descriptor()
	name, edge, node := b.connectionName(md), b.edgeName(md), c.shape.definition.Name
	if b.definitions[name] != nil {
		return name
	}
	b.definePageInfo()
	b.define(&ast.Definition{Kind: ast.Object, Name: edge, Description: "An element of a `" + name + "`.", Fields: ast.FieldList{
		{Name: "node", Type: ast.NamedType(node, nil)},
		{Name: "cursor", Description: "What to give as `after` to go on behind this element.", Type: ast.NonNullNamedType("String", nil)},
	}})
	b.define(&ast.Definition{Kind: ast.Object, Name: name, Description: "A part of a list.", Fields: ast.FieldList{
		{Name: "edges", Type: ast.NonNullListType(ast.NonNullNamedType(edge, nil), nil)},
		{Name: "pageInfo", Type: ast.NonNullNamedType(pageInfoType, nil)},
		{Name: "totalCount", Description: "How many elements the whole list has. Null where the backend does not tell.", Type: ast.NamedType("Int", nil)},
	}})
	return name
}

func (b *builder) definePageInfo() {
	if b.pageInfo != nil {
		return
	}
	b.pageInfo = b.define(&ast.Definition{Kind: ast.Object, Name: pageInfoType, Description: "Where a part of a list ends.", Fields: ast.FieldList{
		{Name: "hasNextPage", Type: ast.NonNullNamedType("Boolean", nil)},
		{Name: "hasPreviousPage", Description: "Whether the part begins behind the start of the list.", Type: ast.NonNullNamedType("Boolean", nil)},
		{Name: "startCursor", Type: ast.NamedType("String", nil)},
		{Name: "endCursor", Type: ast.NamedType("String", nil)},
	}})
}

// arguments are those of the method less its paging, and Relay's in its place.
func (c *connection) arguments(s *inputShape) ast.ArgumentDefinitionList {
	var args ast.ArgumentDefinitionList
	for i, in := range s.fields {
		if in.field == nil || in.field != c.pageSize && in.field != c.pageToken {
			args = append(args, flatArguments(s)[i])
		}
	}
	return append(args,
		&ast.ArgumentDefinition{Name: firstArgument, Description: "How many elements to return at most.", Type: ast.NamedType("Int", nil)},
		&ast.ArgumentDefinition{Name: afterArgument, Description: "The cursor of the element to go on behind.", Type: ast.NamedType("String", nil)})
}

// page is the part of a list that a client asks for.
type page struct {
	token string
	skip  int // elements at the front that the client has
	first int // 0: as many as the backend likes
}

// page reads `first` and `after`, and appends to a request what they amount to.
func (e *encoder) page(dst []byte, c *connection, v value) ([]byte, *page, error) {
	p := &page{}
	if given := e.argument(v, firstArgument); !given.isNull() {
		text, err := scalarInt.read(given)
		if err != nil {
			return dst, nil, e.failAt(firstArgument, err.Error())
		}
		if p.first, err = strconv.Atoi(text); err != nil || p.first < 1 {
			return dst, nil, e.failAt(firstArgument, "at least 1 is wanted")
		}
	}
	if given := e.argument(v, afterArgument); !given.isNull() {
		text, ok := given.text()
		if !ok || !p.parse(text) {
			return dst, nil, e.failAt(afterArgument, "it is no cursor that this graph gave")
		}
	}
	var err error
	if p.first > 0 {
		size := min(p.first+p.skip, math.MaxInt32)
		dst, err = c.pageSize.AppendWireText(dst, strconv.Itoa(size))
	}
	if err == nil && p.token != "" {
		dst, err = c.pageToken.AppendWireText(dst, p.token)
	}
	if err != nil {
		return dst, nil, e.wrong(err)
	}
	return dst, p, nil
}

func (e *encoder) argument(object value, name string) value {
	given, ok := object.field(name)
	if ok {
		given, ok = e.variables.resolve(given)
	}
	if !ok {
		return value{}
	}
	return given
}

func (e *encoder) failAt(argument, reason string) error {
	e.path = append(e.path, inputStep{name: argument})
	return e.fail(reason)
}

// cursor writes where one goes on after a number of elements of a page.
func cursor(token string, skip int) string {
	return base64.StdEncoding.EncodeToString([]byte(strconv.Itoa(skip) + ":" + token))
}

// parse reads a cursor.
func (p *page) parse(text string) bool {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	skip, token, ok := strings.Cut(string(raw), ":")
	p.token = token
	p.skip, err = strconv.Atoi(skip)
	return ok && err == nil && p.skip >= 0 && p.skip < math.MaxInt32
}
