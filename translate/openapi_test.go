package translate

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

var updateOpenAPI = flag.Bool("update-openapi", false, "write the documents that are built into testdata/openapi")

// TestOpenAPIDocuments builds a document of the .proto files in each archive and
// compares it with the openapi.yaml there. A first line `all methods` asks for those.
func TestOpenAPIDocuments(t *testing.T) {
	files, err := filepath.Glob("testdata/openapi/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no archives", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sources := protoFiles(archive)
			want := ""
			if last := archive.Files; len(last) > 0 && last[len(last)-1].Name == "openapi.yaml" {
				want = string(last[len(last)-1].Data)
			}
			for path, text := range exampleSources(t, string(archive.Comment)) {
				sources[path] = text
			}
			snap := rpctest.Compile(t, sources)
			o := OpenAPIOptions{
				Version:    "1",
				AllMethods: strings.HasPrefix(string(archive.Comment), "all methods"),
			}
			if strings.HasPrefix(string(archive.Comment), "authenticators") {
				o.SecuritySchemes, o.Needs = securityOfTests, needOfTests
			}
			got := buildOpenAPI(t, snap, o)
			checkReferences(t, got)
			text, err := toYAML(got)
			if err != nil {
				t.Fatal(err)
			}
			checkYAML(t, got, text)
			if string(text) == want {
				return
			}
			if !*updateOpenAPI {
				t.Fatalf("run with -update-openapi and look at the difference, which begins with\n%s", firstDifference(string(text), want))
			}
			writeDocument(t, file, archive, text)
		})
	}
}

// firstDifference returns the first line of got that is not in want, with its number.
func firstDifference(got, want string) string {
	wanted := strings.Split(want, "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wanted) || wanted[i] != line {
			return fmt.Sprintf("%d: %s", i+1, line)
		}
	}
	return "fewer lines"
}

// TestOpenAPIParameters checks that each query parameter that is described is one
// that requests can have.
func TestOpenAPIParameters(t *testing.T) {
	count := 0
	for _, name := range []string{"constraints", "routes", "options"} {
		archive, err := txtar.ParseFile("testdata/openapi/" + name + ".txtar")
		if err != nil {
			t.Fatal(err)
		}
		rest, _ := NewREST(rpctest.Compile(t, protoFiles(archive)), nil, RESTOptions{})
		for _, r := range rest.Routes() {
			p := &parameters{route: r.route, form: formOf(r.route), schemas: newSchemas(), depth: DefaultOpenAPIQueryDepth}
			p.addQuery()
			for _, described := range p.list {
				name := textOf(described.(*object), "name")
				bound, err := r.route.compileParameter(name)
				if err != nil || bound.bound != "" {
					t.Errorf("%s %s: %s: %v, %v", r.Verb, r.Template, name, err, bound)
				}
				count++
			}
		}
	}
	if count < 30 {
		t.Errorf("only %d parameters", count)
	}
}

var securityOfTests = []SecurityScheme{
	{Name: "staff", Bearer: true, BearerFormat: "JWT", Description: "A token of staff."},
	{Name: "opaque", Bearer: true},
	{Name: "key", Header: "x-api-key", Description: "A key."},
	{Name: "certificate"},
}

// needOfTests goes by the names of methods.
func needOfTests(m *schema.Method) SecurityNeed {
	switch m.Descriptor.Name() {
	case "Public":
		return SecurityNeed{Anonymous: true, Schemes: []string{"staff", "key"}}
	case "Scoped":
		return SecurityNeed{Schemes: []string{"staff", "opaque"}, Scopes: []string{"write", "read", "write"}}
	case "Closed":
		return SecurityNeed{}
	default:
		return SecurityNeed{Schemes: []string{"certificate"}}
	}
}

func protoFiles(archive *txtar.Archive) map[string]string {
	sources := make(map[string]string)
	for _, f := range archive.Files {
		if strings.HasSuffix(f.Name, ".proto") {
			sources[f.Name] = string(f.Data)
		}
	}
	return sources
}

