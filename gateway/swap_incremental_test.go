package gateway

import (
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var (
	incrementalSeed  = flag.Uint64("incremental.seed", 0, "of the changes; 0: another one each time")
	incrementalSteps = flag.Int("incremental.steps", 150, "changes that are compiled in two ways")
)

// TestIncrementalIsWhole makes random changes of backends, overlays and names, and compiles after each
// with one compiler that remembers and with a new one: digest, problems, names, routes, SDL and OpenAPI
// must be the same to the byte.
func TestIncrementalIsWhole(t *testing.T) {
	seed := *incrementalSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-incremental.seed=%d", seed)
	w := newChangingWorld(t, rand.New(rand.NewPCG(seed, 0)))
	compiler := new(schema.Compiler)
	changed := 0
	last := ""
	for step := range *incrementalSteps {
		w.change()
		incremental := described(t, w, compiler)
		whole := described(t, w, new(schema.Compiler))
		if !reflect.DeepEqual(incremental, whole) {
			t.Fatalf("step %d:\nincremental %+v\nwhole %+v", step, incremental, whole)
		}
		if whole["digest"] != last {
			changed++
		}
		last = whole["digest"]
		w.names = w.lastNames
	}
	if changed < *incrementalSteps/4 {
		t.Errorf("only %d of %d changes changed anything", changed, *incrementalSteps)
	}
}

// described returns all that clients may see of what is compiled.
func described(t *testing.T, w *changingWorld, c *schema.Compiler) map[string]string {
	t.Helper()
	snapshot, problems, err := c.Compile(t.Context(), schema.Input{
		Backends: w.backends(), Overlays: w.overlays(), Names: w.names, AIPVerbsOff: w.verbsOff,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.maker.of(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	openapi, err := v.openapi.JSON()
	if err != nil {
		t.Fatal(err)
	}
	names, err := snapshot.Names.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var routes strings.Builder
	for _, r := range v.rest.Routes() {
		fmt.Fprintln(&routes, r.Verb, r.Template, r.Method.FullName(), r.Method.Service.Backend.Name)
	}
	var found strings.Builder
	for _, p := range slices.Concat(problems, v.problems) {
		fmt.Fprintln(&found, p)
	}
	w.lastNames = snapshot.Names
	return map[string]string{
		"digest": snapshot.Digest, "problems": found.String(), "names": string(names), "routes": routes.String(),
		"sdl": v.graph.SDL(), "openapi": string(openapi), "extensions": extensionsOf(snapshot),
	}
}

// extensionsOf shows that messages have the extensions that other backends declare now.
func extensionsOf(s *schema.Snapshot) string {
	var b strings.Builder
	for _, backend := range s.Backends {
		for _, service := range backend.Services {
			for _, m := range service.Methods {
				for _, f := range m.Input.Fields() {
					fmt.Fprint(&b, m.Path, " ", f.JSONName(), " ", f.Kind(), "\n")
				}
			}
		}
	}
	return b.String()
}

// changingWorld is a configuration that changes at random, out of few parts, so that states come back.
type changingWorld struct {
	random    *rand.Rand
	maker     *viewMaker
	versions  [][]*schema.Files // by backend
	current   []int             // by backend: its version; -1: it is not there
	order     []int
	overlaid  [3]bool
	verbsOff  bool
	names     *schema.Names
	lastNames *schema.Names
}

const changingBackends, changingVersions = 5, 4

func newChangingWorld(t *testing.T, random *rand.Rand) *changingWorld {
	t.Helper()
	g, err := New(&configv1.Config{Admin: proto.String(adminOff)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	w := &changingWorld{random: random, maker: g.current().maker, current: make([]int, changingBackends), order: random.Perm(changingBackends)}
	for b := range changingBackends {
		var versions []*schema.Files
		for range changingVersions {
			versions = append(versions, rpctest.Files(t, map[string]string{"common.proto": w.commonSource(b), fmt.Sprintf("b%d.proto", b): w.source(b)}))
		}
		good := schema.BackendFiles{Files: versions[0]}
		bad := broken(t, good).Files
		bad.Digest = fmt.Sprint("broken", b)
		w.versions = append(w.versions, append(versions, bad))
	}
	return w
}

// commonSource is a file that all backends have, not all in the same way.
func (w *changingWorld) commonSource(int) string {
	kinds := []string{"string", "int64", "Money"}
	return fmt.Sprintf("syntax = \"proto2\"; package common.v1;\nmessage Money { optional int64 units = 1; extensions 100 to 200; }\n"+
		"message Label { optional %s text = 1; optional Money price = 2; }\n", kinds[w.random.IntN(len(kinds))])
}

func (w *changingWorld) source(backend int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax = \"proto2\"; package p%d.v1;\nimport \"google/api/annotations.proto\"; import \"google/protobuf/any.proto\"; import \"common.proto\";\n", backend/2) // some share a package
	if w.random.IntN(2) == 0 {
		fmt.Fprintf(&b, "extend common.v1.Money { optional string extra%d = %d; }\n", backend, 100+w.random.IntN(3))
	}
	fmt.Fprintf(&b, "service S%d {\n", w.random.IntN(3))
	for i := range 1 + w.random.IntN(4) {
		fmt.Fprintf(&b, "  // Version %d.\n  rpc %sThing%d(Request) returns (%s) { option (google.api.http) = {get: \"/v1/things%d/{name}:do%d\"}; }\n",
			w.random.IntN(10), []string{"Get", "Do"}[w.random.IntN(2)], i, []string{"Thing", "common.v1.Label"}[w.random.IntN(2)], w.random.IntN(3), i)
	}
	fmt.Fprintf(&b, "}\nmessage Request { optional string name = 1; optional common.v1.Money money = 2; }\nmessage Thing {\n")
	for i := range 1 + w.random.IntN(4) {
		fmt.Fprintf(&b, "  optional %s f%d = %d;\n", []string{"string", "int32", "Thing", "common.v1.Label", "google.protobuf.Any"}[w.random.IntN(5)], i, i+1)
	}
	b.WriteString("}\n")
	return b.String()
}

// change changes one thing, as a registration, a reload, or a restart would.
func (w *changingWorld) change() {
	switch b := w.random.IntN(changingBackends); w.random.IntN(10) {
	case 0:
		w.current[b] = -1
	case 1:
		w.overlaid[w.random.IntN(len(w.overlaid))] = w.random.IntN(2) == 0
	case 2:
		w.order = w.random.Perm(changingBackends)
	case 3:
		w.names = nil
	case 4:
		w.verbsOff = !w.verbsOff
	default:
		w.current[b] = w.random.IntN(len(w.versions[b]))
	}
}

func (w *changingWorld) backends() (backends []schema.BackendFiles) {
	for _, b := range w.order {
		if version := w.current[b]; version >= 0 {
			in := schema.BackendFiles{Name: fmt.Sprint("b", b), Files: w.versions[b][version]}
			if b == 0 && w.overlaid[0] {
				in.Served = []string{"p0.v1.S0"}
			}
			backends = append(backends, in)
		}
	}
	return backends
}

func (w *changingWorld) overlays() (overlays []*configv1.Overlay) {
	if w.overlaid[0] {
		overlays = append(overlays, &configv1.Overlay{
			Selector: proto.String("p0.v1.S0.GetThing0"),
			Http:     &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/overlaid/{name}"}},
		})
	}
	if w.overlaid[1] {
		overlays = append(overlays, &configv1.Overlay{
			Selector: proto.String("common.v1.Label"),
			Options:  &configv1.Overlay_Message{Message: &optionsv1.MessageOptions{GraphqlName: proto.String("Tag")}},
		})
	}
	if w.overlaid[2] {
		overlays = append(overlays, &configv1.Overlay{
			Selector: proto.String("p1.v1.Thing"), // a message, which takes no rule
			Http:     &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/never"}},
		})
	}
	return overlays
}
