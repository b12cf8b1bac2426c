package graph

import (
	"errors"
	"fmt"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/reflect/protoreflect"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// join is a compiled [optionsv1.Join]: a field of an object that another method resolves.
type join struct {
	// field is the name of the added field.
	field string
	// derived: from google.api.resource_reference, and not declared.
	derived bool
	method  *schema.Method
	// key leads from the parent to its key or keys.
	key *wire.Path
	// argument leads to the request's field that takes the key.
	argument *wire.Path
	// batch: argument takes many keys, so results are matched by resultKey.
	batch bool
	// result leads from the response to the results; nil: the response is the result.
	result *wire.Path
	// resultKey leads from a result to the key that it answers; nil without batch.
	resultKey *wire.Path
	// composite makes the requests of an entity whose fields are led into them one by one, and matches
	// the results; nil for all others. There is neither key nor resultKey then, and an argument only
	// with batch: the list of messages that takes the keys.
	composite *compositeKey
	// many: one key may have several results.
	many bool
	// list: the field is a list, of all keys' results or of one key's many.
	list    bool
	maxKeys int
	// readMask is the request's field that takes the paths of what is selected of a result. Nil: the method has none,
	// or answers with more than the result.
	readMask *wire.Field
	// shape of each result.
	shape *shape
}

// joinedField is a field of a type that a method resolves, in one of the backends that have the type.
type joinedField struct {
	typeName, field string
	method          *schema.Method
}

const defaultMaxKeys = 100

// buildJoins adds the joins to the shapes, those that are declared first. Shapes that a join
// reaches first come behind those that are walked, and are walked in turn.
func (b *builder) buildJoins() {
	for i := 0; i < len(b.ordered); i++ {
		s := b.ordered[i]
		md := s.message.Descriptor()
		b.backend = s.backend
		for _, o := range messageOptions(md).GetJoins() {
			if err := b.addJoin(s, o, false); err != nil {
				b.refuse(md, "join %q: %s", o.GetField(), err.Error())
			}
		}
		for _, o := range b.derivedJoins(md) {
			if err := b.addJoin(s, o, true); err != nil {
				b.warn(md, "join %q, which follows from a resource_reference, is left out: %s", o.GetField(), err.Error())
			}
		}
	}
	b.backend = ""
}

func (b *builder) addJoin(s *shape, o *optionsv1.Join, derived bool) error {
	md := s.message.Descriptor()
	if !validName(o.GetField()) || s.fields[o.GetField()] != nil {
		return fmt.Errorf("the field must have a name that %s does not have yet", md.FullName())
	}
	j, err := b.compileJoin(s, o)
	b.backend = s.backend
	if err != nil {
		return err
	}
	j.derived = derived
	typ := ast.NamedType(j.shape.definition.Name, nil)
	if j.list {
		typ.NonNull = j.many
		typ = ast.ListType(typ, nil)
	}
	b.addField(s, &ast.FieldDefinition{Name: o.GetField(), Description: schema.CleanComment(o.GetDescription()), Type: typ},
		&shapeField{join: j, child: j.shape, selection: wire.Selection{Kind: wire.SelectJoin}}, md)
	if added := s.fields[o.GetField()]; added != nil && added.join == j {
		b.joined = append(b.joined, joinedField{s.definition.Name, o.GetField(), j.method})
	}
	return nil
}

// compileJoin checks a join. Its errors are written for who declared it.
func (b *builder) compileJoin(s *shape, o *optionsv1.Join) (*join, error) {
	j := &join{field: o.GetField(), many: o.GetMany(), maxKeys: defaultMaxKeys}
	if o.GetMaxKeys() > 0 {
		j.maxKeys = int(o.GetMaxKeys())
	}
	var err error
	if j.method, err = b.joinMethod(o.GetMethod()); err != nil {
		return nil, err
	}
	if j.key, err = keyPath(s.message, "key", o.GetKey()); err != nil {
		return nil, err
	}
	if j.argument, err = keyPath(j.method.Input, "argument", o.GetArgument()); err != nil {
		return nil, err
	}
	if err := sameKeys("argument", j.argument, j.key); err != nil {
		return nil, err
	}
	j.batch = j.argument.Field().IsList()
	j.list = j.many || j.key.Field().IsList()
	return j, b.compileResult(j, o)
}

// joinMethod finds the method of a join by its full name.
func (b *builder) joinMethod(name string) (*schema.Method, error) {
	full := protoreflect.FullName(name)
	m := b.snap.Methods["/"+string(full.Parent())+"/"+string(full.Name())]
	switch {
	case m == nil, b.omitted[m.Service.Backend]:
		return nil, fmt.Errorf("there is no method %q", name)
	case m.Streams():
		return nil, fmt.Errorf("method %s streams, and must be unary", name)
	case !m.NoSideEffects && m.Operation != schema.Query:
		return nil, fmt.Errorf("method %s may have side effects: mark it with idempotency_level = NO_SIDE_EFFECTS", name)
	}
	return m, nil
}

// keyPath compiles a path to a scalar.
func keyPath(m *wire.Message, what, dotted string) (*wire.Path, error) {
	if dotted == "" {
		return nil, fmt.Errorf("%s is missing", what)
	}
	p, err := m.Path(dotted)
	if err != nil {
		return nil, fmt.Errorf("%s %q of %s: %w", what, dotted, m.FullName(), err)
	}
	if p.Field().Message() != nil {
		return nil, fmt.Errorf("%s %q of %s is a message, and must be a scalar", what, dotted, m.FullName())
	}
	return p, nil
}

// sameKeys checks that values of two fields can be compared.
func sameKeys(what string, p, key *wire.Path) error {
	have, want := keyKind(p.Field()), keyKind(key.Field())
	if have != want {
		return fmt.Errorf("%s %s is %s, but key %s is %s", what, p, have, key, want)
	}
	return nil
}

// keyKind names what the values of a field can be compared with.
func keyKind(f *wire.Field) string {
	switch s, _ := scalarOf(f.Kind()); {
	case f.Kind() == protoreflect.EnumKind:
		return "enum " + string(f.Descriptor().Enum().FullName())
	case s == scalarInt, s == scalarUInt32, s == scalarInt64, s == scalarUInt64:
		return "an integer"
	default:
		return "of kind " + f.Kind().String()
	}
}

// compileResult finds where the results of a join are.
func (b *builder) compileResult(j *join, o *optionsv1.Join) error {
	result := j.method.Output
	repeated := false
	if o.GetResult() != "" {
		p, err := result.Path(o.GetResult())
		if err != nil {
			return fmt.Errorf("result %q of %s: %w", o.GetResult(), result.FullName(), err)
		}
		j.result, result, repeated = p, p.Field().Message(), p.Field().IsList()
		if p.Field().IsMap() {
			return fmt.Errorf("result %s is a map, and must be a message or a list of messages", p)
		}
	}
	if result == nil || wellKnown(result) {
		return errors.New("the result must be a message with fields of its own")
	}
	if repeated != (j.batch || j.many) {
		return repeatedResult(repeated)
	}
	if use := (typeUse{name: b.typeName(result.Descriptor()), kind: ast.Object}); !b.agrees(use) {
		return b.disagreement(use)
	}
	b.backend = j.method.Service.Backend.Name
	j.shape = b.object(result)
	j.readMask = j.findReadMask()
	if !j.batch || j.composite != nil {
		return nil
	}
	var err error
	if j.resultKey, err = keyPath(result, "result_key", o.GetResultKey()); err != nil {
		return err
	}
	return sameKeys("result_key", j.resultKey, j.key)
}

// findReadMask returns the field of the request that takes the paths of what is selected of the results, nil if there is none.
func (j *join) findReadMask() *wire.Field {
	mask := readMaskOf(j.method)
	switch {
	case !mask.derived(), j.composite != nil && j.result != nil:
		return nil
	case j.result == nil && mask.elements == nil:
		return mask.field
	case j.result != nil && len(j.result.Fields()) == 1 && j.result.Field() == mask.elements:
		return mask.field
	}
	return nil
}

func repeatedResult(repeated bool) error {
	if repeated {
		return errors.New("the result is a list, but argument takes one key and many is not set")
	}
	return errors.New("the result must be a list, because argument takes many keys or many is set")
}
