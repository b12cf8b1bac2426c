package wire_test

import (
	"sync"
	"testing"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/wire"
)

// TestTypesAreShared compiles and projects one recursive type from many goroutines.
func TestTypesAreShared(t *testing.T) {
	schema := decodeSchemaOf(t)
	types := wire.NewTypes(schema)
	var wg sync.WaitGroup
	found := make([]*wire.Projection, 8)
	for i := range found {
		wg.Go(func() {
			p := types.Message(schema.FindMessageByName("rich.Rich")).Project(wire.Options{})
			out, err := p.AppendJSON(nil, []byte("\xa2\x01\x02\x10\x07"), nil)
			if err != nil || string(out) != `{"child":{"anInt32":7}}` {
				t.Errorf("%s, %v", out, err)
			}
			found[i] = p
		})
	}
	wg.Wait()
	for _, p := range found {
		if p != found[0] {
			t.Error("the projection was compiled twice")
		}
	}
}

// TestForgedWellKnownTypes projects messages that have a well-known name and other fields.
func TestForgedWellKnownTypes(t *testing.T) {
	for _, name := range []string{
		"Any", "Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Empty",
		"BoolValue", "StringValue", "DoubleValue",
	} {
		t.Run(name, func(t *testing.T) {
			m := forged(t, name)
			out, err := m.Project(wire.Options{}).AppendJSON(nil, []byte("\x48\x07"), nil)
			if err != nil || string(out) != `{"odd":7}` {
				t.Errorf("%s, %v", out, err)
			}
			if out, err = m.Project(wire.Options{}).AppendJSON(nil, nil, nil); err != nil || string(out) != `{}` {
				t.Errorf("%s, %v", out, err)
			}
		})
	}
}

func forged(t *testing.T, name string) *wire.Message {
	t.Helper()
	text := func(s string) *string { return &s }
	number, kind := int32(9), descriptorpb.FieldDescriptorProto_TYPE_INT32
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: text("forged.proto"), Package: text("google.protobuf"), Syntax: text("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name: text(name),
			Field: []*descriptorpb.FieldDescriptorProto{{
				Name: text("odd"), JsonName: text("odd"), Number: &number, Type: &kind,
			}},
		}},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewTypes(nil).Message(file.Messages().ByName(protoreflect.Name(name)))
}
