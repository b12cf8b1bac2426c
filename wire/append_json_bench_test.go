package wire_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	"github.com/protean-gateway/protean/wire"
)

func exampleBook() *catalogv1.Book {
	return &catalogv1.Book{
		Name:         "books/the-long-way-home",
		Title:        "The Long Way Home, and Other Stories \"of the sea\"",
		Author:       "authors/maria-brandt",
		Genre:        catalogv1.Genre_GENRE_NOVEL,
		Price:        &catalogv1.Money{CurrencyCode: "EUR", Units: 24, Nanos: 900_000_000},
		Pages:        412,
		CopiesSold:   18_204,
		Tags:         []string{"sea", "short stories", "prize 2024"},
		Translations: map[string]string{"de": "Der lange Weg nach Hause"},
		Availability: &catalogv1.Book_InStock{InStock: 17},
		CreateTime:   timestamppb.New(time.Date(2024, 5, 17, 9, 30, 0, 250_000_000, time.UTC)),
		Rating:       proto.Float64(4.25),
		Etag:         "a81c",
	}
}

// BenchmarkAppendJSON writes a small message and a list of 100, beside dynamicpb
// with protojson and generated code with protojson.
func BenchmarkAppendJSON(b *testing.B) {
	list := &catalogv1.ListBooksResponse{NextPageToken: "100"}
	for range 100 {
		list.Books = append(list.Books, exampleBook())
	}
	for _, c := range []struct {
		name string
		msg  proto.Message
	}{{"small", exampleBook()}, {"list", list}} {
		name, msg := c.name, c.msg
		body, err := proto.Marshal(msg)
		if err != nil {
			b.Fatal(err)
		}
		m := wire.NewTypes(nil).Message(msg.ProtoReflect().Descriptor())
		b.Run(name+"/wire", func(b *testing.B) {
			benchmark(b, body, func(dst []byte) ([]byte, error) {
				return m.Project(wire.Options{}).AppendJSON(dst, body, nil)
			})
		})
		b.Run(name+"/dynamicpb", func(b *testing.B) {
			benchmark(b, body, func(dst []byte) ([]byte, error) {
				object := dynamicpb.NewMessage(msg.ProtoReflect().Descriptor())
				if err := proto.Unmarshal(body, object); err != nil {
					return nil, err
				}
				return protojson.MarshalOptions{}.MarshalAppend(dst, object)
			})
		})
		b.Run(name+"/generated", func(b *testing.B) {
			benchmark(b, body, func(dst []byte) ([]byte, error) {
				object := msg.ProtoReflect().New().Interface()
				if err := proto.Unmarshal(body, object); err != nil {
					return nil, err
				}
				return protojson.MarshalOptions{}.MarshalAppend(dst, object)
			})
		})
	}
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
