package graphql

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var (
	differential = flag.Int("differential", 3000, "operations to run through the gateway's executor and graphql-js")
	seed         = flag.Uint64("seed", 0, "seed of the first schema; 0: one by the clock")
)

const (
	operationsPerSchema = 100
	variantsPerSchema   = 3
	maxFaults           = 10 // after so many differences the test ends
)

// TestDifferential runs random operations on random schemas and data through the gateway's
// executor, every other one as a request of HTTP, and through graphql-js. Verdicts, calls, data and the paths of errors
// must be equal.
func TestDifferential(t *testing.T) {
	install(t, ".")
	first := *seed
	if first == 0 {
		first = uint64(time.Now().UnixNano())
	}
	t.Logf("-seed=%d", first)
	reference := startReference(t)
	counts, faults := make(map[string]int), 0
	for done := 0; done < *differential && faults < maxFaults; done += operationsPerSchema {
		trial := newTrial(t, first+uint64(done/operationsPerSchema))
		for i, want := range reference.run(t, trial) {
			run := trial.run
			if i%2 == 1 {
				run = trial.post
			}
			got := run(t, trial.Operations[i])
			counts[got.kind(want)]++
			if difference := trial.compare(trial.Operations[i].Query, got, want); difference != "" {
				faults++
				t.Errorf("-seed=%d, operation %d: %s\n%s\nvariables %s, name %q, variant %d\nours: %s\ngraphql-js: %s\nwhole in %s", trial.seed, i, difference,
					trial.Operations[i].Query, trial.Operations[i].Variables, trial.Operations[i].OperationName, trial.Operations[i].Variant, short(got), short(want),
					trial.keep(t, i, difference, got, want))
			}
		}
	}
	t.Logf("%v", counts)
}

// keep writes all there is of a difference to a file, which outlasts the test with -artifacts.
func (t *trial) keep(tb *testing.T, operation int, difference string, got, want result) string {
	tb.Helper()
	op := t.Operations[operation]
	text, err := json.MarshalIndent(map[string]any{
		"difference": difference, "seed": t.seed, "proto": t.text, "sdl": t.SDL,
		"operation": op, "data": t.Variants[op.Variant], "ours": got, "graphql-js": want,
	}, "", "  ")
	if err != nil {
		tb.Fatal(err)
	}
	path := filepath.Join(tb.ArtifactDir(), fmt.Sprintf("%d-%d.json", t.seed, operation))
	if err := os.WriteFile(path, text, 0o644); err != nil {
		tb.Fatal(err)
	}
	return path
}

func short(v any) string {
	text, _ := json.Marshal(v)
	return string(text[:min(len(text), 3000)])
}

// result is what became of an operation.
type result struct {
	Refused  string     `json:"refused"`
	Messages []string   `json:"messages"`
	Calls    [][2]any   `json:"calls"` // of the reference: root field and arguments
	Results  []response `json:"results"`

	requests []request // ours
}

type response struct {
	Data     string   `json:"data"`
	Errors   [][]any  `json:"errors"` // paths
	Messages []string `json:"messages"`
}

type request struct {
	method  *schema.Method
	message []byte
}

func (r result) kind(reference result) string {
	switch {
	case reference.Refused != "":
		return "refused: " + reference.Refused
	case slices.ContainsFunc(reference.Results, func(r response) bool { return len(r.Errors) > 0 }):
		return "executed with errors"
	}
	return "executed"
}

// reference is a graphql-js in a process of its own.
type reference struct {
	in  io.Writer
	out *bufio.Reader
}

func startReference(t *testing.T) *reference {
	t.Helper()
	node := exec.CommandContext(t.Context(), "node", "reference.mjs")
	node.Stderr = os.Stderr
	in, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = node.Wait()
	})
	return &reference{in, bufio.NewReader(out)}
}

func (r *reference) run(t *testing.T, trial *trial) []result {
	t.Helper()
	line, err := json.Marshal(trial)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.in.Write(append(line, '\n')); err != nil {
		t.Fatal(err)
	}
	answer, err := r.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("-seed=%d: graphql-js: %v\n%s", trial.seed, err, trial.SDL)
	}
	var results []result
	d := json.NewDecoder(bytes.NewReader(answer))
	d.UseNumber()
	if err := d.Decode(&results); err != nil {
		t.Fatal(err)
	}
	return results
}

