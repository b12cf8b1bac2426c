package gateway

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/gateway/gate"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var (
	incrementalSeed  = flag.Uint64("incremental.seed", 0, "of the changes; 0: another one each time")
	incrementalSteps = flag.Int("incremental.steps", 150, "changes that are compiled in two ways")
)

// TestIncrementalIsWhole makes random changes of backends, overlays, policies and names, and compiles after each
// with one compiler that remembers and with a new one: digest, problems, names, routes, SDL, OpenAPI, introspection,
// answers and findings of the gate must be the same to the byte.
func TestIncrementalIsWhole(t *testing.T) {
	seed := *incrementalSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-incremental.seed=%d", seed)
	w := newChangingWorld(t, rand.New(rand.NewPCG(seed, 0)))
	compiler := new(schema.Compiler)
	var shared, apart *gate.Views // before
	changed := 0
	last := ""
	for step := range *incrementalSteps {
		w.change()
		incremental := described(t, w, compiler, &shared)
		whole := described(t, w, new(schema.Compiler), &apart)
		for what := range whole {
			if incremental[what] != whole[what] {
				t.Fatalf("step %d: %s differs:\nincremental %s\nwhole %s", step, what, incremental[what], whole[what])
			}
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

// described returns all that clients may see of what is compiled, and what the gate finds different from before.
func described(t *testing.T, w *changingWorld, c *schema.Compiler, before **gate.Views) map[string]string {
	t.Helper()
	v, problems := w.compile(t, c)
	snapshot := v.snapshot
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
	now := &gate.Views{Snapshot: snapshot, REST: v.rest, Graph: v.graph, Access: v.access, Selectors: []string{"alone6.v1.*", "p0.v1.S0"}}
	if *before == nil {
		*before = now
	}
	findings, err := gate.Compare(t.Context(), **before, *now)
	if err != nil {
		t.Fatal(err)
	}
	*before = now
	return map[string]string{
		"digest": snapshot.Digest, "problems": found.String(), "names": string(names), "routes": routes.String(),
		"sdl": v.graph.SDL(), "openapi": string(openapi), "extensions": extensionsOf(snapshot), "answers": answersOf(t, v), "findings": fmt.Sprint(findings),
	}
}

// compile makes views of the world as it is.
func (w *changingWorld) compile(t *testing.T, c *schema.Compiler) (*views, []schema.Problem) {
	t.Helper()
	snapshot, problems, err := c.Compile(t.Context(), schema.Input{
		Backends: w.backends(), Overlays: w.overlays(), Policies: w.policies(), Registered: w.registered(), Positions: w.positions(),
		Names: w.names, AIPVerbsOff: w.verbsOff,
	})
	if err != nil {
		t.Fatal(err)
	}
	v, err := w.maker.of(t.Context(), snapshot)
	if err != nil {
		t.Fatal(err)
	}
	w.lastNames = snapshot.Names
	return v, problems
}

// TestIncrementalUnderLoad answers requests from views whose parts go into the next ones meanwhile: each answers to the end as
// it did at the beginning.
func TestIncrementalUnderLoad(t *testing.T) {
	w := newChangingWorld(t, rand.New(rand.NewPCG(rand.Uint64(), 0)))
	compiler := new(schema.Compiler)
	var running sync.WaitGroup
	defer running.Wait()
	for range 20 {
		w.change()
		v, _ := w.compile(t, compiler)
		w.names = w.lastNames
		want := answersOf(t, v)
		running.Go(func() {
			for range 3 {
				if got := answersOf(t, v); got != want {
					t.Errorf("it answers\n%s\nand before\n%s", got, want)
				}
			}
		})
	}
}

// answersOf calls every method as REST, and as GraphQL where it needs no arguments, and asks for the whole graph.
func answersOf(t *testing.T, v *views) string {
	t.Helper()
	var b strings.Builder
	ask := func(door http.Handler, path, body string) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		fmt.Fprintln(&b, path, body, w.Code, w.Body)
	}
	document := func(text string) {
		body, err := json.Marshal(map[string]string{"query": text})
		if err != nil {
			t.Fatal(err)
		}
		ask(v.graph, "/graphql", string(body))
	}
	for _, route := range v.rest.Routes() {
		if route.Verb == http.MethodPost {
			ask(v.rest, route.Template, "{}")
		}
	}
	for _, kind := range []string{"Query", "Mutation"} {
		for _, shape := range v.graph.Shape() {
			if shape.Name != kind {
				continue
			}
			for _, f := range shape.Fields {
				document(fmt.Sprintf("%s { %s { __typename } }", strings.ToLower(kind), f.Name))
			}
		}
	}
	document("{ __schema { types { name kind description fields { name description isDeprecated type { name kind ofType { name } } args { name type { name } } } " +
		"possibleTypes { name } enumValues { name } inputFields { name type { name kind } } } } }")
	return b.String()
}

// answers is a backend whose answers have texts, and an Any of what some other backend may have just now.
func answers(_ context.Context, c *rpc.Call, s rpc.Stream) error {
	var b []byte
	for _, f := range c.Method.Output.Fields() {
		switch {
		case f.Kind() == protoreflect.StringKind:
			b = protowire.AppendString(protowire.AppendTag(b, f.Number(), protowire.BytesType), "text")
		case f.Message() != nil && f.Message().FullName() == "google.protobuf.Any":
			held, err := proto.Marshal(&anypb.Any{TypeUrl: "x.example/p1.v1.Thing", Value: []byte{1<<3 | 2, 1, 'x'}})
			if err != nil {
				return err
			}
			b = protowire.AppendBytes(protowire.AppendTag(b, f.Number(), protowire.BytesType), held)
		}
	}
	return s.Send(b)
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
	said      [4]bool // policies: two of the operator, and two through the admin API
	moved     int     // lines by which what is said stands elsewhere
	verbsOff  bool
	names     *schema.Names
	lastNames *schema.Names
}

const (
	changingBackends = 8
	sharingBackends  = 5 // of these; the others have nothing to do with each other, at most times
	changingVersions = 4
)

func newChangingWorld(t *testing.T, random *rand.Rand) *changingWorld {
	t.Helper()
	g, err := New(&configv1.Config{Admin: proto.String(adminOff)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	w := &changingWorld{random: random, maker: g.current().maker, current: make([]int, changingBackends), order: random.Perm(changingBackends)}
	w.maker.backend = answers
	for b := range changingBackends {
		var versions []*schema.Files
		for range changingVersions {
			if b >= sharingBackends {
				versions = append(versions, rpctest.Files(t, map[string]string{fmt.Sprintf("b%d.proto", b): w.aloneSource(b)}))
				continue
			}
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

// aloneSource is a backend with nothing but its own types, unless it joins, extends or holds some of another one.
func (w *changingWorld) aloneSource(backend int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "syntax = \"proto2\"; package alone%d.v1;\nimport \"google/protobuf/any.proto\"; import \"protean/options/v1/options.proto\";\n", backend)
	fmt.Fprintf(&b, "service Alone%d {\n", backend)
	for i := range 1 + w.random.IntN(3) {
		connection := ""
		if w.random.IntN(6) == 0 {
			connection = "option (protean.options.v1.method).graphql.connection = true;"
		}
		fmt.Fprintf(&b, "  rpc List%s%d(Request) returns (Page) { %s }\n", []string{"Same", "Own"}[w.random.IntN(2)], i, connection)
	}
	b.WriteString("}\nmessage Request { optional string name = 1; optional int32 page_size = 2; optional string page_token = 3; optional Kind kind = 4; }\n")
	b.WriteString("message Page { repeated Thing things = 1; optional string next_page_token = 2; optional string name = 3; }\n")
	fmt.Fprintf(&b, "enum Kind { KIND_%d = 0; }\nmessage Thing {\n", w.random.IntN(3))
	if w.random.IntN(4) == 0 {
		fmt.Fprintf(&b, "  option (protean.options.v1.message) = {joins: {field: \"other\" key: \"name\" method: \"alone%d.v1.Alone%[1]d.ListSame0\" argument: \"name\"}};\n",
			sharingBackends+w.random.IntN(changingBackends-sharingBackends))
	}
	fmt.Fprintf(&b, "  optional string name = 1; optional %s held = 2; oneof which { string a = 3; Kind b = 4; }\n  map<string, Thing> more = 5; extensions 100 to 200;\n}\n",
		[]string{"string", "Thing", "Kind", "google.protobuf.Any"}[w.random.IntN(4)])
	return b.String()
}

// change changes one thing, as a registration, a reload, or a restart would.
func (w *changingWorld) change() {
	switch b := w.random.IntN(changingBackends); w.random.IntN(14) {
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
	case 5, 6:
		w.said[w.random.IntN(len(w.said))] = w.random.IntN(2) == 0
	case 7:
		w.moved = w.random.IntN(3)
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

// theSaid are policies, of which one names nothing and one decides of nothing while another is said.
var theSaid = [4]*configv1.PolicyRule{
	{Selector: proto.String("alone6.v1.*"), Policy: &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(time.Second)}}},
	{Selector: proto.String("p0.v1.S0"), Policy: &policyv1.Policy{Limits: &policyv1.Limits{RequestBytes: proto.Uint32(1)}}},
	{Selector: proto.String("alone6.v1.Alone6"), Policy: &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(time.Minute)}}},
	{Selector: proto.String("alone7.v1.Alone7.ListSame0"), Policy: &policyv1.Policy{Cache: &policyv1.Cache{Ttl: durationpb.New(time.Minute)}}},
}

func (w *changingWorld) saidAmong(from, to int) (rules []*configv1.PolicyRule) {
	for i := from; i < to; i++ {
		if w.said[i] {
			rules = append(rules, theSaid[i])
		}
	}
	return rules
}

func (w *changingWorld) policies() []*configv1.PolicyRule   { return w.saidAmong(0, 2) }
func (w *changingWorld) registered() []*configv1.PolicyRule { return w.saidAmong(2, 4) }

// positions are where the operator's policies stand.
func (w *changingWorld) positions() map[proto.Message]string {
	at := make(map[proto.Message]string)
	for i, rule := range w.policies() {
		at[rule] = fmt.Sprintf("protean.yaml:%d:1", w.moved+10*i)
		at[rule.GetPolicy().GetTimeout()] = fmt.Sprintf("protean.yaml:%d:3", w.moved+10*i+1)
	}
	return at
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
