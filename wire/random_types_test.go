package wire_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/wire"
)

// typeMaker makes a file of message types. Every choice is one number of its source.
type typeMaker struct {
	*rand.Rand
	file     *descriptorpb.FileDescriptorProto
	messages int // how many there are at the top level
	enums    []randomEnum
}

type randomEnum struct {
	name      string
	closed    bool
	zeroFirst bool
}

func makeTypes(seed []byte) *descriptorpb.FileDescriptorProto {
	m := &typeMaker{
		Rand: rand.New(newSeedSource(seed)),
		file: &descriptorpb.FileDescriptorProto{
			Name: proto.String("random.proto"), Package: proto.String("r"),
			Dependency: []string{
				"google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto", "google/protobuf/field_mask.proto",
				"google/protobuf/struct.proto", "google/protobuf/timestamp.proto", "google/protobuf/wrappers.proto",
			},
		},
	}
	m.chooseSyntax()
	m.messages = 1 + m.IntN(4)
	for i := range 1 + m.IntN(3) {
		m.file.EnumType = append(m.file.EnumType, m.enum(fmt.Sprintf("E%d", i), i == 0))
	}
	for i := range m.messages {
		name := fmt.Sprintf("M%d", i)
		m.file.MessageType = append(m.file.MessageType, m.message(name, ".r."+name))
	}
	if !m.isProto3() {
		m.extensions()
	}
	return m.file
}

func (m *typeMaker) oneIn(n int) bool { return m.IntN(n) == 0 }

func (m *typeMaker) isProto3() bool  { return m.file.GetSyntax() == "proto3" }
func (m *typeMaker) isEdition() bool { return m.file.GetSyntax() == "editions" }
func (m *typeMaker) isProto2() bool  { return m.file.GetSyntax() == "proto2" }

func (m *typeMaker) chooseSyntax() {
	switch m.IntN(4) {
	case 0:
		m.file.Syntax = proto.String("proto2")
	case 1:
		m.file.Syntax = proto.String("proto3")
	case 2:
		m.file.Syntax, m.file.Edition = proto.String("editions"), descriptorpb.Edition_EDITION_2023.Enum()
	case 3:
		m.file.Syntax, m.file.Edition = proto.String("editions"), descriptorpb.Edition_EDITION_2024.Enum()
	}
	if m.isEdition() {
		m.file.Options = &descriptorpb.FileOptions{Features: m.fileFeatures()}
	}
}

func (m *typeMaker) fileFeatures() *descriptorpb.FeatureSet {
	f := &descriptorpb.FeatureSet{}
	if m.oneIn(2) {
		f.FieldPresence = descriptorpb.FeatureSet_IMPLICIT.Enum()
	}
	if m.oneIn(4) {
		f.RepeatedFieldEncoding = descriptorpb.FeatureSet_EXPANDED.Enum()
	}
	if m.oneIn(4) {
		f.MessageEncoding = descriptorpb.FeatureSet_DELIMITED.Enum()
	}
	if m.oneIn(4) {
		f.Utf8Validation = descriptorpb.FeatureSet_NONE.Enum()
	}
	return f
}

func (m *typeMaker) enum(name string, zeroFirst bool) *descriptorpb.EnumDescriptorProto {
	e := randomEnum{name: ".r." + name, closed: m.isProto2(), zeroFirst: true}
	d := &descriptorpb.EnumDescriptorProto{Name: &name, Options: &descriptorpb.EnumOptions{}}
	if m.isEdition() && m.oneIn(2) {
		e.closed = true
		d.Options.Features = &descriptorpb.FeatureSet{EnumType: descriptorpb.FeatureSet_CLOSED.Enum()}
	}
	first := int32(0)
	if e.closed && !zeroFirst && m.oneIn(2) {
		e.zeroFirst, first = false, 7
	}
	numbers := []int32{first}
	for range m.IntN(4) {
		numbers = append(numbers, []int32{1, 2, 3, -1, 300, 1<<31 - 1}[m.IntN(6)])
	}
	seen := make(map[int32]bool)
	for i, n := range numbers {
		if seen[n] {
			d.Options.AllowAlias = proto.Bool(true)
		}
		seen[n] = true
		d.Value = append(d.Value, &descriptorpb.EnumValueDescriptorProto{Name: proto.String(fmt.Sprintf("%s_V%d", name, i)), Number: &n})
	}
	m.enums = append(m.enums, e)
	return d
}

