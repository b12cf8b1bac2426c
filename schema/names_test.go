package schema

import (
	"reflect"
	"testing"
)

func TestNamesJSON(t *testing.T) {
	names := &Names{
		Types:  map[string]string{"b.B": "B", "a.A": "A", "a.A/Input": "a_A_Input"},
		Fields: map[string]string{"a.S.Get": "get"},
	}
	text, err := names.JSON()
	if err != nil {
		t.Fatal(err)
	}
	const want = `{
  "types": {
    "a.A": "A",
    "a.A/Input": "a_A_Input",
    "b.B": "B"
  },
  "fields": {
    "a.S.Get": "get"
  }
}
`
	if string(text) != want {
		t.Errorf("got %s", text)
	}
	read, err := ParseNames(text)
	if err != nil || !reflect.DeepEqual(read, names) {
		t.Errorf("read back: %v, %v", read, err)
	}
}

func TestParseNamesRefuses(t *testing.T) {
	for _, text := range []string{``, `[]`, `{"type": {}}`, `{"types": {"a": 1}}`, `{} {}`, `{}]`} {
		if _, err := ParseNames([]byte(text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
}

func TestNamesThatTypesBring(t *testing.T) {
	names := &Names{Types: map[string]string{
		"a.Book":            "Book",
		"a.Odd":             "Odd",
		"a.Odd/Input":       "a_Odd_Input",
		"a.Odd.tags/Entry":  "a_Odd_tags_Entry",
		"a.Odd.choice/Case": "a_Odd_choice_Case",
	}}
	tests := []struct{ got, want string }{
		{names.Input("a.Book"), "BookInput"},
		{names.Entry("a.Book", "by_name"), "BookByNameEntry"},
		{names.EntryInput("a.Book", "by_name"), "BookByNameEntryInput"},
		{names.Case("a.Book", "how_sold"), "BookHowSoldCase"},
		{names.OneofInput("a.Book", "how_sold"), "BookHowSoldInput"},
		{names.PatchInput("a.Book"), "BookPatchInput"},
		{names.Union("a.Book", "how_sold"), "BookHowSoldUnion"},
		{names.Connection("a.Book"), "BookConnection"},
		{names.Edge("a.Book"), "BookEdge"},
		{names.Input("a.Odd"), "a_Odd_Input"},
		{names.Entry("a.Odd", "tags"), "a_Odd_tags_Entry"},
		{names.EntryInput("a.Odd", "tags"), "OddTagsEntryInput"},
		{names.Case("a.Odd", "choice"), "a_Odd_choice_Case"},
		{names.Input("a.None"), ""},
		{names.Type("a.None"), ""},
		{names.Field("a.S.None"), ""},
	}
	for _, test := range tests {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestSpellings(t *testing.T) {
	tests := []struct{ name, camel, pascal string }{
		{"GetBook", "getBook", "GetBook"},
		{"getBook", "getBook", "GetBook"},
		{"get_book", "getBook", "GetBook"},
		{"HTTPGet", "httpGet", "HTTPGet"},
		{"ListURLs", "listURLs", "ListURLs"},
		{"DB", "db", "DB"},
		{"x2y", "x2y", "X2y"},
		{"_private__name_", "privateName", "PrivateName"},
		{"_", "_", ""},
		{"", "", ""},
	}
	for _, test := range tests {
		if got := camel(test.name); got != test.camel {
			t.Errorf("camel(%q) is %q, want %q", test.name, got, test.camel)
		}
		if got := pascal(test.name); got != test.pascal {
			t.Errorf("pascal(%q) is %q, want %q", test.name, got, test.pascal)
		}
	}
}
