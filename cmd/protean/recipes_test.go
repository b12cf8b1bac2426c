package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// recipe is what a page of the documentation tells CI to run.
type recipe struct {
	environment    map[string]string
	diff, register string
}

// recipesOf reads the recipes in docs/registry.md: the YAML block behind each heading.
func recipesOf(t *testing.T) map[string]recipe {
	t.Helper()
	page, err := os.ReadFile("../../docs/registry.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(heading string, into any) {
		_, text, _ := strings.Cut(string(page), "\n## "+heading+"\n")
		_, text, _ = strings.Cut(text, "```yaml\n")
		text, _, found := strings.Cut(text, "```")
		if !found {
			t.Fatalf("%s has no recipe", heading)
		}
		if err := yaml.Unmarshal([]byte(text), into); err != nil {
			t.Fatal(err)
		}
	}
	var actions struct {
		Jobs map[string]struct {
			Env   map[string]string
			Steps []struct{ If, Run string }
		}
	}
	block("GitHub Actions", &actions)
	job := actions.Jobs["schema"]
	github := recipe{environment: job.Env}
	for _, step := range job.Steps {
		switch {
		case strings.Contains(step.If, "pull_request"):
			github.diff = step.Run
		case strings.Contains(step.If, "push") && strings.Contains(step.If, "refs/heads/main"):
			github.register = step.Run
		}
	}
	var pipeline struct {
		Variables      map[string]string
		Diff, Register struct {
			Rules  []struct{ If string }
			Script string
		}
	}
	block("GitLab", &pipeline)
	if len(pipeline.Diff.Rules) != 1 || len(pipeline.Register.Rules) != 1 {
		t.Error("a job of GitLab lacks the rule that says when it runs")
	}
	return map[string]recipe{
		"GitHub Actions": github,
		"GitLab":         {pipeline.Variables, pipeline.Diff.Script, pipeline.Register.Script},
	}
}

// ci runs the commands of a recipe as its machinery does, in a folder with a checkout.
type ci struct {
	recipe
	folder, admin, commit string
}

// run returns the exit code of a command, and what it printed.
func (c *ci) run(t *testing.T, command, token string) (code int, printed string) {
	t.Helper()
	shell := exec.Command("bash", "-e", "-c", command)
	shell.Dir = c.folder
	shell.Env = append(os.Environ(),
		"PROTEAN_ADMIN="+c.admin, "PROTEAN_TOKEN="+token,
		"GITHUB_SHA="+c.commit, "GITHUB_REPOSITORY=acme/orders", "CI_COMMIT_SHA="+c.commit, "CI_PIPELINE_ID=77")
	var out bytes.Buffer
	shell.Stdout, shell.Stderr = &out, &out
	err := shell.Run()
	if shell.ProcessState == nil {
		t.Fatal(err)
	}
	return shell.ProcessState.ExitCode(), out.String()
}

// commits puts a message with a field of some kind into the checkout.
func (c *ci) commits(t *testing.T, kind string) {
	t.Helper()
	c.commit += "a1"
	source := "edition = \"2023\";\npackage acme.orders.v1;\nservice Orders { rpc GetOrder(Order) returns (Order); }\nmessage Order { " + kind + " id = 1; }\n"
	if err := os.MkdirAll(filepath.Join(c.folder, "proto"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.folder, "proto", "orders.proto"), []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ownedGateway starts a gateway where the team of the recipes is an owner with a token.
func ownedGateway(t *testing.T) (admin string) {
	t.Helper()
	none, name, state := "127.0.0.1:0", "orders", t.TempDir()
	sum := sha256.Sum256([]byte("a token"))
	g, err := gateway.New(&configv1.Config{Listen: &none, Admin: &none, State: &state, Registry: &configv1.Registry{Owners: []*configv1.Owner{{
		Name: &name, Tokens: []string{hex.EncodeToString(sum[:])}, Packages: []string{"acme.orders"},
	}}}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return g.AdminAddr()
}

// TestRecipes runs what docs/registry.md tells GitHub Actions and GitLab to run against a real gateway.
func TestRecipes(t *testing.T) {
	for name, r := range recipesOf(t) {
		t.Run(name, func(t *testing.T) {
			if host, _, err := net.SplitHostPort(strings.TrimPrefix(r.environment["PROTEAN_ADMIN"], "https://")); err != nil || host == "" {
				t.Errorf("PROTEAN_ADMIN is %q", r.environment["PROTEAN_ADMIN"])
			}
			c := &ci{recipe: r, folder: t.TempDir(), admin: ownedGateway(t)}
			expect := func(what, command, token string, code int, says string) {
				t.Helper()
				if got, printed := c.run(t, command, token); got != code || !strings.Contains(printed, says) {
					t.Errorf("%s: exit code %d, and it prints\n%s", what, got, printed)
				}
			}
			const token = "a token"
			c.commits(t, "string")
			expect("a wrong token", c.register, "guess", 1, "unauthenticated")
			expect("a change request for a new backend", c.diff, token, 0, "0 breaking")
			expect("its merge", c.register, token, 0, "is revision 1")
			expect("the job once more", c.register, token, 0, "Unchanged")
			expect("a change request that changes nothing", c.diff, token, 0, "0 breaking, 0 dangerous, 0 safe")
			c.commits(t, "int64")
			expect("one that breaks", c.diff, token, 3, "acme.orders.v1.Order.id")
			expect("its merge", c.register, token, 3, "breaking changes. Nothing was changed")
			c.commits(t, "string")
			expect("one that goes back", c.register, token, 0, "revision")
			expect("the registered reason", "protean revisions orders", token, 0, map[string]string{
				"GitHub Actions": "acme/orders@", "GitLab": "pipeline 77",
			}[name])
		})
	}
}
