package graph

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2"
	"github.com/vektah/gqlparser/v2/ast"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// TestIsolateBackend gives types of one backend names with which no schema can be built: the graph serves the others, whatever
// the way to build it.
func TestIsolateBackend(t *testing.T) {
	source := func(pkg, imported string) map[string]string {
		return map[string]string{
			"shared.proto": `syntax = "proto3"; package shared.v1; message Shared { string id = 1; }`,
			pkg + ".proto": `syntax = "proto3"; package ` + pkg + `.v1; ` + imported + `
				service S { rpc Get` + strings.ToUpper(pkg[:1]) + pkg[1:] + `(Request) returns (Answer); }
				message Request { string name = 1; } message Answer { string name = 1; ` + map[bool]string{true: "shared.v1.Shared shared = 2;"}[imported != ""] + ` }`,
		}
	}
	shared := `import "shared.proto";`
	var in schema.Input
	for pkg, imported := range map[string]string{"a": shared, "bad": shared, "c": shared, "d": ""} {
		in.Backends = append(in.Backends, schema.BackendFiles{Name: pkg, Files: rpctest.Files(t, source(pkg, imported))})
	}
	slices.SortFunc(in.Backends, func(a, b schema.BackendFiles) int { return strings.Compare(a.Name, b.Name) })
	for cause, name := range map[string]string{"no name": "2nd name", "a name of another kind": "Query", "a reserved name": "__Answer"} {
		for what, options := range map[string]Options{"in groups": {}, "whole": {Relay: true, JoinsAIP: true, Federation: true}} {
			t.Run(cause+" "+what, func(t *testing.T) {
				snap, _ := schema.Compile(in)
				damaged := *snap
				names := *snap.Names
				names.Types = maps.Clone(names.Types)
				names.Types["bad.v1.Answer"] = name
				damaged.Names = &names
				g, problems := New(&damaged, nil, options)
				if got := g.Omitted(); !slices.Equal(got, []string{"bad"}) {
					t.Errorf("the graph omits %v: %v", got, problems)
				}
				if !slices.ContainsFunc(problems, func(p schema.Problem) bool { return p.Severity == schema.Error && p.Backend == "bad" }) {
					t.Errorf("no problem says why: %v", problems)
				}
				for _, field := range []string{"getA", "getC", "getD"} {
					if g.schema.Query.Fields.ForName(field) == nil {
						t.Errorf("the graph has no %s", field)
					}
				}
				if g.schema.Query.Fields.ForName("getBad") != nil {
					t.Error("the graph has the backend at fault")
				}
				if _, err := gqlparser.LoadSchema(&ast.Source{Input: g.SDL()}); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