// trial is one schema with its data and operations.
type trial struct {
	SDL        string            `json:"sdl"`
	Variants   []*variant        `json:"variants"`
	Operations []randomOperation `json:"operations"`

	seed  uint64
	text  string // .proto
	graph *graph.Graph
	roots map[string]*schema.Method // by field

	mu       sync.Mutex
	variant  *variant
	requests []request
}

// variant is all data that backends have.
type variant struct {
	Roots  map[string]*rootData `json:"roots"`
	Stores map[string]*store    `json:"stores"` // by method

	messages map[string][][]byte // by path of method: what it answers
}

type rootData struct {
	Fails  bool  `json:"fails"`
	Values []any `json:"values"`
}

// store is what a method of a join knows.
type store struct {
	Fails   bool             `json:"fails"`
	Failing []string         `json:"failing"`
	Results map[string][]any `json:"results"` // by key

	entities []*dynamicpb.Message
}

func newTrial(t *testing.T, seed uint64) *trial {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	s := newSketch(r)
	trial := &trial{seed: seed, text: s.text.String(), roots: make(map[string]*schema.Method)}
	snap := rpctest.Compile(t, map[string]string{"random.proto": trial.text})
	var problems []schema.Problem
	trial.graph, problems = graph.New(snap, trial.handle, graph.Options{MaxCalls: 10_000, MaxDepth: 50})
	for _, p := range problems {
		t.Fatalf("-seed=%d: %v\n%s", seed, p, trial.text)
	}
	trial.SDL = trial.graph.SDL()
	parsed, err := gqlparser.LoadSchema(&ast.Source{Input: trial.SDL})
	if err != nil {
		t.Fatal(err)
	}
	for range variantsPerSchema {
		trial.Variants = append(trial.Variants, newVariant(r, s, snap))
	}
	roots := make(map[string]bool)
	for _, m := range s.methods {
		field := strings.ToLower(m.name[:1]) + m.name[1:]
		roots[field] = true
		trial.roots[field] = snap.Methods["/random.v1.Random/"+m.name]
	}
	for range operationsPerSchema {
		op := newOperation(r, parsed, roots)
		op.Variant = r.IntN(variantsPerSchema)
		trial.Operations = append(trial.Operations, op)
	}
	return trial
}

func newVariant(r *rand.Rand, s *sketch, snap *schema.Snapshot) *variant {
	v := &variant{Roots: make(map[string]*rootData), Stores: make(map[string]*store), messages: make(map[string][][]byte)}
	maker := &treeMaker{joins: make(map[string][]*sketchJoin)}
	for _, j := range s.joins {
		maker.joins[j.message] = append(maker.joins[j.message], j)
	}
	for _, m := range s.methods {
		method := snap.Methods["/random.v1.Random/"+m.name]
		data := &rootData{Fails: r.IntN(8) == 0, Values: []any{}}
		v.Roots[strings.ToLower(m.name[:1])+m.name[1:]] = data
		n := 1
		if m.serverStreams {
			n = r.IntN(4)
		}
		for range n {
			message := dynamicpb.NewMessage(method.Output.Descriptor())
			randomMessage(r, message, 4)
			data.Values = append(data.Values, rootValue(maker, message))
			wire, _ := proto.Marshal(message)
			v.messages[method.Path] = append(v.messages[method.Path], wire)
		}
		if m.collect {
			data.Values = []any{data.Values}
		}
	}
	for _, e := range s.entities {
		v.Stores[e.method] = newStore(r, maker, e, snap.Methods["/random.v1.Random/"+e.method])
	}
	return v
}

// rootValue is the value of a root field.
func rootValue(maker *treeMaker, m *dynamicpb.Message) any {
	if m.Descriptor().FullName() == "google.protobuf.Empty" {
		return true
	}
	return maker.message(m)
}

