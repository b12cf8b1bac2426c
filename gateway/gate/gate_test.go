package gate

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

var rewrite = flag.Bool("rewrite", false, "write what came into the files under testdata")

// TestCompare compares old.proto with new.proto in each case, and what comes with `findings`.
// Each rule has to find something in some case.
func TestCompare(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	found := make(map[string]bool)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			old, updated := viewsOf(t, archive)
			findings := compare(t, old, updated)
			for _, f := range findings {
				found[f.Surface.String()+"/"+f.Rule] = true
			}
			compareFile(t, path, archive, describe(findings))
			if again := compare(t, old, old); len(again) > 0 {
				t.Errorf("what did not change has findings:\n%s", describe(again))
			}
			if again := describe(compare(t, old, updated)); again != describe(findings) {
				t.Errorf("the findings differ from one time to the next:\n%s", again)
			}
		})
	}
	for _, rule := range Rules() {
		if !found[rule.Surface.String()+"/"+rule.Name] {
			t.Errorf("no case has a finding of the rule %s on %s", rule.Name, rule.Surface)
		}
	}
}

func compare(t *testing.T, old, updated Views) []Finding {
	t.Helper()
	findings, err := Compare(t.Context(), old, updated)
	if err != nil {
		t.Fatal(err)
	}
	return findings
}

func compareFile(t *testing.T, path string, archive *txtar.Archive, got string) {
	t.Helper()
	last := &archive.Files[len(archive.Files)-1]
	if last.Name != "findings" {
		archive.Files = append(archive.Files, txtar.File{Name: "findings"})
		last = &archive.Files[len(archive.Files)-1]
	}
	if string(last.Data) == got {
		return
	}
	if !*rewrite {
		t.Errorf("got:\n%s\nwant:\n%s", got, last.Data)
		return
	}
	last.Data = []byte(got)
	if err := os.WriteFile(path, txtar.Format(archive), 0o600); err != nil {
		t.Fatal(err)
	}
}

func describe(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s %s %s: %s: %s", f.Severity, f.Surface, f.Rule, f.Element, f.Message)
		if f.Position != "" {
			fmt.Fprintf(&b, " [%s]", f.Position)
		}
		if len(f.Methods) > 0 {
			fmt.Fprintf(&b, " (%s)", strings.Join(f.Methods, " "))
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// viewsOf makes the views of a case: old.proto and new.proto are of the backend shop, old.NAME.proto of another one, and
// `registration` says what is registered. Names once given hold for the new files as well.
func viewsOf(t *testing.T, archive *txtar.Archive) (old, updated Views) {
	sources := make(map[string][]schema.BackendFiles)
	var registration Registration
	var selectors []string
	var access auth.PolicyOptions
	documents := make(map[string]string)
	for _, f := range archive.Files {
		switch {
		case f.Name == "selectors":
			selectors = strings.Fields(string(f.Data))
		case f.Name == "authenticators":
			access.Authenticators = strings.Fields(string(f.Data))
		case f.Name == "trust":
			access.TrustProtoPolicies = true
		case strings.HasSuffix(f.Name, ".graphql"):
			documents[f.Name] = string(f.Data)
		case f.Name == "registration":
			registration = registrationOf(t, string(f.Data))
		case f.Name != "findings":
			version, name, _ := strings.Cut(strings.TrimSuffix(f.Name, ".proto"), ".")
			files := rpctest.Files(t, map[string]string{"shop.proto": string(f.Data)})
			sources[version] = append(sources[version], schema.BackendFiles{Name: cmp.Or(name, "shop"), Files: files})
		}
	}
	old = viewOf(t, sources["old"], selectors, access, nil)
	old.Documents = documents
	updated = viewOf(t, sources["new"], selectors, access, old.Snapshot.Names)
	updated.Registration = registration
	return old, updated
}

// registrationOf reads lines such as `claims shop.v1.Shop` and `takes-over shop.v1.Shop` behind a line with a backend.
func registrationOf(t *testing.T, text string) Registration {
	backend, lines, _ := strings.Cut(text, "\n")
	r := Registration{Backend: backend}
	for line := range strings.Lines(lines) {
		switch what, service, _ := strings.Cut(strings.TrimSpace(line), " "); what {
		case "claims":
			r.Claims = append(r.Claims, service)
		case "takes-over":
			r.TakesOver = append(r.TakesOver, service)
		default:
			t.Fatalf("registration: %q", line)
		}
	}
	return r
}

func viewOf(t *testing.T, backends []schema.BackendFiles, selectors []string, access auth.PolicyOptions, names *schema.Names) Views {
	in := schema.Input{Backends: backends, Names: names}
	for _, s := range selectors {
		in.Policies = append(in.Policies, &configv1.PolicyRule{Selector: &s})
	}
	snapshot, _ := schema.Compile(in)
	rest, _ := translate.NewREST(snapshot, nil, translate.RESTOptions{})
	g, _ := graph.New(snapshot, nil, graph.Options{Federation: true})
	policies, _ := auth.Compile(snapshot, access)
	return Views{Snapshot: snapshot, REST: rest, Graph: g, Access: policies, Selectors: selectors}
}
