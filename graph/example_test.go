package graph

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/protean-gateway/protean/schema"
)

// exampleOf serves the example of the graph of an archive.
func exampleOf(t *testing.T, g *Graph) (status int, query string) {
	t.Helper()
	w := httptest.NewRecorder()
	g.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/graphql?graphiql=example.graphql", nil))
	return w.Code, w.Body.String()
}

func graphOf(t *testing.T, path string, change func(*Options)) *Graph {
	t.Helper()
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	o := optionsOf(t, a)
	if change != nil {
		change(&o)
	}
	snap, _ := compileArchive(t, a)
	g, _ := New(snap, nil, o)
	return g
}

// TestExamplesAreValid plans the example of every schema that there is for the mapping.
func TestExamplesAreValid(t *testing.T) {
	paths, err := filepath.Glob("testdata/*/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), ".proto --") {
			continue
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			g := graphOf(t, path, nil)
			status, query := exampleOf(t, g)
			if status == 404 && (g.schema.Query == nil || strings.HasPrefix(g.schema.Query.Fields[0].Name, "_") || strings.HasPrefix(g.schema.Query.Fields[0].Name, "node")) {
				return
			}
			if status != 200 {
				t.Fatalf("status %d", status)
			}
			if _, err := g.Explain(query, ""); err != nil && !strings.Contains(err.Error(), "$") { // a variable without a value
				t.Errorf("%v\n%s", err, query)
			}
		})
	}
}

// TestExampleFollowsJoins prefers the root field whose answer leads to the most joins.
func TestExampleFollowsJoins(t *testing.T) {
	g := graphOf(t, "testdata/explain/shop.txtar", nil)
	_, query := exampleOf(t, g)
	e, err := g.Explain(query, "")
	if err != nil || len(e.Steps) < 2 {
		t.Errorf("%v, %v\n%s", e, err, query)
	}
}

// TestExampleNamesNothingHidden shows no example to callers that may not introspect, and none of methods hidden from them.
func TestExampleNamesNothingHidden(t *testing.T) {
	const path = "testdata/explain/shop.txtar"
	for name, change := range map[string]func(*Options){
		"introspection disabled": func(o *Options) { o.IntrospectionDisabled = true },
		"not for this caller":    func(o *Options) { o.MayIntrospect = func(context.Context) error { return errors.New("no") } },
		"no method is visible":   func(o *Options) { o.Visible = func(context.Context, *schema.Method) bool { return false } },
	} {
		t.Run(name, func(t *testing.T) {
			if status, query := exampleOf(t, graphOf(t, path, change)); status != 404 {
				t.Errorf("status %d: %s", status, query)
			}
		})
	}
}
