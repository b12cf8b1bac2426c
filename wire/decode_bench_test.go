package wire_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	"github.com/protean-gateway/protean/wire"
)

// BenchmarkAppendWire reads a small message and a list of 100, beside dynamicpb
// with protojson and generated code with protojson.
func BenchmarkAppendWire(b *testing.B) {
	list := &catalogv1.ListBooksResponse{NextPageToken: "100"}
	for range 100 {
		list.Books = append(list.Books, exampleBook())
	}
	for name, msg := range map[string]proto.Message{"small": exampleBook(), "list": list} {
		json, err := protojson.Marshal(msg)
		if err != nil {
			b.Fatal(err)
		}
		m := wire.NewTypes(nil).Message(msg.ProtoReflect().Descriptor())
		b.Run(name+"/wire", func(b *testing.B) {
			benchmark(b, json, func(dst []byte) ([]byte, error) {
				return m.AppendWire(dst, json, wire.DecodeOptions{})
			})
		})
		b.Run(name+"/dynamicpb", func(b *testing.B) {
			benchmark(b, json, func(dst []byte) ([]byte, error) {
				return throughObject(dst, json, dynamicpb.NewMessage(msg.ProtoReflect().Descriptor()))
			})
		})
		b.Run(name+"/generated", func(b *testing.B) {
			benchmark(b, json, func(dst []byte) ([]byte, error) {
				return throughObject(dst, json, msg.ProtoReflect().New().Interface())
			})
		})
	}
}

func throughObject(dst, json []byte, object proto.Message) ([]byte, error) {
	if err := protojson.Unmarshal(json, object); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, object)
}