// message makes a message and the entries and groups in it.
func (m *typeMaker) message(name, fullName string) *descriptorpb.DescriptorProto {
	d := &descriptorpb.DescriptorProto{Name: &name}
	numbers := m.numbers(1 + m.IntN(8))
	for len(numbers) > 0 {
		n := 1
		oneof := int32(-1)
		if m.oneIn(5) {
			n = min(1+m.IntN(3), len(numbers))
			oneof = int32(len(d.OneofDecl))
			d.OneofDecl = append(d.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(fmt.Sprintf("one%d", oneof))})
		}
		for _, number := range numbers[:n] {
			f := m.field(d, fullName, number, oneof >= 0)
			if oneof >= 0 {
				f.OneofIndex = &oneof
			}
			d.Field = append(d.Field, f)
		}
		numbers = numbers[n:]
	}
	m.syntheticOneofs(d)
	if !m.isProto3() {
		d.ExtensionRange = []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(1000), End: proto.Int32(2000)}}
	}
	return d
}

// syntheticOneofs declares those of optional fields of proto3, behind all others.
func (m *typeMaker) syntheticOneofs(d *descriptorpb.DescriptorProto) {
	for _, f := range d.Field {
		if f.GetProto3Optional() {
			f.OneofIndex = proto.Int32(int32(len(d.OneofDecl)))
			d.OneofDecl = append(d.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.GetName())})
		}
	}
}

// numbers returns different field numbers in any order.
func (m *typeMaker) numbers(n int) (numbers []int32) {
	seen := make(map[int32]bool)
	for len(numbers) < n {
		number := int32(1 + m.IntN(30))
		switch m.IntN(8) {
		case 0:
			number = int32(60 + m.IntN(10)) // where the dense table of a message ends
		case 1:
			number = []int32{127, 128, 2047, 2048, 1 << 20, 1<<29 - 1}[m.IntN(6)]
		}
		for seen[number] {
			number = number%500 + 1
		}
		seen[number] = true
		numbers = append(numbers, number)
	}
	return numbers
}

func (m *typeMaker) extensions() {
	for i := range m.IntN(4) {
		number := int32(1000 + i)
		x := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(fmt.Sprintf("x%d", i)), Number: &number, Options: &descriptorpb.FieldOptions{},
			Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			Extendee: proto.String(fmt.Sprintf(".r.M%d", m.IntN(m.messages))),
		}
		if m.oneIn(3) {
			x.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		m.setType(x, nil, "")
		m.file.Extension = append(m.file.Extension, x)
	}
}

// TestRandomTypes checks that the maker of types makes, nearly always, types that are
// right, and that it makes everything that it should.
func TestRandomTypes(t *testing.T) {
	const schemas = 600
	failed := 0
	made := make(map[string]bool)
	for seed := range schemas {
		s, err := makeSchema(randomSeed(seed))
		if err != nil {
			failed++
			t.Log(err)
			continue
		}
		for choice := range byte(4) {
			noteKinds(made, s.randomMessage(choice).Fields())
		}
	}
	if failed > schemas/20 {
		t.Errorf("%d of %d schemas are wrong", failed, schemas)
	}
	for _, kind := range []string{
		"group", "map", "list", "packed", "oneof", "presence", "implicit", "required", "extension", "closed enum", "open enum", "default", "json name",
		"bool", "int32", "sint32", "sfixed32", "uint32", "fixed32", "int64", "sint64", "sfixed64", "uint64", "fixed64", "float", "double", "string", "bytes", "enum", "message",
	} {
		if !made[kind] {
			t.Errorf("no field is %s", kind)
		}
	}
}

func randomSeed(n int) []byte {
	seed := []byte{byte(n), byte(n >> 8)}
	source := rand.NewPCG(uint64(n), 3)
	for range n % 8 {
		seed = append(seed, byte(source.Uint64()))
	}
	return seed
}

func noteKinds(made map[string]bool, fields []*wire.Field) {
	for _, f := range fields {
		fd := f.Descriptor()
		made[fd.Kind().String()] = true
		for kind, is := range map[string]bool{
			"map": fd.IsMap(), "list": fd.IsList(), "packed": fd.IsPacked(), "extension": fd.IsExtension(),
			"oneof":       fd.ContainingOneof() != nil && !fd.ContainingOneof().IsSynthetic(),
			"presence":    fd.HasPresence(),
			"implicit":    !fd.HasPresence() && !fd.IsList() && !fd.IsMap(),
			"required":    fd.Cardinality() == protoreflect.Required,
			"closed enum": fd.Enum() != nil && fd.Enum().IsClosed(),
			"open enum":   fd.Enum() != nil && !fd.Enum().IsClosed(),
			"default":     fd.HasDefault(),
			"json name":   strings.HasPrefix(fd.JSONName(), "json"),
		} {
			made[kind] = made[kind] || is
		}
	}
}
