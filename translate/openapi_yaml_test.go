package translate

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// checkYAML checks with another parser that the YAML says what the JSON says.
func checkYAML(t *testing.T, document, text []byte) {
	var fromYAML any
	if err := yaml.Unmarshal(text, &fromYAML); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	again, err := json.Marshal(fromYAML)
	if err != nil {
		t.Fatal(err)
	}
	var a, b any
	if err := json.Unmarshal(document, &a); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, &b); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(a, b) {
		t.Errorf("the YAML says something else:\n%s\n%s", document, again)
	}
}

// FuzzYAML checks that any string comes back from YAML as it was.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{"", "a", "true", "NO", "1", "1e3", "a: b", "- a", "a #b", "two\nlines", "\nfirst", " x\ny",
		"last\n", "tab\there\nand there", "\u2028\nx", "\u0085\ny", "'", "\"", "x:", "~", "a\n\n\nb", "{", "\\", "é\nè", "a\n b", "2026-01-01",
		strings.Repeat("long", 300)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		document := appendObject(nil, newObject(member{s, []any{s, newObject(member{"x", s}), []any{s}, []any{}, newObject()}}))
		text, err := toYAML(document)
		if err != nil {
			t.Fatal(err)
		}
		checkYAML(t, document, text)
	})
}
