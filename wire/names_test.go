package wire_test

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/wire"
)

// forgedStrings compiles a proto2 message of optional strings, from `name` or `name=json_name`, `m` and `mm` for a field of the same
// message and `map` for a map of strings.
func forgedStrings(t *testing.T, fields ...string) *wire.Message {
	t.Helper()
	md := &descriptorpb.DescriptorProto{Name: proto.String("M")}
	for i, text := range fields {
		name, jsonName, custom := strings.Cut(text, "=")
		fd := &descriptorpb.FieldDescriptorProto{
			Name: &name, Number: proto.Int32(int32(i + 1)),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		}
		if custom {
			fd.JsonName = &jsonName
		}
		switch {
		case strings.HasPrefix(name, "map"):
			fd.Label, fd.Type = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum(), descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
			fd.TypeName = proto.String(".M." + mapEntry(md, name))
		case name == "m" || name == "mm":
			fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".M")
		}
		md.Field = append(md.Field, fd)
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{Name: proto.String("m.proto"), MessageType: []*descriptorpb.DescriptorProto{md}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return wire.NewTypes(nil).Message(file.Messages().Get(0))
}

// mapEntry adds the entry of a map and returns its name.
func mapEntry(md *descriptorpb.DescriptorProto, field string) string {
	var camel string
	for part := range strings.SplitSeq(field, "_") {
		camel += strings.ToUpper(part[:1]) + part[1:]
	}
	entry := &descriptorpb.DescriptorProto{Name: proto.String(camel + "Entry"), Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}}
	for i, name := range []string{"key", "value"} {
		entry.Field = append(entry.Field, &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(int32(i + 1)),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		})
	}
	md.NestedType = append(md.NestedType, entry)
	return entry.GetName()
}

// TestSharedJSONNames writes and reads messages in which several fields have one JSON name. Field 1 is "1", and so on.
func TestSharedJSONNames(t *testing.T) {
	for _, test := range []struct {
		fields []string
		json   string // what is written, which sets the same fields when it is read
		proto  string // the same under the names of the .proto file, where those set the same fields
	}{
		{[]string{"foo_bar", "fooBar"}, `{"foo_bar":"1","fooBar":"2"}`, `{"foo_bar":"1","fooBar":"2"}`},
		{[]string{"fooBar", "foo_bar"}, `{"fooBar":"1","foo_bar":"2"}`, `{"fooBar":"1","foo_bar":"2"}`},
		{[]string{"foo_bar", "foo__bar"}, `{"fooBar":"1","foo__bar":"2"}`, `{"foo_bar":"1","foo__bar":"2"}`},
		{[]string{"a=x", "b=x", "c=x"}, `{"x":"1","b":"2","c":"3"}`, `{"a":"1","b":"2","c":"3"}`},
		{[]string{"a=b", "b"}, `{"a":"1","b":"2"}`, `{"a":"1","b":"2"}`},
		{[]string{"a=x", "b=x", "c=b"}, `{"x":"1","b_2":"2","b":"3"}`, ""},
		{[]string{"a=b", "b=a"}, `{"b":"1","a":"2"}`, ""},
	} {
		m := forgedStrings(t, test.fields...)
		var message []byte
		for i, f := range m.Fields() {
			var err error
			if message, err = f.AppendWireText(message, fmt.Sprint(i+1)); err != nil {
				t.Fatal(err)
			}
		}
		out, err := m.Project(wire.Options{}).AppendJSON(nil, message, nil)
		if err != nil || string(out) != test.json {
			t.Errorf("%q: got %s (%v), want %s", test.fields, out, err, test.json)
		}
		for _, text := range []string{test.json, test.proto} {
			if text == "" {
				continue
			}
			if read, err := m.AppendWire(nil, []byte(text), wire.DecodeOptions{}); err != nil || string(read) != string(message) {
				t.Errorf("%q: %s is read as %q (%v), want %q", test.fields, text, read, err, message)
			}
		}
	}
}

// TestOddNames finds fields whose names have dots and brackets, and splits the names of map entries.
func TestOddNames(t *testing.T) {
	m := forgedStrings(t, "m", "a=m.a", "b=m.b[c]", "c", "map", "map_odd=map[x]", "d=c[d]", "e=m.m.m")
	for name, want := range map[string]string{
		"c": "c", "m.c": "m.c", "m.m.c": "m.m.c", "m.a": "a", "m.m.a": "m.a", "m.m.m.a": "m.m.a", "m.b[c]": "b", "m.c[d]": "m.d", "c[d]": "d",
		"m.m.m": "e", "m.m.m.m": "m.e", "m.m.m.m.c": "m.m.m.m.c", "map[x]": "map_odd", "map[y]": "", "m.x": "", "c.c": "", "m.": "", "": "", "m..c": "",
	} {
		got := ""
		if p, err := m.Path(name); err == nil {
			for _, f := range p.Fields() {
				got += "." + string(f.Descriptor().Name())
			}
			got = got[1:]
		}
		if got != want {
			t.Errorf("path %s: got %q, want %q", name, got, want)
		}
	}
	for name, want := range map[string]string{
		"map[k]": "map|k", "map[]": "map|", "map[a[b]]": "map|a[b]", "map[a.b]": "map|a.b", "m.map[k]": "m.map|k", "map[x]": "", "map[x][k]": "map[x]|k",
		"m.m.map[x][k]": "m.m.map[x]|k", "map_odd[k]": "map_odd|k", "c[k]": "", "c[d]": "", "m.b[c]": "", "x[k]": "", "map[k": "", "map": "", "[k]": "",
	} {
		got := ""
		if path, key, ok := m.CutKey(name); ok {
			got = path + "|" + key
		}
		if got != want {
			t.Errorf("entry %s: got %q, want %q", name, got, want)
		}
	}
	if n := testing.AllocsPerRun(100, func() { m.CutKey("m.map[k]") }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestPathStepsAreBounded looks a name up that can be read in more ways than anybody could try.
func TestPathStepsAreBounded(t *testing.T) {
	m := forgedStrings(t, "m", "mm=m.m")
	if p, err := m.Path(strings.Repeat("m.", 90) + "x"); err == nil {
		t.Errorf("found %v", p)
	}
	if _, _, ok := m.CutKey(strings.Repeat("m.", 90) + "x[k]"); ok {
		t.Error("found a map")
	}
}
