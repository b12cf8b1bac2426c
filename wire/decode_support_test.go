package wire_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/wire"
)

// decodeSchema is the .proto files of testdata/decode, for our decoder and for protojson.
type decodeSchema struct {
	files    *protoregistry.Files
	types    *wire.Types
	protobuf *dynamicpb.Types
	inAny    []string // messages to put into an Any

	extensions sync.Map // what extensionsOf found, by name of the message
}

var loadDecodeSchema = sync.OnceValues(func() (*decodeSchema, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
			ImportPaths: []string{"testdata/decode"},
		}),
	}
	compiled, err := compiler.Compile(context.Background(), "rich.proto", "legacy.proto", "edition.proto")
	if err != nil {
		return nil, err
	}
	s := &decodeSchema{files: new(protoregistry.Files), inAny: []string{
		"rich.Rich", "legacy.Legacy", "edition.Edition", "google.protobuf.Any", "google.protobuf.Value", "google.protobuf.Duration",
		"google.protobuf.Timestamp", "google.protobuf.Empty", "google.protobuf.Int32Value",
	}}
	for _, f := range compiled {
		if err := s.register(f); err != nil {
			return nil, err
		}
	}
	s.types = wire.NewTypes(s)
	s.protobuf = dynamicpb.NewTypes(s.files)
	return s, nil
})

// register adds a file behind those that it imports, as plain protobuf-go descriptors.
func (s *decodeSchema) register(f protoreflect.FileDescriptor) error {
	if _, err := s.files.FindFileByPath(f.Path()); err == nil {
		return nil
	}
	for i := range f.Imports().Len() {
		if err := s.register(f.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	file, err := protodesc.NewFile(protodesc.ToFileDescriptorProto(f), s.files)
	if err != nil {
		return err
	}
	return s.files.RegisterFile(file)
}

// FindMessageByName makes the schema a [wire.Resolver].
func (s *decodeSchema) FindMessageByName(name protoreflect.FullName) protoreflect.MessageDescriptor {
	d, _ := s.files.FindDescriptorByName(name)
	md, _ := d.(protoreflect.MessageDescriptor)
	return md
}

// ExtensionsOf makes the schema a [wire.Resolver].
func (s *decodeSchema) ExtensionsOf(name protoreflect.FullName) []protoreflect.ExtensionDescriptor {
	found, ok := s.extensions.Load(name)
	if !ok {
		found, _ = s.extensions.LoadOrStore(name, s.extensionsOf(name))
	}
	return found.([]protoreflect.ExtensionDescriptor)
}

func (s *decodeSchema) extensionsOf(name protoreflect.FullName) (found []protoreflect.ExtensionDescriptor) {
	add := func(all protoreflect.ExtensionDescriptors) {
		for i := range all.Len() {
			if all.Get(i).ContainingMessage().FullName() == name {
				found = append(found, all.Get(i))
			}
		}
	}
	s.files.RangeFiles(func(f protoreflect.FileDescriptor) bool {
		add(f.Extensions())
		for i := range f.Messages().Len() {
			add(f.Messages().Get(i).Extensions())
		}
		return true
	})
	slices.SortFunc(found, func(a, b protoreflect.ExtensionDescriptor) int { return int(a.Number() - b.Number()) })
	return found
}

func decodeSchemaOf(tb testing.TB) *decodeSchema {
	tb.Helper()
	s, err := loadDecodeSchema()
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// message returns the compiled message of that name.
func (s *decodeSchema) message(name protoreflect.FullName) *wire.Message {
	return s.types.Message(s.FindMessageByName(name))
}

// new returns an empty message object of that type.
func (s *decodeSchema) new(m *wire.Message) *dynamicpb.Message {
	return dynamicpb.NewMessage(m.Descriptor())
}

// plain reads JSON with protojson, the oracle.
func (s *decodeSchema) plain(m *wire.Message, json []byte, o wire.DecodeOptions) (proto.Message, error) {
	msg := s.new(m)
	err := protojson.UnmarshalOptions{
		Resolver:       s.protobuf,
		DiscardUnknown: o.IgnoreUnknown,
		AllowPartial:   o.AllowPartial,
	}.Unmarshal(json, msg)
	return msg, err
}

// decoded reads JSON with our decoder and the wire bytes with protobuf-go.
func (s *decodeSchema) decoded(tb testing.TB, m *wire.Message, json []byte, o wire.DecodeOptions) (proto.Message, error) {
	out, err := m.AppendWire([]byte("before"), json, o)
	if err != nil {
		if string(out) != "before" {
			tb.Fatalf("%s: refused, and dst has %q", json, out)
		}
		return nil, err
	}
	body, ok := strings.CutPrefix(string(out), "before")
	if !ok {
		tb.Fatalf("%s: what was in dst is gone", json)
	}
	return s.unmarshal(tb, m, []byte(body)), nil
}

func (s *decodeSchema) unmarshal(tb testing.TB, m *wire.Message, body []byte) proto.Message {
	tb.Helper()
	msg := s.new(m)
	if err := (proto.UnmarshalOptions{Resolver: s.protobuf, AllowPartial: true}).Unmarshal(body, msg); err != nil {
		tb.Fatalf("wrote %x, which protobuf-go refuses: %v", body, err)
	}
	return msg
}

// canonical encodes every Any inside a message again in protobuf-go's own order.
func (s *decodeSchema) canonical(tb testing.TB, msg protoreflect.Message) {
	if msg.Descriptor().FullName() == "google.protobuf.Any" {
		s.canonicalAny(tb, msg)
		return
	}
	msg.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
				s.canonical(tb, v.Message())
				return true
			})
		case fd.IsList() && fd.Message() != nil:
			for i := range v.List().Len() {
				s.canonical(tb, v.List().Get(i).Message())
			}
		case !fd.IsMap() && fd.Message() != nil:
			s.canonical(tb, v.Message())
		}
		return true
	})
}

func (s *decodeSchema) canonicalAny(tb testing.TB, msg protoreflect.Message) {
	url, value := msg.Descriptor().Fields().ByNumber(1), msg.Descriptor().Fields().ByNumber(2)
	if !msg.Has(url) {
		return
	}
	mt, err := s.protobuf.FindMessageByURL(msg.Get(url).String())
	if err != nil {
		tb.Fatal(err)
	}
	inner := s.unmarshal(tb, s.types.Message(mt.Descriptor()), msg.Get(value).Bytes())
	s.canonical(tb, inner.ProtoReflect())
	body, err := proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(inner)
	if err != nil {
		tb.Fatal(err)
	}
	msg.Set(value, protoreflect.ValueOfBytes(body))
}

// compare checks that our decoder and protojson agree on a document.
func (s *decodeSchema) compare(tb testing.TB, m *wire.Message, json []byte, o wire.DecodeOptions) {
	tb.Helper()
	want, wantErr := s.plain(m, json, o)
	got, gotErr := s.decoded(tb, m, json, o)
	switch {
	case wantErr == nil && gotErr != nil:
		tb.Fatalf("%s\nwe refuse: %v", json, gotErr)
	case wantErr != nil && gotErr == nil:
		tb.Fatalf("%s\nwe accept, protojson refuses: %v", json, wantErr)
	case wantErr != nil:
		return
	}
	s.canonical(tb, got.ProtoReflect())
	s.canonical(tb, want.ProtoReflect())
	if !proto.Equal(got, want) {
		tb.Fatalf("%s\nwe read      %v\nprotojson has %v", json, got, want)
	}
}
