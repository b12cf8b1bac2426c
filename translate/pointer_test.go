package translate

import (
	"testing"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

func TestPointers(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"p.proto": `
		edition = "2023";
		package p;
		message Request {
			Book the_book = 1;
			map<string, Book> by_shelf = 2;
			map<int32, string> numbers = 3;
			string odd = 4 [json_name = "a/b~c"];
			oneof choice { string left = 5; string right = 6; }
		}
		message Book { string page_title = 1; repeated Book sequels = 2; oneof kind { string novel = 3; } }
		service S { rpc M(Request) returns (Book); }`})
	md := rpctest.Method(t, snap, "/p.S/M").Input.Descriptor()
	for field, want := range map[string]string{
		"the_book":                               "/theBook",
		"theBook.pageTitle":                      "/theBook/pageTitle",
		"the_book.sequels[2].page_title":         "/theBook/sequels/2/pageTitle",
		`by_shelf["a.b/c]~\"\u00fc"].page_title`: `/byShelf/a.b~1c]~0"ü/pageTitle`,
		"numbers[-7]":                            "/numbers/-7",
		"odd":                                    "/a~1b~0c",
		"the_book.kind":                          "/theBook", // a oneof of which nothing is set
		"choice":                                 "",
		"":                                       "",
		"*":                                      "",
		"the_book.":                              "",
		"the_book..page_title":                   "",
		"the_book[0]":                            "",
		"the_book.kind.x":                        "",
		"numbers[1].x":                           "",
		"numbers[1":                              "",
		`by_shelf["a`:                            "",
		`by_shelf["a"x`:                          "",
		"the_book.sequels[1]page_title":          "",
		"none":                                   "",
	} {
		got, ok := pointers{input: md}.of(field)
		if ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v, want %q", field, got, ok, want)
		}
	}
	if got, _ := (pointers{md, true}).of("theBook.sequels[0].pageTitle"); got != "/the_book/sequels/0/page_title" {
		t.Errorf("in proto names: %s", got)
	}
}

// FuzzPointers reads whatever a backend names.
func FuzzPointers(f *testing.F) {
	snap := rpctest.Compile(f, map[string]string{"p.proto": `
		edition = "2023";
		package p;
		message M { map<string, M> m = 1; repeated M r = 2; }
		service S { rpc Do(M) returns (M); }`})
	md := rpctest.Method(f, snap, "/p.S/Do").Input.Descriptor()
	f.Add(`m["a"].r[1].m["\u00e9"]`)
	f.Fuzz(func(t *testing.T, field string) {
		if pointer, ok := (pointers{input: md}).of(field); ok && pointer[0] != '/' {
			t.Errorf("%q", pointer)
		}
	})
}