func newStore(r *rand.Rand, maker *treeMaker, e *joinable, method *schema.Method) *store {
	s := &store{Fails: r.IntN(8) == 0, Failing: []string{}, Results: make(map[string][]any)}
	md := method.Output.Descriptor()
	if e.batch {
		md = md.Fields().ByName("items").Message()
	}
	fd := md.Fields().ByName("key")
	for n := 1; n <= 5; n++ {
		for range 1 + r.IntN(2) {
			m := dynamicpb.NewMessage(md)
			randomMessage(r, m, 3)
			m.Set(fd, keyValue(fd, n))
			s.entities = append(s.entities, m)
		}
		if !e.batch && r.IntN(6) == 0 {
			s.Failing = append(s.Failing, fmt.Sprint(keyValue(fd, n).Interface()))
		}
	}
	r.Shuffle(len(s.entities), func(i, j int) { s.entities[i], s.entities[j] = s.entities[j], s.entities[i] })
	for _, m := range s.entities {
		key := fmt.Sprint(m.Get(fd).Interface())
		s.Results[key] = append(s.Results[key], maker.message(m))
	}
	return s
}

// handle is all backends.
func (t *trial) handle(_ context.Context, c *rpc.Call, s rpc.Stream) error {
	if st := t.variant.Stores[string(c.Method.Descriptor.Name())]; st != nil {
		return st.answer(c, s)
	}
	requests := []request{{c.Method, c.Request}}
	if c.Method.ClientStreams {
		requests = requests[:0]
		for m, err := s.Recv(); err != io.EOF; m, err = s.Recv() {
			requests = append(requests, request{c.Method, m})
		}
	}
	t.mu.Lock()
	t.requests = append(t.requests, requests...)
	t.mu.Unlock()
	name := string(c.Method.Descriptor.Name())
	data := t.variant.Roots[strings.ToLower(name[:1])+name[1:]]
	if data.Fails && !c.Method.ServerStreams {
		return status.Error(codes.Internal, "the backend failed")
	}
	for _, m := range t.variant.messages[c.Method.Path] {
		if err := s.Send(m); err != nil {
			return err
		}
	}
	if data.Fails {
		return status.Error(codes.Internal, "the backend failed")
	}
	return nil
}

func (s *store) answer(c *rpc.Call, stream rpc.Stream) error {
	if s.Fails {
		return status.Error(codes.Unavailable, "the backend failed")
	}
	in := dynamicpb.NewMessage(c.Method.Input.Descriptor())
	if err := proto.Unmarshal(c.Request, in); err != nil {
		return err
	}
	fd := in.Descriptor().Fields().ByName("key")
	wanted := make(map[string]bool)
	if !fd.IsList() {
		wanted[fmt.Sprint(in.Get(fd).Interface())] = true
		return s.one(wanted, stream)
	}
	for i := range in.Get(fd).List().Len() {
		wanted[fmt.Sprint(in.Get(fd).List().Get(i).Interface())] = true
	}
	out := dynamicpb.NewMessage(c.Method.Output.Descriptor())
	items := out.Mutable(out.Descriptor().Fields().ByName("items")).List()
	for _, m := range s.entities {
		if wanted[keyOf(m)] {
			items.Append(protoreflect.ValueOfMessage(m))
		}
	}
	wire, err := proto.Marshal(out)
	if err != nil {
		return err
	}
	return stream.Send(wire)
}

func keyOf(m *dynamicpb.Message) string {
	return fmt.Sprint(m.Get(m.Descriptor().Fields().ByName("key")).Interface())
}

func (s *store) one(wanted map[string]bool, stream rpc.Stream) error {
	for _, key := range s.Failing {
		if wanted[key] {
			return status.Error(codes.Internal, "the backend failed")
		}
	}
	for _, m := range s.entities {
		if wanted[keyOf(m)] {
			wire, err := proto.Marshal(m)
			if err != nil {
				return err
			}
			return stream.Send(wire)
		}
	}
	return status.Error(codes.NotFound, "there is none")
}

