package gateway

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTrustedDocuments(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("folder/books.graphql", "{ listBooks { totalSize } }")
	write("folder/README.md", "not a document")
	write("empty/README.md", "")
	for _, c := range []struct {
		path, want string
		ids        int
	}{
		{filepath.Join(dir, "folder"), "", 2},
		{write("manifest.json", `{"a": "{ a }", "b": "{ b }"}`), "", 4},
		{write("broken.json", `{`), "not a JSON object", 0},
		{filepath.Join(dir, "empty"), "has no .graphql files", 0},
		{filepath.Join(dir, "missing"), "no such file", 0},
	} {
		trusted, err := trustedDocuments(c.path)
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %s", c.path, err, c.want)
		case c.want == "" && (err != nil || trusted.Len() != c.ids):
			t.Errorf("%s: %v", c.path, err)
		}
	}
}
