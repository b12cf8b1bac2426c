package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway/gate"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/schematest"
)

var (
	pairs    = flag.Int("pairs", 150, "random pairs of backends that TestPairs serves together")
	pairSeed = flag.Uint64("pairs.seed", 0, "seed of the first pair; 0: a random one")
)

// TestPairs serves random backends that share packages, and disagree about kinds, shapes and names, beside an unrelated one. Nothing
// may panic; the graph contains all backends; SDL and OpenAPI are valid; the unrelated backend answers; and one compiler for all
// pairs returns the same as a new one.
func TestPairs(t *testing.T) {
	seed := *pairSeed
	if seed == 0 {
		seed = rand.Uint64() >> 1
	}
	makers := pairMakers(t)
	compiler := new(schema.Compiler)
	var before *views
	for i := range *pairs {
		at := seed + uint64(i) //nolint:gosec // small
		r := rand.New(rand.NewPCG(at, 0))
		backends := schematest.Pair(r)
		p := &pairTrial{T: t, seed: at, maker: makers[r.IntN(len(makers))], backends: backends}
		v := p.views(compiler, backends)
		p.checkSDL(v)
		p.checkOpenAPI(v)
		p.checkUnrelated(v)
		whole := p.views(new(schema.Compiler), backends)
		if v.graph.SDL() != whole.graph.SDL() || v.snapshot.Digest != whole.snapshot.Digest {
			p.Errorf("-pairs.seed=%d: a compiler that served other pairs before makes another schema than a new one", at)
		}
		alone := p.views(compiler, backends[:2])
		p.compare(alone, v)
		if before != nil {
			p.compare(before, v)
		}
		before = v
		if len(v.snapshot.Backends) != len(backends) {
			p.fail("only %d of %d backends are served", len(v.snapshot.Backends), len(backends))
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("-pairs.seed=%d: %d pairs", seed, *pairs)
}

// pairMakers make views with each way to build a graph.
func pairMakers(t *testing.T) (makers []*viewMaker) {
	t.Helper()
	for _, c := range []*configv1.GraphQL{
		nil,
		{Joins: configv1.GraphQL_JOINS_AIP.Enum(), Relay: proto.Bool(true)},
		{Federation: proto.Bool(true), Joins: configv1.GraphQL_JOINS_AIP.Enum(), Relay: proto.Bool(true)},
	} {
		g, err := New(&configv1.Config{Admin: proto.String(adminOff), Graphql: c}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.close)
		maker := g.current().maker
		maker.backend = func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
			return s.Send(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "text"))
		}
		makers = append(makers, maker)
	}
	return makers
}

// pairTrial is one pair of backends.
type pairTrial struct {
	*testing.T
	seed     uint64
	maker    *viewMaker
	backends []schema.BackendFiles
}

func (p *pairTrial) fail(format string, arguments ...any) {
	p.Helper()
	p.Errorf("-pairs.seed=%d: %s", p.seed, fmt.Sprintf(format, arguments...))
}

func (p *pairTrial) views(c *schema.Compiler, backends []schema.BackendFiles) *views {
	p.Helper()
	snapshot, problems, err := c.Compile(p.Context(), schema.Input{Backends: backends})
	if err != nil {
		p.Fatalf("-pairs.seed=%d: %v", p.seed, err)
	}
	v, err := p.maker.of(p.Context(), snapshot)
	if stack, ok := errors.AsType[*schema.PanicError](err); ok {
		p.Fatalf("-pairs.seed=%d: %v\n%s", p.seed, err, stack.Stack)
	}
	for _, problem := range slices.Concat(problems, v.problems) {
		if problem.Stack != "" {
			p.fail("%s\n%s", problem, problem.Stack)
		}
	}
	if omitted := v.graph.Omitted(); len(omitted) > 0 {
		p.fail("the graph omits %v: %v", omitted, omissions(v))
	}
	return v
}

func (p *pairTrial) checkSDL(v *views) {
	p.Helper()
	if _, err := gqlparser.LoadSchema(&ast.Source{Input: v.graph.SDL()}); err != nil {
		p.fail("the SDL is invalid: %v\n%s", err, v.graph.SDL())
	}
}

