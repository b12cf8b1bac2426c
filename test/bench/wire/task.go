package main

import (
	"fmt"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	"github.com/protean-gateway/protean/test/bench/wire/payload"
)

// task is one thing to do, and all who can do it.
type task struct {
	name     string // direction and message, such as out/small
	bytes    int    // of the input
	subjects []subject
}

// subject does a task. It appends its output to dst.
type subject struct {
	name string
	run  func(dst []byte) ([]byte, error)
}

func (s *subject) repeat(times int) error {
	var dst []byte
	var err error
	for range times {
		if dst, err = s.run(dst[:0]); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// message is a payload in all forms that subjects start from.
type message struct {
	name   string
	object proto.Message
	wire   []byte
	json   []byte
}

// data is the folder of the payloads, seen from here.
const data = "../../../wire/testdata/bench"

func messages() ([]*message, error) {
	small := &message{name: "small", object: new(catalogv1.Book)}
	list := new(catalogv1.ListBooksResponse)
	all := []*message{
		small,
		{name: "strings", object: new(payload.Strings)},
		{name: "numbers", object: new(payload.Numbers)},
		{name: "maps", object: new(payload.Maps)},
		{name: "deep", object: new(payload.Deep)},
	}
	for _, m := range all {
		text, err := os.ReadFile(filepath.Join(data, m.name+".json"))
		if err != nil {
			return nil, err
		}
		if err := protojson.Unmarshal(text, m.object); err != nil {
			return nil, err
		}
	}
	for range 100 {
		list.Books = append(list.Books, small.object.(*catalogv1.Book))
	}
	all = append(all, &message{name: "list", object: list})
	for _, m := range all {
		if err := m.encode(); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// encode fills the forms in from the object.
func (m *message) encode() (err error) {
	if m.wire, err = (proto.MarshalOptions{Deterministic: true}).Marshal(m.object); err != nil {
		return err
	}
	m.json, err = compactJSON(m.object)
	return err
}

// allTasks returns every direction with every message.
func allTasks() ([]task, error) {
	all, err := messages()
	if err != nil {
		return nil, err
	}
	var out, in, part []task
	for _, m := range all {
		out = append(out, task{"out/" + m.name, len(m.wire), outSubjects(m)})
		in = append(in, task{"in/" + m.name, len(m.json), inSubjects(m)})
		if m.name == "list" {
			part = append(part,
				task{"narrow/list", len(m.wire), selectSubjects(m, narrow)},
				task{"wide/list", len(m.wire), selectSubjects(m, wide)})
		}
	}
	return append(append(out, in...), part...), nil
}
