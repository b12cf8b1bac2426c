package main

import (
	"bytes"
	"encoding/json"

	"buf.build/go/hyperpb"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/wire"
)

// outSubjects turn wire bytes into JSON.
func outSubjects(m *message) []subject {
	md := m.object.ProtoReflect().Descriptor()
	plan := wire.NewTypes(nil).Message(md).Project(wire.Options{})
	hyper := hyperpb.CompileMessageDescriptor(md)
	shared := new(hyperpb.Shared)
	shape := shapeOf(md, make(map[protoreflect.MessageDescriptor]*shape))
	return []subject{
		{"wire", func(dst []byte) ([]byte, error) { return plan.AppendJSON(dst, m.wire, nil) }},
		{"dynamicpb", func(dst []byte) ([]byte, error) { return objectToJSON(dst, m.wire, dynamicpb.NewMessage(md)) }},
		{"generated", func(dst []byte) ([]byte, error) {
			return objectToJSON(dst, m.wire, m.object.ProtoReflect().New().Interface())
		}},
		{"hyperpb", func(dst []byte) ([]byte, error) {
			defer shared.Free()
			object := shared.NewMessage(hyper)
			if err := object.Unmarshal(m.wire); err != nil {
				return dst, err
			}
			return protojson.MarshalOptions{}.MarshalAppend(dst, object)
		}},
		{"floor", func(dst []byte) ([]byte, error) { return copyRecords(dst, m.wire, shape), nil }},
	}
}

func objectToJSON(dst, msg []byte, object proto.Message) ([]byte, error) {
	if err := proto.Unmarshal(msg, object); err != nil {
		return dst, err
	}
	return protojson.MarshalOptions{}.MarshalAppend(dst, object)
}

// inSubjects turn JSON into wire bytes. Messages of hyperpb cannot be written to.
func inSubjects(m *message) []subject {
	md := m.object.ProtoReflect().Descriptor()
	plan := wire.NewTypes(nil).Message(md)
	return []subject{
		{"wire", func(dst []byte) ([]byte, error) { return plan.AppendWire(dst, m.json, wire.DecodeOptions{}) }},
		{"dynamicpb", func(dst []byte) ([]byte, error) { return jsonToWire(dst, m.json, dynamicpb.NewMessage(md)) }},
		{"generated", func(dst []byte) ([]byte, error) {
			return jsonToWire(dst, m.json, m.object.ProtoReflect().New().Interface())
		}},
		{"floor", func(dst []byte) ([]byte, error) { return copyTokens(dst, m.json), nil }},
	}
}

func jsonToWire(dst, text []byte, object proto.Message) ([]byte, error) {
	if err := protojson.Unmarshal(text, object); err != nil {
		return dst, err
	}
	return proto.MarshalOptions{}.MarshalAppend(dst, object)
}

// compactJSON writes JSON without the spaces that protojson puts in at random.
func compactJSON(object proto.Message) ([]byte, error) {
	text, err := protojson.Marshal(object)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Compact(&out, text)
	return out.Bytes(), err
}
