package wire_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	"github.com/protean-gateway/protean/wire"
)

// The benchmarks here watch single changes. `make bench PKG=wire` measures the same
// messages in one interleaved run beside others, with ratios.

// benchMessage is a payload of testdata/bench.
type benchMessage struct {
	name      string
	object    proto.Message
	generated bool // the object is of generated code
}

func benchMessages(b *testing.B) []benchMessage {
	b.Helper()
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"testdata/bench"}}),
	}
	files, err := compiler.Compile(context.Background(), "payload.proto")
	if err != nil {
		b.Fatal(err)
	}
	list := &catalogv1.ListBooksResponse{NextPageToken: "100"}
	for range 100 {
		list.Books = append(list.Books, exampleBook(b))
	}
	all := []benchMessage{{"small", exampleBook(b), true}, {"list", list, true}}
	for _, name := range []string{"strings", "numbers", "maps", "deep"} {
		md := files[0].Messages().ByName(protoreflect.Name(strings.ToUpper(name[:1]) + name[1:]))
		m := benchMessage{name: name, object: dynamicpb.NewMessage(md)}
		readPayload(b, m.name, m.object)
		all = append(all, m)
	}
	return all
}

// readPayload reads the message of testdata/bench that has a name.
func readPayload(tb testing.TB, name string, into proto.Message) {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "bench", name+".json"))
	if err == nil {
		err = protojson.Unmarshal(text, into)
	}
	if err != nil {
		tb.Fatal(err)
	}
}

func exampleBook(tb testing.TB) *catalogv1.Book {
	book := new(catalogv1.Book)
	readPayload(tb, "small", book)
	return book
}

// objects returns how the objects beside are made: each from nothing for every run.
func (m *benchMessage) objects() map[string]func() proto.Message {
	md := m.object.ProtoReflect().Descriptor()
	all := map[string]func() proto.Message{"dynamicpb": func() proto.Message { return dynamicpb.NewMessage(md) }}
	if m.generated {
		all["generated"] = func() proto.Message { return m.object.ProtoReflect().New().Interface() }
	}
	return all
}

// BenchmarkAppendJSON writes JSON, beside objects with protojson.
func BenchmarkAppendJSON(b *testing.B) {
	for _, m := range benchMessages(b) {
		body, err := proto.Marshal(m.object)
		if err != nil {
			b.Fatal(err)
		}
		plan := wire.NewTypes(nil).Message(m.object.ProtoReflect().Descriptor()).Project(wire.Options{})
		b.Run(m.name+"/wire", func(b *testing.B) {
			benchmark(b, body, func(dst []byte) ([]byte, error) { return plan.AppendJSON(dst, body, nil) })
		})
		for name, newObject := range m.objects() {
			b.Run(m.name+"/"+name, func(b *testing.B) {
				benchmark(b, body, func(dst []byte) ([]byte, error) {
					object := newObject()
					if err := proto.Unmarshal(body, object); err != nil {
						return nil, err
					}
					return protojson.MarshalOptions{}.MarshalAppend(dst, object)
				})
			})
		}
	}
}

// BenchmarkAppendWire reads JSON, beside objects with protojson.
func BenchmarkAppendWire(b *testing.B) {
	for _, m := range benchMessages(b) {
		json, err := protojson.Marshal(m.object)
		if err != nil {
			b.Fatal(err)
		}
		plan := wire.NewTypes(nil).Message(m.object.ProtoReflect().Descriptor())
		b.Run(m.name+"/wire", func(b *testing.B) {
			benchmark(b, json, func(dst []byte) ([]byte, error) { return plan.AppendWire(dst, json, wire.DecodeOptions{}) })
		})
		for name, newObject := range m.objects() {
			b.Run(m.name+"/"+name, func(b *testing.B) {
				benchmark(b, json, func(dst []byte) ([]byte, error) {
					object := newObject()
					if err := protojson.Unmarshal(json, object); err != nil {
						return nil, err
					}
					return proto.MarshalOptions{}.MarshalAppend(dst, object)
				})
			})
		}
	}
}

// BenchmarkSelect writes a part of each element of a list.
func BenchmarkSelect(b *testing.B) {
	list, m := exampleList(b)
	for name, fields := range map[string]string{
		"narrow": "title",
		"wide":   "name title author genre pages copiesSold tags inStock archived rating etag",
	} {
		p, err := m.Select(parseSelection(b, m, "books { "+fields+" }"))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			benchmark(b, list, func(dst []byte) ([]byte, error) { return p.AppendJSON(dst, list, nil) })
		})
	}
}

// BenchmarkRedact takes a field out of each element of a list, and looks for one that none has.
func BenchmarkRedact(b *testing.B) {
	list, m := exampleList(b)
	for name, field := range map[string]protoreflect.FullName{
		"drop":   "acme.catalog.v1.Book.author",
		"absent": "acme.catalog.v1.Book.cover",
	} {
		redaction, err := m.NewRedaction([]wire.RedactRule{{Field: field}})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			benchmark(b, list, func([]byte) ([]byte, error) { return redaction.Apply(list) })
		})
	}
}

func exampleList(b *testing.B) ([]byte, *wire.Message) {
	b.Helper()
	list := benchMessages(b)[1].object
	body, err := proto.Marshal(list)
	if err != nil {
		b.Fatal(err)
	}
	return body, wire.NewTypes(nil).Message(list.ProtoReflect().Descriptor())
}

func benchmark(b *testing.B, body []byte, write func(dst []byte) ([]byte, error)) {
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var dst []byte
	for b.Loop() {
		var err error
		if dst, err = write(dst[:0]); err != nil {
			b.Fatal(err)
		}
	}
}
