package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/vektah/gqlparser/v2/ast"
	"golang.org/x/tools/txtar"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

type hiddenKey struct{}

// hiding is a context of a caller from whom some methods are hidden.
func hiding(t testing.TB, methods ...string) context.Context {
	return context.WithValue(t.Context(), hiddenKey{}, methods)
}

// visibleTo reports whether a method is not hidden from the caller of ctx.
func visibleTo(ctx context.Context, m *schema.Method) bool {
	hidden, _ := ctx.Value(hiddenKey{}).([]string)
	return !slices.Contains(hidden, m.FullName())
}

func narrowedGraph(t testing.TB, a *txtar.Archive) *Graph {
	t.Helper()
	snap, _ := compileArchive(t, a)
	o := Options{Visible: visibleTo}
	o.Relay = strings.Contains(string(a.Comment), "relay")
	o.Federation = strings.Contains(string(a.Comment), "federation")
	g, problems := New(snap, nil, o)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g
}

// TestIntrospectionNarrowed writes down what is left for some callers, and asks for all of it as tools do.
func TestIntrospectionNarrowed(t *testing.T) {
	eachCase(t, "narrowed", func(t *testing.T, a *txtar.Archive) *txtar.Archive {
		g := narrowedGraph(t, a)
		for _, f := range slices.Clone(a.Files) {
			name, ok := strings.CutSuffix(f.Name, ".hidden")
			if !ok {
				continue
			}
			ctx := hiding(t, strings.Fields(string(f.Data))...)
			shown := g.shownTo(ctx)
			setFile(a, name+".graphql", printSchema(shown.Schema))
			checkIntrospected(t, ctx, g, shown.Schema)
		}
		if g.shownTo(t.Context()).Schema != g.schema {
			t.Error("where nothing is hidden the schema is another")
		}
		return a
	})
}

// checkIntrospected asks for the types one by one, and for all at once.
func checkIntrospected(t *testing.T, ctx context.Context, g *Graph, shown *ast.Schema) {
	t.Helper()
	r := responses(t, ctx, g, introspection.Query, "")[0]
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	var out struct {
		Schema struct {
			Types []struct{ Name string }
		} `json:"__schema"`
	}
	if err := json.Unmarshal(r.Data, &out); err != nil {
		t.Fatal(err)
	}
	told := make(map[string]bool)
	for _, typ := range out.Schema.Types {
		told[typ.Name] = true
	}
	for name := range g.schema.Types {
		r := responses(t, ctx, g, fmt.Sprintf(`{ __type(name: %q) { name possibleTypes { name } interfaces { name } } }`, name), "")[0]
		found := string(r.Data) != `{"__type":null}`
		if want := shown.Types[name] != nil; told[name] != want || found != want {
			t.Errorf("%s: told of with all: %v, found by name: %v, shown: %v", name, told[name], found, want)
		}
	}
}

// TestIntrospectionNarrowedHoldsTogether hides methods at random: what is left is a schema in which nothing is missing
// that is named, and the whole is as it was.
func TestIntrospectionNarrowedHoldsTogether(t *testing.T) {
	eachCase(t, "narrowed", func(t *testing.T, a *txtar.Archive) *txtar.Archive {
		g := narrowedGraph(t, a)
		whole := g.SDL()
		methods := g.narrowed.methods()
		r := rand.New(rand.NewPCG(1, 2))
		for range 200 {
			var hidden []string
			for _, m := range methods {
				if r.IntN(2) == 0 {
					hidden = append(hidden, m.FullName())
				}
			}
			shown := g.shownTo(hiding(t, hidden...))
			if err := checkNarrowed(shown.Schema); err != nil {
				t.Errorf("%v: %v\n%s", hidden, err, printSchema(shown.Schema))
			}
		}
		if n := g.narrowed.kept.recent.Len(); n > maxNarrowedSchemas {
			t.Errorf("%d schemas are kept", n)
		}
		if printSchema(g.schema) != whole {
			t.Error("the whole schema has changed")
		}
		return a
	})
}

// checkNarrowed checks the types of a schema as those of a new one would be. Query may be without fields: GraphQL has no
// schema for callers who may query nothing.
func checkNarrowed(s *ast.Schema) error {
	var own []*ast.Definition
	for name, def := range s.Types {
		if prelude().Types[name] != nil {
			continue
		}
		one := *def
		one.Fields = slices.DeleteFunc(slices.Clone(def.Fields), func(f *ast.FieldDefinition) bool { return strings.HasPrefix(f.Name, "__") })
		if one.Name == "Query" && len(one.Fields) == 0 {
			continue
		}
		own = append(own, &one)
	}
	for name, possible := range s.PossibleTypes {
		for _, def := range possible {
			if s.Types[name] == nil || s.Types[def.Name] != def {
				return fmt.Errorf("%s is said to be a %s", def.Name, name)
			}
		}
	}
	return checkTypes(own)
}

// TestIntrospectionNarrowedByCaller asks with one document as several callers at once, who share what they may see, and
// checks that errors suggest no names.
func TestIntrospectionNarrowedByCaller(t *testing.T) {
	g, _ := New(rpctest.Compile(t, map[string]string{"in.proto": inputProto}), nil, Options{Visible: visibleTo})
	var hidden []string
	for _, r := range g.roots[ast.Query] {
		hidden = append(hidden, r.method.FullName())
	}
	if first, again := g.shownTo(hiding(t, hidden...)), g.shownTo(hiding(t, hidden...)); first != again || first.Schema == g.schema {
		t.Error("callers that may call the same do not share a schema")
	}
	var asking sync.WaitGroup
	for i := range 20 {
		asking.Go(func() {
			ctx, none := t.Context(), false
			if i%2 == 0 {
				ctx, none = hiding(t, hidden...), true
			}
			r := responses(t, ctx, g, `{ __schema { queryType { fields { name } } } }`, "")[0]
			if got := string(r.Data) == `{"__schema":{"queryType":{"fields":[]}}}`; len(r.Errors) > 0 || got != none {
				t.Errorf("%d: %s %v", i, r.Data, r.Errors)
			}
		})
	}
	asking.Wait()
	if r := responses(t, t.Context(), g, `{ getI { int } }`, "")[0]; strings.Contains(r.Errors[0].Message, "Did you mean") {
		t.Error(r.Errors[0].Message)
	}
}
