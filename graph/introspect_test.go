package graph

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/99designs/gqlgen/graphql/introspection"
	"golang.org/x/tools/txtar"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestIntrospection asks what tools ask.
func TestIntrospection(t *testing.T) {
	eachCase(t, "introspect", func(t *testing.T, a *txtar.Archive) *txtar.Archive {
		snap, _ := compileArchive(t, a)
		g, _ := New(snap, nil, Options{})
		for _, f := range a.Files {
			if name, ok := strings.CutSuffix(f.Name, ".graphql"); ok {
				setFile(a, name+".out", execute(t, g, string(f.Data), file(a, name+".variables.json")))
			}
		}
		return a
	})
}

// TestStandardIntrospection checks that the query of most tools passes, and that
// everything that the answer names is in it.
func TestStandardIntrospection(t *testing.T) {
	g, _ := inputGraph(t)
	r := responses(t, t.Context(), g, introspection.Query, "")[0]
	if len(r.Errors) > 0 {
		t.Fatal(r.Errors)
	}
	var out struct {
		Schema struct {
			Types      []struct{ Kind, Name string }
			Directives []struct{ Name string }
		} `json:"__schema"`
	}
	if err := json.Unmarshal(r.Data, &out); err != nil {
		t.Fatal(err)
	}
	kinds := make(map[string]string)
	for _, typ := range out.Schema.Types {
		kinds[typ.Name] = typ.Kind
	}
	for name, kind := range map[string]string{"Query": "OBJECT", "Int": "SCALAR", "Int64": "SCALAR", "Colour": "ENUM", "ItChoiceInput": "INPUT_OBJECT", "__Type": "OBJECT"} {
		if kinds[name] != kind {
			t.Errorf("%s is of kind %q, want %s", name, kinds[name], kind)
		}
	}
	for _, d := range out.Schema.Directives {
		if d.Name == "defer" {
			t.Error("there is a directive that nobody executes")
		}
	}
}

// TestIntrospectionDisabled also hides the names that errors would suggest.
func TestIntrospectionDisabled(t *testing.T) {
	g := doGraph(t, nil, Options{IntrospectionDisabled: true})
	for query, want := range map[string]string{
		`{ __schema { types { name } } }`:                      "Introspection is turned off.",
		`{ __type(name: "It") { name } }`:                      "Introspection is turned off.",
		`{ getI { n } }`:                                       `Cannot query field "getI" on type "Query".`,
		`query($n: I) { getIt { m } }`:                         `Unknown type "I".`,
		`{ ... { ... on Query { __schema { __typename } } } }`: "Introspection is turned off.",
	} {
		r := responses(t, t.Context(), g, query, "")[0]
		found := false
		for _, err := range r.Errors {
			found = found || err.Message == want
			if strings.Contains(err.Message, "Did you mean") {
				t.Errorf("%s: %s", query, err.Message)
			}
		}
		if !found {
			t.Errorf("%s: %v, want %q", query, r.Errors, want)
		}
	}
	if r := responses(t, t.Context(), g, `{ __typename }`, "")[0]; string(r.Data) != `{"__typename":"Query"}` {
		t.Errorf("__typename: %s %v", r.Data, r.Errors)
	}
}

// TestIntrospectionByCaller decides of each caller, of one document for all, and suggests no names.
func TestIntrospectionByCaller(t *testing.T) {
	var calls int
	g, _ := New(rpctest.Compile(t, map[string]string{"in.proto": inputProto}), func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		calls++
		return s.Send(nil)
	}, Options{MayIntrospect: func(ctx context.Context) error {
		switch p := rpc.PrincipalFrom(ctx); {
		case p == nil:
			return status.Error(codes.Unauthenticated, "secret reasons")
		case p.Subject != "tool":
			return status.Error(codes.PermissionDenied, "secret reasons")
		}
		return nil
	}})
	as := func(subject string) context.Context {
		return rpc.WithPrincipal(t.Context(), &rpc.Principal{Subject: subject})
	}
	const query = `{ getIt { int } __schema { queryType { name } } }`
	for range 2 {
		for _, c := range []struct {
			ctx           context.Context
			message, code string
		}{
			{as("tool"), "", ""},
			{as("guest"), "Introspection is not for this caller.", "PERMISSION_DENIED"},
			{t.Context(), "Introspection needs credentials.", "UNAUTHENTICATED"},
		} {
			calls = 0
			r := responses(t, c.ctx, g, query, "")[0]
			switch {
			case c.message == "" && (len(r.Errors) > 0 || calls != 1):
				t.Errorf("refused: %v, %d calls", r.Errors, calls)
			case c.message != "" && (len(r.Errors) != 1 || r.Errors[0].Message != c.message || r.Errors[0].Extensions["code"] != c.code || calls > 0):
				t.Errorf("got %v, want %q; %d calls", r.Errors, c.message, calls)
			}
		}
	}
	if r := responses(t, as("tool"), g, `{ getI { int } }`, "")[0]; strings.Contains(r.Errors[0].Message, "Did you mean") {
		t.Error(r.Errors[0].Message)
	}
	conditional := `query($no: Boolean = false) { __typename __schema @include(if: $no) { queryType { name } } }`
	if r := responses(t, t.Context(), g, conditional, "")[0]; len(r.Errors) > 0 {
		t.Error(r.Errors)
	}
}
