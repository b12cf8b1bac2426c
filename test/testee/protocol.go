package main

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// protocol speaks conformance.ConformanceRequest and conformance.ConformanceResponse,
// whose fields it reads and writes by paths on wire bytes.
type protocol struct {
	snapshot *schema.Snapshot
	request  map[string]*wire.Path // by name of the field
	response map[string]*wire.Path
	mask     bool // write JSON by a field mask
}

// The numbers of conformance.WireFormat and conformance.TestCategory that matter here.
const (
	formatProtobuf        = 1
	formatJSON            = 2
	categoryIgnoreUnknown = 3
)

func newProtocol(snapshot *schema.Snapshot, mask bool) (*protocol, error) {
	p := &protocol{snapshot: snapshot, mask: mask}
	var err error
	if p.request, err = pathsOf(snapshot, "conformance.ConformanceRequest"); err != nil {
		return nil, err
	}
	p.response, err = pathsOf(snapshot, "conformance.ConformanceResponse")
	return p, err
}

// pathsOf returns the paths to the scalar fields of a message.
func pathsOf(snapshot *schema.Snapshot, name protoreflect.FullName) (map[string]*wire.Path, error) {
	m := snapshot.FindMessage(name)
	if m == nil {
		return nil, fmt.Errorf("%s is missing", name)
	}
	paths := make(map[string]*wire.Path)
	for _, f := range m.Fields() {
		if f.Message() != nil {
			continue
		}
		path, err := m.Path(f.JSONName())
		if err != nil {
			return nil, err
		}
		paths[string(f.Descriptor().Name())] = path
	}
	return paths, nil
}

// job is a request of the runner.
type job struct {
	message       protoreflect.FullName
	output        uint64
	ignoreUnknown bool
	binary, json  *string // the payload, if it is one of these
}

// answer transcodes what the request asks for and returns the response. Its error
// means that the runner and we do not understand each other.
func (p *protocol) answer(request []byte) ([]byte, error) {
	j, err := p.parse(request)
	if err != nil {
		return nil, err
	}
	field, content := p.do(j)
	return p.response[field].AppendValues(nil, []wire.Value{{Text: content}})
}

func (p *protocol) parse(request []byte) (j job, err error) {
	read := func(field string, set func(wire.Value)) {
		if err == nil {
			err = p.request[field].Values(request, func(v wire.Value) bool { set(v); return true })
		}
	}
	read("message_type", func(v wire.Value) { j.message = protoreflect.FullName(v.Text) })
	read("requested_output_format", func(v wire.Value) { j.output = v.Bits })
	read("test_category", func(v wire.Value) { j.ignoreUnknown = v.Bits == categoryIgnoreUnknown })
	read("protobuf_payload", func(v wire.Value) { j.binary = &v.Text })
	read("json_payload", func(v wire.Value) { j.json = &v.Text })
	return j, err
}

// do returns the field of the response to set, and its content.
func (p *protocol) do(j job) (field, content string) {
	if j.message == "conformance.FailureSet" {
		return "protobuf_payload", "" // the runner asks which failures are expected: none
	}
	m := p.snapshot.FindMessage(j.message)
	switch {
	case m == nil:
		return "runtime_error", "there is no message " + string(j.message)
	case j.binary != nil && j.output == formatJSON:
		return p.toJSON(m, *j.binary)
	case j.json != nil && j.output == formatProtobuf:
		return toBinary(m, j)
	case j.json != nil && j.output == formatJSON:
		field, content = toBinary(m, j)
		if field != "protobuf_payload" {
			return field, content
		}
		return p.toJSON(m, content)
	default:
		return "skipped", "package wire only goes between binary and JSON"
	}
}

func toBinary(m *wire.Message, j job) (field, content string) {
	out, err := m.AppendWire(nil, []byte(*j.json), wire.DecodeOptions{IgnoreUnknown: j.ignoreUnknown})
	if err != nil {
		return "parse_error", err.Error()
	}
	return "protobuf_payload", string(out)
}

// toJSON parses and writes in one go. Which of both failed shows in the error: a value that has no
// JSON form is named by its well-known type.
func (p *protocol) toJSON(m *wire.Message, message string) (field, content string) {
	projection, err := p.projection(m)
	if err != nil {
		return "runtime_error", err.Error()
	}
	out, err := projection.AppendJSON(nil, []byte(message), nil)
	switch {
	case err == nil:
		return "json_payload", string(out)
	case errors.Is(err, wire.ErrMalformed) && !strings.Contains(err.Error(), ": google.protobuf."):
		return "parse_error", err.Error()
	default:
		return "serialize_error", err.Error()
	}
}

func (p *protocol) projection(m *wire.Message) (*wire.Projection, error) {
	if !p.mask {
		return m.Project(wire.Options{}), nil
	}
	var names []string
	for _, f := range m.Fields() {
		names = append(names, f.JSONName())
	}
	return m.ProjectMask(wire.Options{}, names)
}
