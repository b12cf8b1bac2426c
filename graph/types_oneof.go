package graph

import (
	"fmt"
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/wire"
)

// addOneofs adds what stands for oneofs as a whole: unions, or `<oneof>Case` beside the members.
func (b *builder) addOneofs(s *shape) {
	oneofs := s.message.Descriptor().Oneofs()
	for i := range oneofs.Len() {
		switch od := oneofs.Get(i); {
		case od.IsSynthetic():
		case b.unionOf(od):
			b.addUnion(s, od)
		default:
			b.addOneofCase(s, od)
		}
	}
}

// addOneofCase adds `<oneof>Case`, which says which member is set.
func (b *builder) addOneofCase(s *shape, od protoreflect.OneofDescriptor) {
	cases := make(map[protowire.Number]string)
	var values ast.EnumValueList
	for i := range od.Fields().Len() {
		fd := od.Fields().Get(i)
		jsonName := s.message.FieldByNumber(fd.Number()).JSONName()
		if f := s.fields[jsonName]; f == nil || f.selection.Field == nil || f.selection.Field.Descriptor() != fd {
			continue // not in the graph
		}
		name := freeName(func(name string) bool { return validValue(name) && values.ForName(name) == nil },
			strings.ToUpper(string(fd.Name())), string(fd.Name()))
		cases[fd.Number()] = name
		values = append(values, &ast.EnumValueDefinition{
			Name: name, Description: fmt.Sprintf("`%s` is set.", jsonName),
		})
	}
	if len(values) == 0 {
		return
	}
	camel := lowerCamel(string(od.Name()))
	typ := b.caseName(od)
	if !b.agreed(od, "oneof", typeUse{name: typ, kind: ast.Enum, oneof: true}) {
		return
	}
	b.mergeEnum(typ, fmt.Sprintf("The fields of which `%s` has one.", camel), values)
	sf := &shapeField{selection: wire.Selection{Kind: wire.SelectOneof, Oneof: od.Index(), Cases: cases}}
	b.addField(s, &ast.FieldDefinition{
		Name: validStart(camel + "Case"), Description: describe(od), Type: ast.NamedType(typ, nil),
	}, sf, od)
}

// mergeEnum defines an enum, or adds to it the values of a further backend.
func (b *builder) mergeEnum(name, description string, values ast.EnumValueList) {
	def := b.definitions[name]
	if def == nil {
		def = b.define(&ast.Definition{Kind: ast.Enum, Name: name, Description: description})
	}
	for _, v := range values {
		if def.EnumValues.ForName(v.Name) == nil {
			def.EnumValues = append(def.EnumValues, v)
		}
	}
}
