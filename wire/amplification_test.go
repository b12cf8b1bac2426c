package wire_test

import (
	"bytes"
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/wire"
)

// wideMessage returns a message with a list of messages of its own type, and 60 other fields.
func wideMessage(tb testing.TB) *wire.Message {
	tb.Helper()
	wide := &descriptorpb.DescriptorProto{Name: proto.String("Wide")}
	for number := int32(1); number <= 61; number++ {
		f := &descriptorpb.FieldDescriptorProto{
			Name: proto.String(fmt.Sprintf("quite_usual_name_%d", number)), Number: &number,
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_INT64.Enum(),
		}
		if number == 1 {
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			f.Type, f.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".Wide")
		}
		wide.Field = append(wide.Field, f)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("wide.proto"), Syntax: proto.String("proto3"), MessageType: []*descriptorpb.DescriptorProto{wide},
	}, new(protoregistry.Files))
	if err != nil {
		tb.Fatal(err)
	}
	return wire.NewTypes(nil).Message(file.Messages().Get(0))
}

// emptyElements is a list of n empty messages, of two bytes each. With EmitDefaults each is
// written with all its fields.
func emptyElements(n int) []byte { return bytes.Repeat(within(1)(nil), n) }

// TestAmplification proves the bound on output where little input asks for much of it.
func TestAmplification(t *testing.T) {
	projection := wideMessage(t).Project(wire.Options{EmitDefaults: true})
	msg := emptyElements(5000)
	full, err := projection.AppendJSON(nil, msg, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes become %d: %d times as many", len(msg), len(full), len(full)/len(msg))
	if len(full) < 514*len(msg) {
		t.Error("other messages are known to become 514 times as large: this proves little")
	}
	for _, limit := range []int{1, 1000, 100_000, len(full) - 1} {
		out, err := projection.AppendJSON([]byte("before"), msg, &wire.Sink{MaxBytes: limit})
		if err != wire.ErrTooLarge || string(out) != "before" {
			t.Errorf("%d bytes allowed: %d written, %v", limit, len(out), err)
		}
	}
	if _, err := projection.AppendJSON(nil, msg, &wire.Sink{MaxBytes: len(full)}); err != nil {
		t.Errorf("just enough allowed: %v", err)
	}
	if _, err := projection.AppendJSON(nil, emptyElements(wire.DefaultMaxJSON/1000), nil); err != wire.ErrTooLarge {
		t.Errorf("beyond the default bound: %v", err)
	}
}