func (p *pairTrial) compare(old, updated *views) {
	p.Helper()
	view := func(v *views) gate.Views {
		return gate.Views{Snapshot: v.snapshot, REST: v.rest, Graph: v.graph, Access: v.access}
	}
	err := schema.Guard(func() error {
		_, err := gate.Compare(p.Context(), view(old), view(updated))
		return err
	})
	if err != nil && !errors.Is(err, gate.ErrTooDifferent) {
		p.fail("comparing: %v", err)
	}
}

// checkUnrelated calls the backend that shares nothing with the others.
func (p *pairTrial) checkUnrelated(v *views) {
	p.Helper()
	query := fmt.Sprintf(`{"query": "{ %s { text } }"}`, schematest.UnrelatedField)
	for _, c := range []struct {
		door         http.Handler
		method, path string
		body, want   string
	}{
		{v.rest, http.MethodGet, schematest.UnrelatedPath, "", `{"text":"text"}`},
		{v.graph, http.MethodPost, "/graphql", query, `{"data":{"` + schematest.UnrelatedField + `":{"text":"text"}}}`},
	} {
		r := httptest.NewRequestWithContext(p.Context(), c.method, c.path, strings.NewReader(c.body))
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		c.door.ServeHTTP(w, r)
		if got := strings.TrimSpace(w.Body.String()); got != c.want {
			p.fail("%s %s: %d %s", c.method, c.path, w.Code, got)
		}
	}
}

// checkOpenAPI checks what every document must have: names of components as OpenAPI allows, references that lead somewhere, unique
// operations, and a parameter for each variable of a path.
func (p *pairTrial) checkOpenAPI(v *views) {
	p.Helper()
	text, err := v.openapi.JSON()
	if err != nil {
		p.fail("OpenAPI: %v", err)
		return
	}
	var doc map[string]any
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(&doc); err != nil {
		p.fail("OpenAPI: %v", err)
		return
	}
	c := &openAPICheck{pairTrial: p, doc: doc, ids: make(map[string]bool)}
	c.references(doc)
	components, _ := doc["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	for name := range schemas {
		if !componentName.MatchString(name) {
			p.fail("OpenAPI: %q is not a valid name of a component", name)
		}
	}
	paths, _ := doc["paths"].(map[string]any)
	for path, item := range paths {
		for _, operation := range item.(map[string]any) {
			c.operation(path, operation.(map[string]any))
		}
	}
}

var (
	componentName = regexp.MustCompile(`^[a-zA-Z0-9._-]+$`)
	pathVariable  = regexp.MustCompile(`\{([^}]*)\}`)
)

type openAPICheck struct {
	*pairTrial
	doc map[string]any
	ids map[string]bool
}

func (c *openAPICheck) references(v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if to, ok := value.(string); ok && key == "$ref" && c.find(to) == nil {
				c.fail("OpenAPI: the reference %q leads nowhere", to)
			}
			c.references(value)
		}
	case []any:
		for _, value := range v {
			c.references(value)
		}
	}
}

func (c *openAPICheck) find(reference string) any {
	var here any = c.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(reference, "#/"), "/") {
		object, _ := here.(map[string]any)
		here = object[part]
	}
	return here
}

func (c *openAPICheck) operation(path string, operation map[string]any) {
	id, _ := operation["operationId"].(string)
	if id == "" || c.ids[id] {
		c.fail("OpenAPI: operation %q of %s is not unique", id, path)
	}
	c.ids[id] = true
	inPath := make(map[string]bool)
	parameters, _ := operation["parameters"].([]any)
	seen := make(map[string]bool)
	for _, parameter := range parameters {
		parameter := parameter.(map[string]any)
		if to, ok := parameter["$ref"].(string); ok {
			parameter, _ = c.find(to).(map[string]any)
		}
		key := fmt.Sprint(parameter["in"], " ", parameter["name"])
		if seen[key] {
			c.fail("OpenAPI: %s has two parameters %s", path, key)
		}
		seen[key] = true
		if parameter["in"] == "path" {
			inPath[fmt.Sprint(parameter["name"])] = true
		}
	}
	for _, variable := range pathVariable.FindAllStringSubmatch(path, -1) {
		if !inPath[variable[1]] {
			c.fail("OpenAPI: %s has no parameter for %s", path, variable[1])
		}
	}
}
