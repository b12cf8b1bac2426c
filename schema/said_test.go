package schema

import (
	"testing"

	"golang.org/x/tools/txtar"
	"google.golang.org/protobuf/proto"
)

// TestSaid asks where what holds was said.
func TestSaid(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/compile/registered.txtar")
	if err != nil {
		t.Fatal(err)
	}
	in, _ := readCase(t, archive)
	in.Positions = map[proto.Message]string{
		in.Registered[0]: "revision 7", in.Policies[1].GetPolicy().GetRetry(): "c.yaml:3:4",
		in.RegisteredFields[0]: "revision 8", in.Overlays[1].GetField().GetPolicy(): "c.yaml:5:6",
	}
	snapshot, _ := Compile(in)
	m := snapshot.Method("/a.S/Get")
	for kind, want := range map[string]Said{
		"timeout": {ByRegistration, "*", "revision 7"},
		"retry":   {ByOperator, "a.S.Get", "c.yaml:3:4"},
		"breaker": {ByOperator, "*", ""},
	} {
		for name, said := range m.Said {
			if string(name) == kind && said != want {
				t.Errorf("%s: %+v", kind, said)
			}
		}
	}
	fields := snapshot.FindMessage("a.M").Descriptor().Fields()
	for name, want := range map[string]Said{
		"one":   {ByRegistration, "a.M.one", "revision 8"},
		"two":   {ByOperator, "a.M.two", "c.yaml:5:6"},
		"three": {ByField, "a.M.three", "a.proto:7:3"},
	} {
		for i := range fields.Len() {
			if fd := fields.Get(i); string(fd.Name()) == name && snapshot.FieldSaid(fd) != want {
				t.Errorf("%s: %+v", name, snapshot.FieldSaid(fd))
			}
		}
	}
}
