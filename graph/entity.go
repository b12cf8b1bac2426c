package graph

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/vektah/gqlparser/v2/ast"

	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/wire"
)

// entity is a way to fetch objects of a type by the values of one of their fields, or of several. It
// is carried out as a join whose keys come from the client.
type entity struct {
	typeName string
	fields   string // of the key, as Federation writes a set of fields
	parts    []keyPart
	join     *join
}

// buildEntities finds how the objects of each type are fetched by a key: by
// option, or because they are resources with a Get or BatchGet method.
func (b *builder) buildEntities() {
	if !b.options.Federation && !b.options.Relay {
		return
	}
	b.reachEntities()
	for i := 0; i < len(b.ordered); i++ {
		s := b.ordered[i]
		for _, o := range b.entitiesOf(s) {
			b.backend = s.backend
			if err := b.addEntity(s, o); err != nil {
				b.refuse(s.message.Descriptor(), "entity %q: %s", o.GetKey(), err.Error())
			}
		}
	}
	b.backend = ""
}

// reachEntities takes in messages that say of themselves how they are fetched, also where the method that
// does so is hidden: a subgraph may add fields to a type that its own root fields never lead to.
func (b *builder) reachEntities() {
	reach := func(m *wire.Message) {
		if m != nil && !wellKnown(m) && len(messageOptions(m.Descriptor()).GetEntities()) > 0 && b.fits(b.typeName(m.Descriptor()), ast.Object) {
			b.object(m)
		}
	}
	for _, s := range b.services {
		b.backend = s.Backend.Name
		for _, m := range s.Methods {
			reach(m.Output)
			for _, f := range m.Output.Fields() {
				if f.IsList() {
					reach(f.Message())
				}
			}
		}
	}
	b.backend = ""
}

// entitiesOf returns what a message says of itself, and what follows from its being a resource.
func (b *builder) entitiesOf(s *shape) []*optionsv1.Entity {
	declared := messageOptions(s.message.Descriptor()).GetEntities()
	derived := b.resources.byMessage[s.message.FullName()]
	if key := s.message.FieldByName(derived.GetKey()); key == nil || s.fields[key.JSONName()] == nil {
		return declared // it is no such resource, or its name is hidden
	}
	for _, o := range declared {
		if o.GetKey() == derived.GetKey() {
			return declared
		}
	}
	return append(declared[:len(declared):len(declared)], derived)
}

func (b *builder) addEntity(s *shape, o *optionsv1.Entity) error {
	paths, fields, err := b.fieldSet(s, o.GetKey())
	if err != nil {
		return err
	}
	e := &entity{typeName: s.definition.Name, fields: fields}
	for _, have := range b.entities[e.typeName] {
		if have.fields == fields {
			return nil // another backend has the type too, and comes first
		}
	}
	if err := b.compileEntity(s, e, o, paths); err != nil {
		return err
	}
	if e.join.shape.definition != s.definition {
		return fmt.Errorf("the method answers with %s", e.join.shape.definition.Name)
	}
	if b.entities[e.typeName] == nil {
		b.entityOrder = append(b.entityOrder, e.typeName)
	}
	b.entities[e.typeName] = append(b.entities[e.typeName], e)
	return nil
}

func (b *builder) compileEntity(s *shape, e *entity, o *optionsv1.Entity, paths []string) (err error) {
	if len(o.GetArguments()) > 0 {
		if e.join, err = b.compileComposite(s, o, paths); err == nil {
			e.parts = e.join.composite.parts
		}
		return err
	}
	if len(paths) > 1 {
		return errors.New("a key of several fields needs arguments")
	}
	field, err := s.message.Path(paths[0])
	if err != nil {
		return err
	}
	part := keyPart{field: field}
	var ok bool
	if part.scalar, ok = keyScalar(field.Field()); !ok {
		return errors.New("the key must be one string or integer")
	}
	part.scalar = b.identified(field.Field().Descriptor(), part.scalar)
	e.parts = []keyPart{part}
	e.join, err = b.compileJoin(s, entityJoin(o, paths[0]))
	return err
}

// sole returns the one field that is the whole key, and that fetches an object with nothing beside. It
// is nil where there is more to it.
func (e *entity) sole() *wire.Field {
	if e.join.composite != nil || len(e.parts[0].field.Fields()) > 1 {
		return nil
	}
	return e.parts[0].field.Field()
}

// entityJoin says in the words of a join how an entity is fetched.
func entityJoin(o *optionsv1.Entity, key string) *optionsv1.Join {
	resultKey := o.ResultKey
	if resultKey == nil {
		resultKey = &key
	}
	return &optionsv1.Join{
		Key:       &key,
		Method:    o.Method,
		Argument:  o.Argument,
		Result:    o.Result,
		ResultKey: resultKey,
		MaxKeys:   o.MaxKeys,
	}
}

// keyScalar returns the scalar of a field that can be a key.
func keyScalar(f *wire.Field) (scalar, bool) {
	s, ok := scalarOf(f.Kind())
	switch s {
	case scalarString, scalarInt, scalarUInt32, scalarInt64, scalarUInt64:
		return s, ok && !f.IsList()
	}
	return s, false
}

// read returns the value of a key that a client gave.
func (p *keyPart) read(v value) (wire.Value, error) {
	text, err := p.scalar.read(v)
	if err != nil {
		return wire.Value{}, err
	}
	return p.parse(text)
}

// parse reads a key from text: itself, or decimal digits.
func (p *keyPart) parse(text string) (wire.Value, error) {
	bits := 64
	switch s, _ := keyScalar(p.field.Field()); s {
	case scalarString:
		return wire.Value{Text: text}, nil
	case scalarUInt32, scalarUInt64:
		if s == scalarUInt32 {
			bits = 32
		}
		n, err := strconv.ParseUint(text, 10, bits)
		return wire.Value{Bits: n}, noKey(err)
	case scalarInt:
		bits = 32
	}
	n, err := strconv.ParseInt(text, 10, bits)
	return wire.Value{Bits: uint64(n)}, noKey(err)
}

// noKey words an error for the client.
func noKey(err error) error {
	if err == nil {
		return nil
	}
	return errors.New("the key is no integer in the range of its type")
}

// keyText writes a key as parse reads it.
func keyText(f *wire.Field, v wire.Value) string {
	switch s, _ := keyScalar(f); s {
	case scalarString:
		return v.Text
	case scalarUInt32, scalarUInt64:
		return strconv.FormatUint(v.Bits, 10)
	default:
		return strconv.FormatInt(int64(v.Bits), 10)
	}
}
