package gateway

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

var update = flag.Bool("update", false, "write the errors into testdata")

// TestParseConfigRefuses reads testdata/config: each file in a txtar archive
// is a configuration that must be refused, and `NAME.error` says with what words.
func TestParseConfigRefuses(t *testing.T) {
	paths, err := filepath.Glob("testdata/config/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		refuseCases(t, archive)
		if *update {
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func refuseCases(t *testing.T, archive *txtar.Archive) {
	for i := 0; i+1 < len(archive.Files); i += 2 {
		config, want := archive.Files[i], &archive.Files[i+1]
		t.Run(config.Name, func(t *testing.T) {
			_, err := ParseConfig("c.yaml", config.Data)
			if err == nil {
				t.Fatal("accepted")
			}
			got := strings.TrimSpace(err.Error()) + "\n"
			if *update {
				want.Data = []byte(got)
			}
			if got != string(want.Data) {
				t.Errorf("got  %swant %s", got, want.Data)
			}
		})
	}
}

func TestParseConfigAccepts(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"comment":    "# nothing\n",
		"snake case": "poll_interval: 5s\nbackends: [{address: 'localhost:1'}]\n",
		"camel case": "pollInterval: 5s\nbackends: [{address: 'localhost:1'}]\n",
		"public":     "policies: [{selector: '*', policy: {authorize: {public: true}}}]\n",
	} {
		if _, err := ParseConfig("c.yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:1\nbackends:\n  - address: a:1\n"))
	f.Add([]byte("a: &x 1\nb: *x\n"))
	f.Add([]byte("--- \n---\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 4<<10 {
			t.Skip("long inputs only repeat")
		}
		_, _ = ParseConfig("c.yaml", data)
	})
}
