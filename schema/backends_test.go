package schema

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

const oneService = `name: "s.proto" package: "p" message_type { name: "M" }
	service { name: "S" method { name: "Get" input_type: ".p.M" output_type: ".p.M" } }`

func mustFiles(t *testing.T, texts ...string) *Files {
	t.Helper()
	files, err := NewFiles(filesOf(t, texts...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestBackendsWithErrors puts a sound backend behind some that are not.
func TestBackendsWithErrors(t *testing.T) {
	sound := mustFiles(t, oneService)
	in := Input{Backends: []BackendFiles{
		{Name: "empty"},
		{Name: "unlinked", Files: mustFiles(t, `name: "x/a.proto" package: "p"
			service { name: "S" method { name: "Get" input_type: ".p.Gone" output_type: ".p.Gone" } }`)},
		{Name: "twice", Files: mustFiles(t, `name: "a.proto" message_type { name: "M" }`, `name: "b.proto" message_type { name: "M" }`)},
		{Name: "sound", Files: sound},
		{Name: "sound", Files: sound},
	}}
	snapshot, problems := Compile(in)
	var got []string
	for _, p := range problems {
		got = append(got, p.String())
	}
	want := []string{
		`error: backend "empty": no descriptors were loaded`,
		`error: backend "unlinked": x/a.proto: p.S.Get: the method is not served: it needs p.Gone, which is not declared or not usable`,
		`error: backend "unlinked": x/a.proto: p.S: the service is not served: none of its methods can be`,
		`error: backend "twice": b.proto: M: not served: a.proto declares it too`,
		`error: backend "sound": a backend before this one has the same name`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if len(snapshot.Backends) != 3 || len(snapshot.Services) != 1 || snapshot.Method("/p.S/Get") == nil {
		t.Fatalf("the sound backend is not served alone: %v", snapshot.Backends)
	}
	if b := snapshot.Backends[2]; b.Digest != sound.Digest || len(b.Services) != 1 || b.Services[0].Backend != b {
		t.Errorf("the backend is not what its files say: %+v", b)
	}
}

func TestNothingToCompile(t *testing.T) {
	snapshot, problems := Compile(Input{})
	if len(problems) > 0 || snapshot.Digest == "" || snapshot.Names.Type("x") != "" || snapshot.Method("/x") != nil {
		t.Errorf("got %+v, %v", snapshot, problems)
	}
}

// TestDefaults checks what a method has of which nobody said anything.
func TestDefaults(t *testing.T) {
	snapshot, _ := Compile(Input{Backends: []BackendFiles{{Name: "a", Files: mustFiles(t, oneService)}}})
	m := snapshot.Method("/p.S/Get")
	if m.Options == nil || m.Service.Options == nil || m.Policy == nil {
		t.Error("options and policy are never nil")
	}
	if want := (Limits{RequestBytes: 4 << 20, ResponseBytes: 4 << 20, JSONBytes: 32 << 20, SlowConsumer: 30 * time.Second}); m.Limits != want || m.Timeout != 30*time.Second {
		t.Errorf("got %v, %v", m.Limits, m.Timeout)
	}
}

// TestDigestCoversInput changes each part of an input by itself.
func TestDigestCoversInput(t *testing.T) {
	files, other := mustFiles(t, oneService), mustFiles(t, oneService+` service { name: "T" }`)
	overlay := &configv1.Overlay{
		Selector: proto.String("p.M"),
		Options:  &configv1.Overlay_Message{Message: &optionsv1.MessageOptions{GraphqlName: proto.String("N")}},
	}
	rule := &configv1.PolicyRule{
		Selector: proto.String("*"),
		Policy:   &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(time.Second)}},
	}
	changes := map[string]func(*Input){
		"nothing":  func(*Input) {},
		"name":     func(in *Input) { in.Backends[0].Name = "b" },
		"files":    func(in *Input) { in.Backends[0].Files = other },
		"served":   func(in *Input) { in.Backends[0].Served = []string{"p.S"} },
		"backends": func(in *Input) { in.Backends = append(in.Backends, BackendFiles{Name: "c"}) },
		"overlay":  func(in *Input) { in.Overlays = []*configv1.Overlay{overlay} },
		"policy":   func(in *Input) { in.Policies = []*configv1.PolicyRule{rule} },
		"verbs":    func(in *Input) { in.AIPVerbsOff = true },
		"types":    func(in *Input) { in.Names = &Names{Types: map[string]string{"p.M": "X"}} },
		"fields":   func(in *Input) { in.Names = &Names{Fields: map[string]string{"p.S.Get": "x"}} },
	}
	seen := make(map[string]string)
	for name, change := range changes {
		in := Input{Backends: []BackendFiles{{Name: "a", Files: files}}}
		change(&in)
		snapshot, _ := Compile(in)
		if before, ok := seen[snapshot.Digest]; ok {
			t.Errorf("%s and %s give one digest", before, name)
		}
		seen[snapshot.Digest] = name
	}
}

// TestInputIsNotChanged compiles with overlays and policies of every origin and looks at
// what was given.
func TestInputIsNotChanged(t *testing.T) {
	policy := &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(time.Second)}}
	overlay := &configv1.Overlay{
		Selector: proto.String("p.S"),
		Options:  &configv1.Overlay_Service{Service: &optionsv1.ServiceOptions{Policy: policy}},
	}
	names := &Names{Types: map[string]string{"p.M": "Int"}}
	before := proto.CloneOf(overlay)
	snapshot, _ := Compile(Input{
		Backends: []BackendFiles{{Name: "a", Files: mustFiles(t, oneService)}},
		Overlays: []*configv1.Overlay{overlay},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: policy}},
		Names:    names,
	})
	if !proto.Equal(overlay, before) || names.Type("p.M") != "Int" || names.Fields != nil {
		t.Error("the input was changed")
	}
	if snapshot.Method("/p.S/Get").Timeout != time.Second {
		t.Error("the overlay's policy does not hold")
	}
}

func TestProblemString(t *testing.T) {
	tests := []struct {
		problem Problem
		want    string
	}{
		{Problem{Severity: Error, Backend: "orders", Element: "orders.Order", Position: "orders.proto:12:3", Message: "message"},
			`error: backend "orders": orders.proto:12:3: orders.Order: message`},
		{Problem{Severity: Warning, Message: "message"}, `warning: message`},
		{Problem{Severity: Warning, Backend: "a", Position: "a.proto", Message: "m"}, `warning: backend "a": a.proto: m`},
	}
	for _, test := range tests {
		if got := test.problem.String(); got != test.want {
			t.Errorf("got %s, want %s", got, test.want)
		}
	}
}
