package clients

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"golang.org/x/tools/txtar"
)

// openAPITools is where the npm packages for documents of OpenAPI are installed.
const openAPITools = "openapi"

var openAPIInstalled sync.Once

func installOpenAPITools(t *testing.T) {
	openAPIInstalled.Do(func() { runIn(t, openAPITools, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund") })
}

// TestOpenAPI checks the documents that the gateway makes, and that they tell the truth.
func TestOpenAPI(t *testing.T) {
	installOpenAPITools(t)
	base := startDemo(t)
	document := fetch(t, http.MethodGet, base+"/openapi.json", "", http.StatusOK)
	t.Run("valid", func(t *testing.T) { checkDocuments(t, base, document) })
	t.Run("client", func(t *testing.T) { runClient(t, base, document) })
	t.Run("answers", func(t *testing.T) { checkAnswers(t, base, document) })
}

// checkDocuments has two validators look at the document of the example services, in
// both forms, and at each of translate/testdata/openapi.
func checkDocuments(t *testing.T, base string, document []byte) {
	dir := t.TempDir()
	files := []string{
		write(t, dir, "shop.json", document),
		write(t, dir, "shop.yaml", fetch(t, http.MethodGet, base+"/openapi.yaml", "", http.StatusOK)),
	}
	archives, err := filepath.Glob("../../translate/testdata/openapi/*.txtar")
	if err != nil || len(archives) == 0 {
		t.Fatal("no archives", err)
	}
	for _, path := range archives {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range archive.Files {
			if f.Name == "openapi.yaml" {
				files = append(files, write(t, dir, strings.TrimSuffix(filepath.Base(path), "txtar")+"yaml", f.Data))
			}
		}
	}
	runIn(t, openAPITools, "node", append([]string{"validate.mjs"}, files...)...)
	runIn(t, openAPITools, filepath.Join("node_modules", ".bin", "redocly"),
		append([]string{"lint", "--config", "redocly.yaml", "--max-problems", "1000", "--format", "stylish"}, files...)...)
}

// runClient generates types from the document, compiles a client of them, and has it
// call the gateway.
func runClient(t *testing.T, base string, document []byte) {
	dir := t.TempDir()
	modules, err := filepath.Abs(filepath.Join(openAPITools, "node_modules"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"client.ts", "tsconfig.json", "package.json"} {
		text, err := os.ReadFile(filepath.Join(openAPITools, name))
		if err != nil {
			t.Fatal(err)
		}
		write(t, dir, name, text)
	}
	write(t, dir, "openapi.json", document)
	tool := func(name string) string { return filepath.Join("node_modules", ".bin", name) }
	runIn(t, dir, tool("openapi-typescript"), "openapi.json", "--output", "api.d.ts")
	runIn(t, dir, tool("tsc"), "--project", ".")
	runIn(t, dir, "node", filepath.Join("out", "client.js"), base)
}

// openAPICall is a request, the path of the document that it belongs to, and the
// status that it gets.
type openAPICall struct {
	method, path, template, body string
	status                       int
}

// checkAnswers makes calls and validates each body, of request and answer, with the
// schema that the document has for it.
func checkAnswers(t *testing.T, base string, document []byte) {
	schemas := newDocumentSchemas(t, document)
	for _, c := range openAPICalls {
		t.Run(c.method+" "+c.path, func(t *testing.T) { schemas.check(t, base, c) })
	}
}

// openAPICalls are calls of the demo, in an order in which they can be made once.
var openAPICalls = []openAPICall{
	{"GET", "/v1/books/emma", "/v1/books/{book}", "", 200},
	{"GET", "/v1/books?page_size=100", "/v1/books", "", 200},
	{"GET", "/v1/books?pageSize=2&genres=GENRE_NOVEL&genres=3&createdAfter=2020-01-01T00:00:00Z", "/v1/books", "", 200},
	{"GET", "/v1/authors/austen/books", "/v1/authors/{author}/books", "", 200},
	{"GET", "/v1/authors/austen", "/v1/authors/{author}", "", 200},
	{"GET", "/v1/books:batchGet?names=books/alice&names=books/nothing", "/v1/books:batchGet", "", 200},
	{"POST", "/v1/books?book_id=new", "/v1/books",
		`{"title":"A new book","author":"authors/austen","price":{"currencyCode":"EUR","units":"12"},"tags":["new"],"translations":{"fr":"x"},"expectedTime":"2030-01-01T00:00:00Z","cover":"AAEC"}`, 200},
	{"PATCH", "/v1/books/new", "/v1/books/{book}", `{"pages":732,"tags":[],"rating":4.5}`, 200},
	{"POST", "/v1/books/new:archive", "/v1/books/{book}:archive", `{"reason":"out of print"}`, 200},
	{"DELETE", "/v1/books/new", "/v1/books/{book}", "", 200},
	{"GET", "/v1/books/new", "/v1/books/{book}", "", 404},
	{"GET", "/v1/books?nothing=1", "/v1/books", "", 400},
	{"GET", "/v1/orders/1001", "/v1/orders/{id}", "", 200},
	{"GET", "/v1/orders/1002", "/v1/orders/{id}", "", 200},
	{"GET", "/v1/orders?customer=ada&state=PAID&state=SENT&limit=5", "/v1/orders", "", 200},
	{"POST", "/orders.Orders/PlaceOrder", "/orders.Orders/PlaceOrder", `{"customer":"ada","line":[{"book":"books/emma","discount":0.5}],"notesRef":[1,-1]}`, 200},
	{"POST", "/v1/orders/1002:cancel", "/v1/orders/{id}:cancel", "", 200},
	{"GET", "/v1/parcels/P-1004:watch", "/v1/parcels/{parcel}:watch", "", 200},
	{"GET", "/v1/parcels/P-0:watch", "/v1/parcels/{parcel}:watch", "", 404},
	{"POST", "/v1/positions:report", "/v1/positions:report",
		`{"latitude":48.85,"longitude":2.35}` + "\n" + `{"latitude":52.5,"longitude":13.4}` + "\n", 200},
	{"POST", "/v1/chat", "/v1/chat", `{"from":"ada","text":"Where are you?"}` + "\n", 200},
}

// documentSchemas compiles the schemas of a document.
type documentSchemas struct {
	compiler *jsonschema.Compiler
	root     map[string]any
}

const documentURL = "https://gateway.example/openapi.json"

func newDocumentSchemas(t *testing.T, document []byte) *documentSchemas {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft2020)
	c.AssertFormat()
	if err := c.AddResource(documentURL, doc); err != nil {
		t.Fatal(err)
	}
	return &documentSchemas{c, doc.(map[string]any)}
}

func (d *documentSchemas) check(t *testing.T, base string, c openAPICall) {
	operation := []string{"paths", c.template, strings.ToLower(c.method)}
	if c.body != "" {
		d.validate(t, append(operation, "requestBody", "content", d.jsonType(append(operation, "requestBody", "content"))), c.body)
	}
	answer := string(fetch(t, c.method, base+c.path, c.body, c.status))
	if c.status != http.StatusOK {
		d.validate(t, []string{"components", "responses", "Error", "content", "application/json"}, answer)
		problem := fetch(t, c.method, base+c.path, c.body, c.status, "Accept: */*, application/problem+json")
		d.validate(t, []string{"components", "responses", "Error", "content", "application/problem+json"}, string(problem))
		return
	}
	at := append(operation, "responses", "200", "content")
	kind := d.jsonType(at)
	d.validate(t, append(at, kind), answer)
	if kind == typeLines { // the messages as an array
		array := fetch(t, c.method, base+c.path, c.body, c.status, "Accept: application/json")
		d.validate(t, append(at, "application/json"), string(array))
	}
}

const typeLines = "application/x-ndjson"

// jsonType returns the media type of the JSON that a body has if nothing else is asked for.
func (d *documentSchemas) jsonType(at []string) string {
	if _, stream := d.lookUp(at)[typeLines]; stream {
		return typeLines
	}
	return "application/json"
}

func (d *documentSchemas) lookUp(at []string) map[string]any {
	here := d.root
	for _, name := range at {
		here, _ = here[name].(map[string]any)
	}
	return here
}

// validate checks each JSON document of a text, which is one, or one a line.
func (d *documentSchemas) validate(t *testing.T, at []string, text string) {
	t.Helper()
	pointer := ""
	for _, name := range append(at, "schema") {
		pointer += "/" + url.PathEscape(strings.NewReplacer("~", "~0", "/", "~1").Replace(name))
	}
	schema, err := d.compiler.Compile(documentURL + "#" + pointer)
	if err != nil {
		t.Fatal(err)
	}
	values := 0
	for in := json.NewDecoder(strings.NewReader(text)); in.More(); values++ {
		var raw json.RawMessage
		if err := in.Decode(&raw); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%s\n%v", raw, err)
		}
	}
	if values == 0 {
		t.Errorf("nothing to validate in %q", text)
	}
}

// startDemo builds the gateway and runs its demo until the test ends. It returns
// the address as http://host:port.
func startDemo(t *testing.T) string {
	binary := filepath.Join(t.TempDir(), "protean")
	runIn(t, filepath.Join("..", ".."), "go", "build", "-o", binary, "./cmd/protean")
	cmd := exec.Command(binary, "demo", "--listen", "127.0.0.1:0", "--admin", "off")
	cmd.Stderr = os.Stderr
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if _, address, ok := strings.Cut(lines.Text(), " is served at "); ok {
			go io.Copy(io.Discard, stdout)
			return address
		}
	}
	t.Fatal("the demo says no address")
	return ""
}

// fetch makes a request and returns the body of the answer, which must have the status.
func fetch(t *testing.T, method, target, body string, status int, headers ...string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, target, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != status {
		t.Fatalf("%s %s: %d, want %d: %s", method, target, resp.StatusCode, status, text)
	}
	return text
}

// runIn runs a command to its end, and fails the test with its output if it fails.
func runIn(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", fmt.Sprint(cmd.Args), err, out)
	}
}

func write(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
