package main

import (
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/wire"
)

// selection names what is taken of each book in a list.
type selection string

const (
	narrow selection = "title"
	wide   selection = "name title author genre pages copiesSold tags inStock archived rating etag"
)

// selectSubjects write a part of each book as JSON. An object is decoded whole and pruned first.
func selectSubjects(m *message, s selection) []subject {
	md := m.object.ProtoReflect().Descriptor()
	list := wire.NewTypes(nil).Message(md)
	plan, err := list.Select(s.ofList(list))
	if err != nil {
		panic(err)
	}
	books := new(shape)
	books.below[1] = new(shape)
	dropped := s.rest(md.Fields().ByName("books").Message())
	return []subject{
		{"wire", func(dst []byte) ([]byte, error) { return plan.AppendJSON(dst, m.wire, nil) }},
		{"dynamicpb", func(dst []byte) ([]byte, error) { return prunedToJSON(dst, m.wire, dynamicpb.NewMessage(md), dropped) }},
		{"generated", func(dst []byte) ([]byte, error) {
			return prunedToJSON(dst, m.wire, m.object.ProtoReflect().New().Interface(), dropped)
		}},
		{"floor", func(dst []byte) ([]byte, error) { return append(dst, byte(skipRecords(m.wire, books))), nil }},
	}
}

func (s selection) ofList(list *wire.Message) []wire.Selection {
	books := list.FieldByName("books")
	var fields []wire.Selection
	for name := range strings.FieldsSeq(string(s)) {
		fields = append(fields, wire.Selection{Key: name, Field: books.Message().FieldByName(name)})
	}
	return []wire.Selection{{Key: "books", Field: books, Children: fields}}
}

// rest returns the fields of a book that are not selected.
func (s selection) rest(book protoreflect.MessageDescriptor) (rest []protoreflect.FieldDescriptor) {
	for i := range book.Fields().Len() {
		if fd := book.Fields().Get(i); !strings.Contains(" "+string(s)+" ", " "+fd.JSONName()+" ") {
			rest = append(rest, fd)
		}
	}
	return rest
}

func prunedToJSON(dst, msg []byte, object proto.Message, dropped []protoreflect.FieldDescriptor) ([]byte, error) {
	if err := proto.Unmarshal(msg, object); err != nil {
		return dst, err
	}
	list := object.ProtoReflect()
	books := list.Get(list.Descriptor().Fields().ByName("books")).List()
	for i := range books.Len() {
		book := books.Get(i).Message()
		for _, fd := range dropped {
			book.Clear(fd)
		}
	}
	list.Clear(list.Descriptor().Fields().ByName("next_page_token"))
	return protojson.MarshalOptions{}.MarshalAppend(dst, object)
}
