package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// TestServiceConfigs reads testdata/serviceconfig.txtar: after each file `NAME` its rules,
// or the error, in `NAME.want`.
func TestServiceConfigs(t *testing.T) {
	const path = "testdata/serviceconfig.txtar"
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(archive.Files); i += 2 {
		file, want := archive.Files[i], &archive.Files[i+1]
		t.Run(file.Name, func(t *testing.T) {
			rules, err := parseServiceConfig("s.yaml", file.Data)
			got := shownRules(rules)
			if err != nil {
				got = strings.TrimSpace(err.Error()) + "\n"
			}
			if *update {
				want.Data = []byte(got)
			}
			if got != string(want.Data) {
				t.Errorf("got\n%swant\n%s", got, want.Data)
			}
		})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func shownRules(rules []serviceRule) string {
	var b strings.Builder
	for _, r := range rules {
		o := r.overlay
		rule := o.GetHttp()
		fmt.Fprintf(&b, "%s %s get %q post %q custom %q body %q and %d more\n", r.position, o.GetSelector(),
			rule.GetGet(), rule.GetPost(), rule.GetCustom().GetKind()+" "+rule.GetCustom().GetPath(), rule.GetBody(), len(rule.GetAdditionalBindings()))
	}
	return b.String()
}

const plainService = `
syntax = "proto3";
package plain.v1;
service Plain { rpc Get(M) returns (M); rpc Other(M) returns (M); }
message M { string name = 1; }
`

// TestServiceConfigBinds compiles a service that knows nothing of HTTP.
func TestServiceConfigBinds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	text := "type: google.api.Service\nhttp:\n  rules:\n  - selector: plain.v1.Plain.Get\n    get: /v1/{name}\n" +
		"  - selector: plain.v1.Plain.Other\n    get: /v1/other\n  - selector: plain.v1.Plain.None\n    get: /v1/none\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	overlay := &configv1.Overlay{Selector: proto.String("plain.v1.Plain.Other"), Http: &annotations.HttpRule{Pattern: &annotations.HttpRule_Get{Get: "/mine"}}}
	config := &configv1.Config{
		Backends: []*configv1.Backend{{Address: proto.String("x:1"), ServiceConfig: proto.String(path)}},
		Overlays: []*configv1.Overlay{overlay},
	}
	s := newSwapper(nil)
	snapshot, problems := compileWith(t, &s, setupOf(t, config), schema.BackendFiles{Name: "x:1", Files: rpctest.Files(t, map[string]string{"plain.proto": plainService})})
	var got []string
	for _, m := range snapshot.Services[0].Methods {
		for _, b := range m.Bindings {
			got = append(got, b.Template+" "+strings.TrimPrefix(b.Position, path))
		}
	}
	if want := "/v1/{name} :4:5 | /mine overlay"; strings.Join(got, " | ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if len(problems) != 1 || problems[0].Position != path+":8:5" || problems[0].Element != "plain.v1.Plain.None" {
		t.Errorf("got problems %v", problems)
	}
}

func TestServiceConfigThatIsNotThere(t *testing.T) {
	config := &configv1.Config{Backends: []*configv1.Backend{{Address: proto.String("x:1"), ServiceConfig: proto.String("/nowhere.yaml")}}}
	if _, _, err := newFirst(t.Context(), &Configuration{Config: config}, slog.New(slog.DiscardHandler), nil, nil); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), `backend "x:1"`) {
		t.Errorf("got %v", err)
	}
}

// TestServiceConfigPatterns compiles two services with rules for lists and patterns: the last rule for a method counts.
func TestServiceConfigPatterns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.yaml")
	text := `http:
  rules:
  - {selector: "*", get: /all}
  - {selector: "plain.v1.Plain.*", get: /plain}
  - {selector: "plain.v1.Plain.Other, plain.v1.Plain.None", get: /other}
  - {selector: "nowhere.*", get: /nowhere}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	config := &configv1.Config{Backends: []*configv1.Backend{{Address: proto.String("x:1"), ServiceConfig: proto.String(path)}}}
	s := newSwapper(nil)
	source := plainService + "service Second { rpc Fetch(M) returns (M); }"
	snapshot, problems := compileWith(t, &s, setupOf(t, config), schema.BackendFiles{Name: "x:1", Files: rpctest.Files(t, map[string]string{"plain.proto": source})})
	var got []string
	for _, service := range snapshot.Services {
		for _, m := range service.Methods {
			for _, b := range m.Bindings {
				got = append(got, m.FullName()+" "+b.Template+" "+strings.TrimPrefix(b.Position, path))
			}
		}
	}
	want := "plain.v1.Plain.Get /plain :4:5 | plain.v1.Plain.Other /other :5:5 | plain.v1.Second.Fetch /all :3:5"
	if strings.Join(got, " | ") != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for i, selector := range []string{"plain.v1.Plain.None", "nowhere.*"} {
		if len(problems) != 2 || problems[i].Element != selector {
			t.Errorf("got problems %v, want one for %s", problems, selector)
		}
	}
}
