package wire_test

import (
	"errors"
	"testing"

	"github.com/protean-gateway/protean/wire"
)

// TestDenied writes messages with a field that the caller may not see: null and a
// fault in a selection, null for the default in ProtoJSON.
func TestDenied(t *testing.T) {
	m := shelf(t, "Shelf")
	size := m.FieldByName("size")
	msg := fromJSON(t, m, `{"name":"x"}`)
	sink := &wire.Sink{Denied: func(f *wire.Field) bool { return f == size }}
	p, err := m.Select([]wire.Selection{
		{Key: "name", Field: m.FieldByName("name")}, {Key: "a", Field: size}, {Key: "b", Field: size},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.AppendJSON(nil, msg, sink)
	if want := `{"name":"x","a":null,"b":null}`; err != nil || string(got) != want {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
	if len(sink.Faults) != 2 || !errors.Is(sink.Faults[1].Cause, wire.ErrDenied) || sink.Faults[1].Path[0] != "b" {
		t.Errorf("%v", sink.Faults)
	}
	name := m.FieldByName("name")
	sink = &wire.Sink{Denied: func(f *wire.Field) bool { return f == name }}
	mask, err := m.ProjectMask(wire.Options{EmitDefaults: true}, []string{"name", "open"})
	if err != nil {
		t.Fatal(err)
	}
	got, err = mask.AppendJSON(nil, nil, sink)
	if want := `{"name":null,"open":false}`; err != nil || string(got) != want || len(sink.Faults) != 0 {
		t.Errorf("%s, %v, want %s", got, err, want)
	}
}
