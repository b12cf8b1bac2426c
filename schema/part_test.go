package schema

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/wire"
)

// partFiles are of a backend with one method, whose answer has the given fields.
func partFiles(t *testing.T, name, fields string) BackendFiles {
	t.Helper()
	files, err := NewFiles(filesOf(t, `name: "`+name+`.proto" package: "`+name+`" dependency: "google/protobuf/any.proto"
		message_type { name: "Thing" extension_range { start: 100 end: 200 } `+fields+` }
		service { name: "S" method { name: "Get" input_type: ".`+name+`.Thing" output_type: ".`+name+`.Thing" } }`), nil)
	if err != nil {
		t.Fatal(err)
	}
	return BackendFiles{Name: name, Files: files}
}

const (
	textField = `field { name: "text" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING } `
	moreField = `field { name: "more" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING } `
	anyField  = `field { name: "any" number: 3 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".google.protobuf.Any" } `
)

// TestParts compiles twice with one compiler: the parts of backends that others have nothing to do with are those of the
// first time, and no others are.
func TestParts(t *testing.T) {
	alone, holds := partFiles(t, "alone", textField), partFiles(t, "holds", textField+anyField)
	before, after := partFiles(t, "changing", textField), partFiles(t, "changing", textField+moreField)
	rule := &configv1.PolicyRule{Selector: proto.String("alone.S"), Policy: &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(1)}}}
	extending := partFiles(t, "changing", textField)
	extending.Files = mustFiles(t, `name: "x.proto" package: "changing" dependency: "alone.proto"
		extension { name: "x" number: 100 label: LABEL_OPTIONAL type: TYPE_STRING extendee: ".alone.Thing" }
		message_type { name: "Thing" } service { name: "S" method { name: "Get" input_type: ".changing.Thing" output_type: ".changing.Thing" } }`,
		`name: "alone.proto" package: "alone" message_type { name: "Thing" extension_range { start: 100 end: 200 } }`)
	sameService := after
	sameService.Files = partFiles(t, "alone", textField+moreField).Files
	for _, c := range []struct {
		name   string
		second Input
		same   []string // backends that are those of before
	}{
		{"nothing changes", Input{Backends: []BackendFiles{alone, holds, before}}, []string{"alone", "changing"}},
		{"another backend changes", Input{Backends: []BackendFiles{alone, holds, after}}, []string{"alone"}},
		{"they come in another order", Input{Backends: []BackendFiles{after, holds, alone}}, []string{"alone"}},
		{"another one extends its message", Input{Backends: []BackendFiles{alone, holds, extending}}, nil},
		{"another one serves its service first", Input{Backends: []BackendFiles{sameService, alone}}, nil},
		{"a policy is said of it", Input{Backends: []BackendFiles{alone, before}, Policies: []*configv1.PolicyRule{rule}}, nil},
		{"through the admin API", Input{Backends: []BackendFiles{alone, before}, Registered: []*configv1.PolicyRule{rule}}, nil},
		{"its methods are mapped otherwise", Input{Backends: []BackendFiles{alone, before}, AIPVerbsOff: true}, nil},
		{"less of it is served", Input{Backends: []BackendFiles{{Name: "alone", Files: alone.Files, Served: []string{"no.Such"}}, before}}, []string{"changing"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var compiler Compiler
			first := compileAgain(t, &compiler, Input{Backends: []BackendFiles{alone, holds, before}})
			second := compileAgain(t, &compiler, c.second)
			var same []string
			for _, b := range second.Backends {
				if slices.Contains(first.Backends, b) {
					same = append(same, b.Name)
				}
			}
			slices.Sort(same)
			if !slices.Equal(same, c.same) {
				t.Errorf("%q are those of before, want %q", same, c.same)
			}
			for _, m := range second.Methods {
				if !slices.Contains(second.Backends, m.Service.Backend) || second.Service(m.Service.FullName()) != m.Service {
					t.Errorf("%s is of another snapshot", m.Path)
				}
			}
		})
	}
}

// TestPartsAreForgotten says other policies again and again: few of the parts made with earlier ones are kept, and none for long.
func TestPartsAreForgotten(t *testing.T) {
	var compiler Compiler
	backends := []BackendFiles{partFiles(t, "alone", textField)}
	kept := func() (n int) {
		for _, linked := range compiler.linked {
			n += len(linked.parts)
		}
		return n
	}
	for i := range 5 {
		rule := &configv1.PolicyRule{Selector: proto.String("*"), Policy: &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(time.Duration(i + 1))}}}
		compileAgain(t, &compiler, Input{Backends: backends, Policies: []*configv1.PolicyRule{rule}})
		if n := kept(); n != min(i+1, keptParts) {
			t.Errorf("after %d, %d are kept", i+1, n)
		}
	}
	for range keepUnused + 1 {
		compileAgain(t, &compiler, Input{Backends: backends})
	}
	if n := kept(); n != 1 {
		t.Errorf("of those that nobody asks for, %d are kept", n-1)
	}
}

// TestPartsKnowTheirSnapshot writes an Any with what is declared in another backend, which changes.
func TestPartsKnowTheirSnapshot(t *testing.T) {
	var compiler Compiler
	holds := partFiles(t, "holds", textField+anyField)
	for fields, want := range map[string]string{
		textField:             `{"any":{"@type":"x/changing.Thing"}}`,
		textField + moreField: `{"any":{"@type":"x/changing.Thing","more":"m"}}`,
	} {
		s := compileAgain(t, &compiler, Input{Backends: []BackendFiles{holds, partFiles(t, "changing", fields)}})
		got, err := s.Method("/holds.S/Get").Output.Project(wire.Options{}).AppendJSON(nil, []byte("\x1a\x17\x0a\x10x/changing.Thing\x12\x03\x12\x01m"), nil)
		if err != nil || string(got) != want {
			t.Errorf("%s, %v; want %s", got, err, want)
		}
	}
}

func compileAgain(t *testing.T, c *Compiler, in Input) *Snapshot {
	t.Helper()
	s, _, err := c.Compile(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
