package gateway

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway/gate"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// BenchmarkSwap compiles 10,000 methods of 20 backends, with all views: from nothing, and after one backend
// changed; and has the gate judge that change. B/op is all that is allocated on the way, so it bounds the memory from above.
func BenchmarkSwap(b *testing.B) {
	const backends, methods = 20, 500
	g, err := New(&configv1.Config{Admin: proto.String(adminOff)}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer g.close()
	with := g.current()
	all := make([]schema.BackendFiles, backends)
	for i := range all {
		all[i] = manyMethods(b, i, methods, "")
	}
	var changed [6]schema.BackendFiles // more than are remembered
	for i := range changed {           // each with another method
		changed[i] = manyMethods(b, 0, methods, fmt.Sprintf("rpc Another%d(Request0) returns (Answer0);", i))
	}
	b.Run("everything", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			snapshot, _ := schema.Compile(with.input(all, nil))
			if v, _ := with.maker.of(b.Context(), snapshot); len(v.snapshot.Methods) != backends*methods {
				b.Fatal(len(v.snapshot.Methods))
			}
		}
	})
	b.Run("one-changed", func(b *testing.B) {
		b.ReportAllocs()
		s := g.swapper
		swapOne(b, &s, with, all, changed[0])
		for i := 1; b.Loop(); i++ {
			swapOne(b, &s, with, all, changed[i%len(changed)])
		}
	})
	b.Run("one-judged", func(b *testing.B) { // the gate alone
		b.ReportAllocs()
		s := g.swapper
		old, updated := swapOne(b, &s, with, all, changed[0]), swapOne(b, &s, with, all, changed[1])
		for b.Loop() {
			if findings, err := gate.Compare(b.Context(), old, updated); err != nil || len(findings) == 0 {
				b.Fatal(findings, err)
			}
		}
	})
}

func swapOne(b *testing.B, s *swapper, with *setup, all []schema.BackendFiles, changed schema.BackendFiles) gate.Views {
	b.Helper()
	all[0] = changed
	snapshot, _ := compileWith(b, s, with, all...)
	v, err := with.maker.of(b.Context(), snapshot)
	if err != nil {
		b.Fatal(err)
	}
	return gate.Views{Snapshot: snapshot, REST: v.rest, Graph: v.graph, Access: v.access}
}

func manyMethods(b *testing.B, backend, methods int, more string) schema.BackendFiles {
	b.Helper()
	var source strings.Builder
	fmt.Fprintf(&source, "edition = \"2023\";\npackage many.b%d;\nimport \"google/api/annotations.proto\";\nservice Many {\n%s\n", backend, more)
	for m := range methods {
		fmt.Fprintf(&source, "  rpc Do%[1]d(Request%[1]d) returns (Answer%[1]d) { option (google.api.http) = {post: \"/v1/b%[2]d/things/{id}:do%[1]d\" body: \"*\"}; }\n", m, backend)
	}
	source.WriteString("}\n")
	for m := range methods {
		fmt.Fprintf(&source, "message Request%[1]d { string id = 1; int64 size = 2; repeated string tags = 3; Answer%[1]d previous = 4; }\n", m)
		fmt.Fprintf(&source, "message Answer%[1]d { string id = 1; double value = 2; map<string, string> labels = 3; bool done = 4; }\n", m)
	}
	name := fmt.Sprint("b", backend)
	return schema.BackendFiles{Name: name, Files: rpctest.Files(b, map[string]string{name + ".proto": source.String()})}
}
