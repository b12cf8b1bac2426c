package graph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/tools/txtar"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// TestExecute runs the operations of each archive against backends that answer by its
// backend.json, and compares the responses and the calls that were made.
func TestExecute(t *testing.T) {
	eachCase(t, "execute", func(t *testing.T, a *txtar.Archive) *txtar.Archive {
		snap, _ := compileArchive(t, a)
		b := newBackend(t, file(a, "backend.json"))
		g, _ := New(snap, b.handle, optionsOf(t, a))
		for _, f := range slices.Clone(a.Files) {
			name, ok := strings.CutSuffix(f.Name, ".graphql")
			if !ok {
				continue
			}
			out := execute(t, g, string(f.Data), file(a, name+".variables.json"))
			setFile(a, name+".out", out+b.takeCalls())
		}
		return a
	})
}

// backend is a handler that answers by a script.
type backend struct {
	t      testing.TB
	script map[string][]scripted // by `Service/Method`

	mu    sync.Mutex
	calls []string
}

// scripted answers a request: any, or the one in When.
type scripted struct {
	When    json.RawMessage
	Answers []json.RawMessage
	Answer  json.RawMessage
	Error   json.RawMessage // a google.rpc.Status, with the name of its code in `status`
	Panic   bool
}

func newBackend(t testing.TB, script string) *backend {
	b := &backend{t: t}
	if script == "" {
		return b
	}
	if err := json.Unmarshal([]byte(script), &b.script); err != nil {
		t.Fatal(err)
	}
	return b
}

// takeCalls returns the calls since the last time, in the order of their text.
func (b *backend) takeCalls() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := b.calls
	b.calls = nil
	slices.Sort(calls)
	return strings.Join(calls, "")
}

func (b *backend) handle(_ context.Context, c *rpc.Call, s rpc.Stream) error {
	requests := [][]byte{c.Request}
	if c.Method.ClientStreams {
		requests = nil
		for m, err := s.Recv(); err != io.EOF; m, err = s.Recv() {
			requests = append(requests, m)
		}
	}
	name := strings.TrimPrefix(c.Method.Path, "/")
	line := "> " + name
	var last string
	for _, r := range requests {
		last = canonical(b.t, asJSON(b.t, c.Method, r))
		line += " " + last
	}
	b.mu.Lock()
	b.calls = append(b.calls, line+"\n")
	b.mu.Unlock()
	for _, answer := range b.script[name] {
		if answer.When == nil || canonical(b.t, answer.When) == last {
			return answer.play(b.t, c.Method, s)
		}
	}
	return status.Error(codes.NotFound, "nothing is scripted for "+name)
}

func (a *scripted) play(t testing.TB, m *schema.Method, s rpc.Stream) error {
	if a.Panic {
		panic("scripted")
	}
	if a.Answer != nil {
		a.Answers = []json.RawMessage{a.Answer}
	}
	for _, answer := range a.Answers {
		if err := s.Send(rpctest.Message(t, m.Output.Descriptor(), string(answer))); err != nil {
			return err
		}
	}
	if a.Error == nil {
		return nil
	}
	st := &spb.Status{}
	if err := protojson.Unmarshal(a.Error, st); err != nil {
		t.Error(err)
	}
	return status.FromProto(st).Err()
}

func asJSON(t testing.TB, m *schema.Method, request []byte) []byte {
	msg := dynamicpb.NewMessage(m.Input.Descriptor())
	if err := proto.Unmarshal(request, msg); err != nil {
		t.Error(err)
	}
	text, err := protojson.Marshal(msg)
	if err != nil {
		t.Error(err)
	}
	return text
}

// canonical writes JSON with its keys in order and without spaces.
func canonical(t testing.TB, text []byte) string {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	out, err := json.Marshal(v)
	if err != nil {
		t.Error(err)
	}
	return string(out)
}

// execute runs an operation and returns its responses, indented.
func execute(t testing.TB, g *Graph, query, vars string) string {
	t.Helper()
	var b strings.Builder
	for _, r := range responses(t, t.Context(), g, query, vars) {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.String()
}

// responses runs an operation, as a transport does.
func responses(t testing.TB, ctx context.Context, g *Graph, query, vars string) []*graphql.Response {
	t.Helper()
	params := &graphql.RawParams{Query: query, Variables: decodeVariables(t, vars)}
	op, errs := g.Executor().CreateOperationContext(ctx, params)
	if len(errs) > 0 {
		return []*graphql.Response{g.Executor().DispatchError(ctx, errs)}
	}
	next, ctx := g.Executor().DispatchOperation(ctx, op)
	var list []*graphql.Response
	for r := next(ctx); r != nil; r = next(ctx) {
		if r.Data != nil && !json.Valid(r.Data) {
			t.Errorf("the data is no JSON: %s", r.Data)
		}
		list = append(list, r)
		if op.Operation.Operation != ast.Subscription {
			break
		}
	}
	return list
}

func decodeVariables(t testing.TB, text string) map[string]any {
	t.Helper()
	if strings.TrimSpace(text) == "" {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	var vars map[string]any
	if err := d.Decode(&vars); err != nil {
		t.Fatal(fmt.Errorf("variables: %w", err))
	}
	return vars
}