func writeDocument(t *testing.T, file string, archive *txtar.Archive, text []byte) {
	for i, f := range archive.Files {
		if f.Name == "openapi.yaml" {
			archive.Files = append(archive.Files[:i], archive.Files[i+1:]...)
			break
		}
	}
	archive.Files = append(archive.Files, txtar.File{Name: "openapi.yaml", Data: text})
	if err := os.WriteFile(file, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

// exampleSources returns the files of the repository's examples that a comment names.
func exampleSources(t *testing.T, comment string) map[string]string {
	sources := make(map[string]string)
	for line := range strings.Lines(comment) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "example ")
		if !ok {
			continue
		}
		text, err := os.ReadFile("../examples/proto/" + path)
		if err != nil {
			t.Fatal(err)
		}
		sources[path] = string(text)
	}
	return sources
}

func buildOpenAPI(t testing.TB, snap *schema.Snapshot, o OpenAPIOptions) []byte {
	t.Helper()
	rest, _ := NewREST(snap, nil, RESTOptions{})
	text, err := NewOpenAPI(snap, rest, o).JSON()
	if err != nil {
		t.Fatal(err)
	}
	again, err := NewOpenAPI(snap, rest, o).JSON()
	if err != nil || string(text) != string(again) {
		t.Fatal("two documents of one snapshot differ", err)
	}
	return text
}

// checkReferences checks that every $ref leads somewhere, and every operationId is its own.
func checkReferences(t *testing.T, document []byte) {
	var doc any
	if err := json.Unmarshal(document, &doc); err != nil {
		t.Fatalf("%v\n%s", err, document)
	}
	ids := make(map[string]bool)
	walkJSON(doc, func(name string, value any) {
		text, _ := value.(string)
		switch {
		case name == "$ref" && at(doc, strings.Split(strings.TrimPrefix(text, "#/"), "/")) == nil:
			t.Errorf("%s leads nowhere", text)
		case name == "operationId" && ids[text]:
			t.Errorf("two operations are called %s", text)
		case name == "operationId":
			ids[text] = true
		}
	})
}

func walkJSON(value any, visit func(name string, value any)) {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			visit(name, inner)
			walkJSON(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walkJSON(inner, visit)
		}
	}
}

func at(value any, path []string) any {
	for _, name := range path {
		m, _ := value.(map[string]any)
		value = m[name]
	}
	return value
}

func TestECMAPattern(t *testing.T) {
	for _, c := range []struct{ re2, want string }{
		{``, ``},
		{`^[a-z]+(-[a-z0-9]+)*$`, `^[a-z]+(-[a-z0-9]+)*$`},
		{`a{2,3}b{4}c{5,}`, `a{2,3}b{4}c{5,}`},
		{`{x}]`, `\{x\}\]`},
		{`\-\_\@\/`, `-_@\/`},
		{`[\-\]\\[]`, `[\-\]\\\[]`},
		{`[]a]`, `[\]a]`},
		{`[^]a]`, `[^\]a]`},
		{`(?:a|b)\d\w\s\b`, `(?:a|b)\d\w\s\b`},
		{`é+`, `é+`},
		// What ECMA-262 has not, or has otherwise.
		{`(?i)a`, ``}, {`(?P<name>a)`, ``}, {`[[:alpha:]]`, ``}, {`\pL`, ``}, {`\Aa\z`, ``}, {`\Q.\E`, ``}, {`\x{41}`, ``}, {`a\`, ``}, {`\1`, ``},
	} {
		if got, ok := ecmaPattern(c.re2); got != c.want || ok == (got == "" && c.re2 != "") {
			t.Errorf("%s: got %s, %v; want %s", c.re2, got, ok, c.want)
		}
	}
}

func TestInWords(t *testing.T) {
	for name, want := range map[string]string{
		"GetBook": "Get book", "BatchGetBooks": "Batch get books", "ListHTTPRoutes": "List HTTP routes", "get_by_id": "get by id",
		"Do": "Do", "GetURL": "Get URL",
	} {
		if got := inWords(name); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
}