// run runs an operation through the gateway's executor.
func (t *trial) run(tb testing.TB, op randomOperation) result {
	tb.Helper()
	t.variant, t.requests = t.Variants[op.Variant], nil
	ctx, cancel := context.WithCancel(tb.Context())
	defer cancel()
	d := json.NewDecoder(strings.NewReader(op.Variables))
	d.UseNumber()
	var variables map[string]any
	if err := d.Decode(&variables); err != nil {
		tb.Fatal(err)
	}
	executor := t.graph.Executor()
	prepared, errs := executor.CreateOperationContext(ctx, &graphql.RawParams{Query: op.Query, Variables: variables, OperationName: op.OperationName})
	if len(errs) > 0 {
		code, _ := errs[0].Extensions["code"].(string)
		return result{Refused: code, Messages: []string{errs[0].Message}, requests: t.requests}
	}
	next, ctx := executor.DispatchOperation(ctx, prepared)
	var out result
	for r := next(ctx); r != nil; r = next(ctx) {
		answer := response{Data: string(r.Data)}
		for _, e := range r.Errors {
			answer.Errors = append(answer.Errors, plainPath(e.Path))
			answer.Messages = append(answer.Messages, e.Message)
		}
		out.Results = append(out.Results, answer)
		if prepared.Operation.Operation != ast.Subscription || r.Data == nil {
			break
		}
	}
	out.requests = t.requests
	return out
}

// post runs an operation as a request of HTTP, which is answered by server-sent events.
func (t *trial) post(tb testing.TB, op randomOperation) result {
	tb.Helper()
	t.variant, t.requests = t.Variants[op.Variant], nil
	body, err := json.Marshal(map[string]any{"query": op.Query, "variables": json.RawMessage(op.Variables), "operationName": op.OperationName})
	if err != nil {
		tb.Fatal(err)
	}
	r := httptest.NewRequestWithContext(tb.Context(), http.MethodPost, "/graphql", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "text/event-stream")
	w := httptest.NewRecorder()
	t.graph.ServeHTTP(w, r)
	var out result
	for line := range strings.Lines(w.Body.String()) {
		text, ok := strings.CutPrefix(strings.TrimSpace(line), "data: ")
		if !ok {
			continue // `complete` has no data
		}
		answer, code := readResponse(tb, text)
		if len(out.Results) == 0 && slices.Contains(refusals, code) && answer.Data == "" {
			return result{Refused: code, Messages: answer.Messages, requests: t.requests}
		}
		out.Results = append(out.Results, answer)
	}
	out.requests = t.requests
	return out
}

// refusals are the codes of operations that were not executed.
var refusals = []string{"GRAPHQL_PARSE_FAILED", "GRAPHQL_VALIDATION_FAILED", "BAD_USER_INPUT", "OPERATION_RESOLUTION_FAILURE"}

// readResponse reads a response, and the code of its first error.
func readResponse(tb testing.TB, text string) (answer response, code string) {
	tb.Helper()
	var members struct {
		Data   json.RawMessage
		Errors []struct {
			Message    string
			Path       []any
			Extensions struct{ Code string }
		}
	}
	if err := json.Unmarshal([]byte(text), &members); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	answer.Data = string(members.Data)
	for i, e := range members.Errors {
		answer.Errors = append(answer.Errors, append([]any{}, e.Path...))
		answer.Messages = append(answer.Messages, e.Message)
		if i == 0 {
			code = e.Extensions.Code
		}
	}
	return answer, code
}

func plainPath(path ast.Path) []any {
	out := []any{}
	for _, p := range path {
		switch p := p.(type) {
		case ast.PathName:
			out = append(out, string(p))
		case ast.PathIndex:
			out = append(out, float64(p))
		}
	}
	return out
}

// compare says what differs.
func (t *trial) compare(query string, got, want result) string {
	if got.Refused != "" && want.Refused == "" && deviates(got.Messages[0]) {
		return ""
	}
	if got.Refused == "" && want.Refused == "invalid" && strings.HasSuffix(want.Messages[0], `used in position expecting type "JSON".`) {
		return "" // graphql-js looks for variables within lists of a custom scalar, though not within its objects
	}
	if (got.Refused != "") != (want.Refused != "") {
		return "one refuses and the other executes"
	}
	if difference := t.compareCalls(got, want); difference != "" {
		return difference
	}
	if len(got.Results) != len(want.Results) {
		return fmt.Sprintf("%d responses, want %d", len(got.Results), len(want.Results))
	}
	for i := range got.Results {
		g, w := got.Results[i], want.Results[i]
		if !sameJSON(g.Data, w.Data) && !(strings.Contains(query, "aj") && sameUnordered(g.Data, w.Data)) {
			return fmt.Sprintf("the data of response %d differs", i)
		}
		if !samePaths(g.Errors, w.Errors) {
			return fmt.Sprintf("the errors of response %d differ", i)
		}
	}
	return ""
}

