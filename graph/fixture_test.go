package graph

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var rewrite = flag.Bool("rewrite", false, "write what came into the files under testdata")

// eachCase runs a test for each txtar file of a folder. The test returns the archive as it
// should be: it differs from the file where the test fails.
func eachCase(t *testing.T, folder string, run func(t *testing.T, a *txtar.Archive) *txtar.Archive) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", folder, "*.txtar"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases in %s: %v", folder, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := string(txtar.Format(run(t, txtar.Parse(data))))
			if got == string(data) {
				return
			}
			if *rewrite {
				if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("%s does not agree; what came:\n%s", name, firstDifference(got, string(data)))
		})
	}
}

// firstDifference shows the lines from the first that differs on.
func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	i := 0
	for i < len(g) && i < len(w) && g[i] == w[i] {
		i++
	}
	show := func(lines []string) string {
		return strings.Join(lines[min(i, len(lines)):min(i+12, len(lines))], "\n")
	}
	return show(g) + "\n--- in the file:\n" + show(w)
}

// file returns a file of an archive; empty where there is none.
func file(a *txtar.Archive, name string) string {
	for _, f := range a.Files {
		if f.Name == name {
			return string(f.Data)
		}
	}
	return ""
}

// setFile sets a file of an archive, behind the others where it is new.
func setFile(a *txtar.Archive, name, data string) {
	for i := range a.Files {
		if a.Files[i].Name == name {
			a.Files[i].Data = []byte(data)
			return
		}
	}
	a.Files = append(a.Files, txtar.File{Name: name, Data: []byte(data)})
}

// optionsOf returns the options in the options.json of an archive.
func optionsOf(t testing.TB, a *txtar.Archive) (o Options) {
	t.Helper()
	if text := file(a, "options.json"); text != "" {
		if err := json.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

// compileArchive compiles the .proto files of an archive. The first part of their paths is the
// name of their backend.
func compileArchive(t testing.TB, a *txtar.Archive) (*schema.Snapshot, []schema.Problem) {
	t.Helper()
	sources := make(map[string]map[string]string)
	for _, f := range a.Files {
		backend, path, ok := strings.Cut(f.Name, "/")
		if !ok || !strings.HasSuffix(path, ".proto") {
			continue
		}
		if sources[backend] == nil {
			sources[backend] = make(map[string]string)
		}
		sources[backend][path] = string(f.Data)
	}
	var in schema.Input
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		in.Backends = append(in.Backends, schema.BackendFiles{Name: name, Files: rpctest.Files(t, sources[name])})
	}
	return schema.Compile(in)
}
