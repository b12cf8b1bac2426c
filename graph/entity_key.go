package graph

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/parser"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/wire"
)

// keyPart is one scalar of an entity's key.
type keyPart struct {
	// field leads to it in the object.
	field  *wire.Path
	scalar scalar
	// argument leads to where it goes: in the request or, where all keys go in one call, in the element. Nil
	// where the key is of one part and carried by a join's own argument.
	argument *wire.Path
	// result leads to it in a result, where all keys go in one call.
	result *wire.Path
}

// extra is a field of other subgraphs that comes with the key, because a field of the object requires it.
type extra struct {
	field    *wire.Path
	argument *wire.Path
}

// compositeKey makes requests of several fields of an object. Its keys are [wire.Value]s whose
// text is the request, or the element of one, that an object amounts to: equal objects are fetched
// once. Their bits say how many of its bytes are the key alone.
type compositeKey struct {
	parts  []keyPart
	extras []extra
}

// fieldSet reads a set of fields as Federation writes it. It returns the paths of its leaves, with dots
// between, and the set in the names of the graph.
func (b *builder) fieldSet(s *shape, text string) (paths []string, written string, err error) {
	doc, err := parser.ParseQueryWithTokenLimit(&ast.Source{Input: "{" + text + "}"}, maxFieldSet)
	if err != nil || len(doc.Operations) != 1 || len(doc.Fragments) > 0 {
		return nil, "", errors.New("the key must be a field, or fields such as `a b { c }`")
	}
	return b.fieldSetOf(s, doc.Operations[0].SelectionSet)
}

// maxFieldSet bounds the tokens of a set of fields.
const maxFieldSet = 100

func (b *builder) fieldSetOf(s *shape, set ast.SelectionSet) (paths []string, written string, err error) {
	var words []string
	for _, selection := range set {
		f, ok := selection.(*ast.Field)
		if !ok || f.Alias != f.Name || len(f.Arguments)+len(f.Directives) > 0 {
			return nil, "", errors.New("the key must be of fields alone")
		}
		field := s.message.FieldByName(f.Name)
		if field == nil || s.fields[field.JSONName()] == nil {
			return nil, "", fmt.Errorf("%s has no field %q in the graph", s.message.FullName(), f.Name)
		}
		words = append(words, field.JSONName())
		child := s.fields[field.JSONName()].child
		if child == nil || len(f.SelectionSet) == 0 {
			paths = append(paths, field.JSONName())
			continue
		}
		inner, text, err := b.fieldSetOf(child, f.SelectionSet)
		if err != nil {
			return nil, "", err
		}
		words = append(words, "{ "+text+" }")
		for _, path := range inner {
			paths = append(paths, field.JSONName()+"."+path)
		}
	}
	return paths, strings.Join(words, " "), nil
}

// compileComposite checks an entity whose fields are led into the request one by one. Its
// errors are written for who declared it.
func (b *builder) compileComposite(s *shape, o *optionsv1.Entity, paths []string) (*join, error) {
	j := &join{maxKeys: defaultMaxKeys, composite: &compositeKey{}}
	if o.GetMaxKeys() > 0 {
		j.maxKeys = int(o.GetMaxKeys())
	}
	if o.ResultKey != nil {
		return nil, errors.New("result_key does not go with arguments: results are matched by all fields of the key")
	}
	var err error
	if j.method, err = b.joinMethod(o.GetMethod()); err != nil {
		return nil, err
	}
	into := j.method.Input
	if o.GetArgument() != "" {
		if j.argument, err = listOfMessages(into, o.GetArgument()); err != nil {
			return nil, err
		}
		j.batch, into = true, j.argument.Field().Message()
	}
	if err := b.compileResult(j, &optionsv1.Join{Result: o.Result}); err != nil {
		return nil, err
	}
	return j, b.compileArguments(s, j, into, o.GetArguments(), paths)
}

func listOfMessages(m *wire.Message, dotted string) (*wire.Path, error) {
	p, err := m.Path(dotted)
	if err != nil {
		return nil, fmt.Errorf("argument %q of %s: %w", dotted, m.FullName(), err)
	}
	if f := p.Field(); len(p.Fields()) > 1 || !f.IsList() || f.Message() == nil {
		return nil, fmt.Errorf("argument %s of %s must be a repeated message, because arguments are given", p, m.FullName())
	}
	return p, nil
}