// deviations are why the gateway refuses what graphql-js executes, each with its reason.
var deviations = []string{
	// graphql-js fails the fields around such a @skip or @include; refusing the operation calls nothing.
	"a condition cannot be null",
	// Entries of a map with equal keys are no rule of GraphQL's, and would lose data.
	"the key of the entry stands in another one",
	// A FieldMask is a String in the schema, and not every text is one.
	"the field mask has the invalid path",
	// Structs, lists and messages are JSON in the schema, and not every JSON is one.
	"expected an object, found", "expected a list, found",
	// The specification of September 2025 forbids it (5.2.4.1); graphql-js 16 does not look at literals.
	"A subscription must not use",
}

func deviates(message string) bool {
	return slices.ContainsFunc(deviations, func(d string) bool { return strings.Contains(message, d) })
}

// compareCalls compares the requests with those that follow from the arguments of the reference.
func (t *trial) compareCalls(got, want result) string {
	var wanted []*dynamicpb.Message
	var methods []*schema.Method
	for _, call := range want.Calls {
		field, _ := call[0].(string)
		method := t.roots[field]
		for _, argument := range t.arguments(method, call[1]) {
			m, err := requestOf(method.Input.Descriptor(), argument)
			if err != nil {
				return fmt.Sprintf("the arguments of graphql-js for %s make no request: %v", field, err)
			}
			wanted, methods = append(wanted, m), append(methods, method)
		}
	}
	if len(got.requests) != len(wanted) {
		return fmt.Sprintf("%d requests, want %d", len(got.requests), len(wanted))
	}
	for i, r := range got.requests {
		m := dynamicpb.NewMessage(r.method.Input.Descriptor())
		if err := proto.Unmarshal(r.message, m); err != nil {
			return err.Error()
		}
		at := slices.IndexFunc(wanted, func(w *dynamicpb.Message) bool { return proto.Equal(w, m) && methodOf(wanted, methods, w) == r.method })
		if at < 0 || r.method.Operation == schema.Mutation && at != 0 {
			return fmt.Sprintf("request %d of %s is not as wanted: %s\nwanted: %v", i, r.method.Path, m, wanted)
		}
		wanted, methods = slices.Delete(wanted, at, at+1), slices.Delete(methods, at, at+1)
	}
	return ""
}

func methodOf(list []*dynamicpb.Message, methods []*schema.Method, m *dynamicpb.Message) *schema.Method {
	return methods[slices.Index(list, m)]
}

// arguments returns what each request of a root field is made of.
func (t *trial) arguments(m *schema.Method, arguments any) []any {
	given, _ := arguments.(map[string]any)
	input, ok := given["input"]
	switch {
	case m.ClientStreams:
		list, _ := input.([]any)
		return list
	case ok:
		return []any{input}
	}
	return []any{arguments}
}

// sameJSON compares two texts lexeme by lexeme, numbers by value.
func sameJSON(a, b string) bool {
	if a == b {
		return true
	}
	x, y := json.NewDecoder(strings.NewReader(a)), json.NewDecoder(strings.NewReader(b))
	for {
		p, errP := x.Token()
		q, errQ := y.Token()
		if errP == io.EOF && errQ == io.EOF {
			return true
		}
		if errP != nil || errQ != nil || p != q {
			return false
		}
	}
}

// sameUnordered compares two texts but for the order of members: in JSON that came from a message,
// JavaScript puts names that look like numbers first.
func sameUnordered(a, b string) bool {
	var x, y any
	return json.Unmarshal([]byte(a), &x) == nil && json.Unmarshal([]byte(b), &y) == nil && reflect.DeepEqual(x, y)
}

// samePaths compares the paths of errors in any order. Ours are ten at the most.
func samePaths(got, want [][]any) bool {
	if len(got) != min(len(want), 10) {
		return false
	}
	rest := slices.Clone(want)
	for _, p := range got {
		text, _ := json.Marshal(p)
		at := slices.IndexFunc(rest, func(q []any) bool {
			other, _ := json.Marshal(q)
			return bytes.Equal(text, other)
		})
		if at < 0 {
			return false
		}
		rest = slices.Delete(rest, at, at+1)
	}
	return true
}
