package wire_test

import (
	"slices"
	"strings"
	"testing"
)

func TestFieldPaths(t *testing.T) {
	s := decodeSchemaOf(t)
	for _, c := range []struct{ message, json, want string }{
		{"", `{}`, ""},
		{"", `{"aString":"x","anInt32":0,"a_bool":false}`, "a_string an_int32 a_bool"},
		{"", `{"child":{"aString":"x","child":{"anInt32":1}}}`, "child.a_string child.child.an_int32"},
		{"", `{"child":{},"aString":"x"}`, "child a_string"},
		{"", `{"child":{"child":{}}}`, "child.child"},
		{"", `{"child":null,"aString":null}`, "child a_string"},
		{"", `{"children":[{"aString":"x"}],"stringsByString":{"a":"b"},"int32s":[]}`, "children strings_by_string int32s"},
		{"", `{"timestamp":"2020-01-01T00:00:00Z","struct":{"a":{}},"any":{"@type":"x/rich.Rich"},"empty":{}}`, "timestamp struct any empty"},
		{"", `{"child":{"nope":{"x":1}},"nope":[1],"aString":""}`, "a_string"},
		{"", `{"renamed":1,"child":{"newName":2}}`, "renamed child.renamed"},
		{"legacy.Legacy", `{"Box":{"width":1},"longBox":{}}`, "box.width long_box"},
	} {
		paths, err := s.message(richUnless(c.message)).FieldPaths([]byte(c.json))
		if err != nil || !slices.Equal(paths, strings.Fields(c.want)) {
			t.Errorf("%s\ngot  %q, %v\nwant %q", c.json, paths, err, c.want)
		}
	}
}

func TestFieldPathsRefusesExtensions(t *testing.T) {
	s := decodeSchemaOf(t)
	_, err := s.message("legacy.Legacy").FieldPaths([]byte(`{"child":{"[legacy.note]":"x"}}`))
	const want = `line 1, column 11: child.[legacy.note]: an extension cannot be named in a field mask`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