// compileArguments finds where the fields of the key and the others go.
func (b *builder) compileArguments(s *shape, j *join, into *wire.Message, list []*optionsv1.EntityArgument, paths []string) error {
	arguments := make(map[string]*wire.Path)
	var rest []extra
	for _, a := range list {
		field, err := s.message.Path(a.GetField())
		if err != nil {
			return fmt.Errorf("field %w", err)
		}
		argument, err := into.Path(a.GetArgument())
		if err != nil {
			return fmt.Errorf("argument %w", err)
		}
		if err := alike(field, argument); err != nil {
			return err
		}
		if arguments[field.String()] != nil {
			return fmt.Errorf("field %s is led to two arguments", field)
		}
		arguments[field.String()] = argument
		rest = append(rest, extra{field, argument})
	}
	for _, path := range paths {
		part, err := b.keyPart(s, j, path, arguments[path])
		if err != nil {
			return err
		}
		j.composite.parts = append(j.composite.parts, part)
		delete(arguments, path)
	}
	for _, e := range rest {
		if arguments[e.field.String()] != nil {
			j.composite.extras = append(j.composite.extras, e)
		}
	}
	return nil
}

func (b *builder) keyPart(s *shape, j *join, path string, argument *wire.Path) (part keyPart, err error) {
	if argument == nil {
		return part, fmt.Errorf("the arguments lack field %s of the key", path)
	}
	part.argument = argument
	if part.field, err = s.message.Path(path); err != nil {
		return part, err
	}
	var ok bool
	if part.scalar, ok = keyScalar(part.field.Field()); !ok {
		return part, fmt.Errorf("field %s of the key must be one string or integer", path)
	}
	part.scalar = b.identified(part.field.Field().Descriptor(), part.scalar)
	if j.batch {
		part.result, err = j.shape.message.Path(path)
	}
	return part, err
}

// alike checks that an argument takes the values of a field.
func alike(field, argument *wire.Path) error {
	f, a := field.Field(), argument.Field()
	same := f.IsList() == a.IsList() && !f.IsMap() && !a.IsMap() && (f.Message() == nil) == (a.Message() == nil)
	if same && f.Message() != nil {
		same = f.Message().FullName() == a.Message().FullName()
	} else if same {
		same = keyKind(f) == keyKind(a)
	}
	if !same {
		return fmt.Errorf("argument %s takes no values of field %s", argument, field)
	}
	return nil
}

// request makes the request for some keys.
func (j *join) request(keys []wire.Value) ([]byte, error) {
	switch {
	case j.composite == nil:
		return j.argument.AppendValues([]byte{}, keys)
	case !j.batch:
		return []byte(keys[0].Text), nil
	}
	request := []byte{}
	for _, key := range keys {
		request = j.argument.Field().AppendWireMessage(request, []byte(key.Text))
	}
	return request, nil
}

// own returns the bytes of a composite key alone.
func own(key wire.Value) string { return key.Text[:key.Bits] }

// keyOf reads the key of a result, in the bytes that own has of it. A part that the result lacks is
// the zero of its type.
func (c *compositeKey) keyOf(result []byte) (key []byte, err error) {
	for _, p := range c.parts {
		var v wire.Value
		if err := p.result.Values(result, func(found wire.Value) bool { v = found; return true }); err != nil {
			return nil, err
		}
		if key, err = p.argument.AppendValues(key, []wire.Value{v}); err != nil {
			return nil, err
		}
	}
	return key, nil
}

// composite returns the key that a representation amounts to. It has all parts.
func (x *execution) composite(c *compositeKey, representation value) (key wire.Value, err error) {
	var dst []byte
	for _, p := range c.parts {
		v, err := p.read(x.at(representation, p.field))
		if err == nil {
			dst, err = p.argument.AppendValues(dst, []wire.Value{v})
		}
		if err != nil {
			return key, fmt.Errorf("%s: %s", p.field, reasonOf(err))
		}
	}
	key.Bits = uint64(len(dst))
	for _, e := range c.extras {
		if given := x.at(representation, e.field); !given.isNull() {
			if dst, err = x.appendExtra(dst, e, given); err != nil {
				return key, fmt.Errorf("%s: %s", e.field, reasonOf(err))
			}
		}
	}
	key.Text = string(dst)
	return key, nil
}

// appendExtra appends a field that comes as another subgraph wrote it: in the JSON that a
// subgraph of ours writes. What that message knows and ours does not is left out.
func (x *execution) appendExtra(dst []byte, e extra, given value) ([]byte, error) {
	text, err := (&encoder{variables: x.operation.variables, limit: MaxBody}).appendJSON(nil, given)
	if err != nil {
		return nil, err
	}
	return e.argument.AppendJSON(dst, text, wire.DecodeOptions{IgnoreUnknown: true})
}

// at returns what stands at a path of a representation, null where nothing does.
func (x *execution) at(v value, path *wire.Path) value {
	for _, f := range path.Fields() {
		if !v.isObject() {
			return value{}
		}
		v = x.given(v, f.JSONName())
	}
	return v
}

// reasonOf words an error for the client.
func reasonOf(err error) string {
	var wrong *wire.Error
	if errors.As(err, &wrong) {
		return wrong.Reason
	}
	return err.Error()
}
