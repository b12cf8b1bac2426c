package test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// folderOfFiles writes .proto files into a new folder.
func folderOfFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, source := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// backendFrom is a backend that nobody listens for, with its .proto files in a folder.
func backendFrom(name, folder string) *configv1.Backend {
	b := backendAt(name, "127.0.0.1:1")
	b.Source = &configv1.Backend_Proto{Proto: folder}
	return b
}

// shownState returns the state of a backend after all places that show it agree on one, and the text of
// /readyz.
func shownState(t *testing.T, g *gateway.Gateway, backend string) (state, readyz string) {
	t.Helper()
	await(t, "all places to show the same state", func() bool {
		_, readyz = fetch(t, "http://"+g.AdminAddr()+"/readyz")
		var ready struct {
			Backends []struct{ Name, Status string }
		}
		if err := json.Unmarshal([]byte(readyz), &ready); err != nil {
			t.Fatal(err)
		}
		for _, b := range ready.Backends {
			if b.Name == backend {
				state = b.Status
			}
		}
		listed, err := adminOf(t, g).ListBackends(t.Context(), &adminv1.ListBackendsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range listed.GetBackends() {
			if b.GetName() == backend && b.GetState() != state {
				return false
			}
		}
		resp, err := http.Get("http://" + g.AdminAddr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		metrics, _ := io.ReadAll(resp.Body)
		return strings.Contains(string(metrics), fmt.Sprintf("protean_backend_state{protean_backend=%q,state=%q} 1", backend, state))
	})
	return state, readyz
}

// TestBackendStates starts gateways with backends in every state, beside one that is whole.
func TestBackendStates(t *testing.T) {
	whole := folderOfFiles(t, map[string]string{"greet.proto": greeterBefore})
	for _, c := range []struct {
		state   string
		backend *configv1.Backend
		shown   string // in /readyz
	}{
		{"loaded", backendFrom("b", folderOfFiles(t, map[string]string{"shelf.proto": strings.ReplaceAll(greeterBefore, "greet", "shelf")})), ""},
		{"waiting", backendAt("b", "127.0.0.1:1"), "not reachable"},
		{"partial", backendFrom("b", folderOfFiles(t, map[string]string{
			"shelf.proto": strings.ReplaceAll(greeterBefore, "greet", "shelf"), "broken.proto": "syntax = ",
		})), "broken.proto:1:"},
		{"unusable", backendFrom("b", folderOfFiles(t, map[string]string{"shelf.proto": "syntax = "})), "shelf.proto:1:"},
	} {
		t.Run(c.state, func(t *testing.T) {
			g, stop := startGateway(t, &configv1.Config{
				StartupGrace: durationpb.New(1), Backends: []*configv1.Backend{backendFrom("whole", whole), c.backend},
			})
			defer stop()
			await(t, "the backend to be "+c.state, func() bool {
				state, readyz := shownState(t, g, "b")
				return state == c.state && strings.Contains(readyz, c.shown)
			})
			await(t, "the other backend to be loaded", func() bool {
				state, _ := shownState(t, g, "whole")
				return state == "loaded"
			})
		})
	}
}

// TestStatesInReloads changes one of two files of a backend while it is served. What is served as a whole stays
// served until something whole replaces it.
func TestStatesInReloads(t *testing.T) {
	farewells := strings.NewReplacer("Greeter", "Farewells", "GetGreeting", "GetFarewell", "greetings", "farewells", "greet.v1", "farewell.v1").Replace(greeterBefore)
	folder := folderOfFiles(t, map[string]string{"greet.proto": greeterBefore, "farewell.proto": "syntax = "})
	g, stop := startGateway(t, &configv1.Config{Backends: []*configv1.Backend{backendFrom("greeter", folder)}})
	defer stop()
	for _, step := range []struct{ source, state, services string }{
		{"syntax = ", "partial", "greet.v1.Greeter"},
		{"syntax = 1", "partial", "greet.v1.Greeter"},
		{farewells, "loaded", "farewell.v1.Farewells greet.v1.Greeter"},
		{strings.Replace(farewells, "returns (Greeting)", "returns (Nowhere)", 1), "last-good", "farewell.v1.Farewells greet.v1.Greeter"},
		{farewells, "loaded", "farewell.v1.Farewells greet.v1.Greeter"},
	} {
		if err := os.WriteFile(filepath.Join(folder, "farewell.proto"), []byte(step.source), 0o600); err != nil {
			t.Fatal(err)
		}
		await(t, "the backend to be "+step.state, func() bool {
			state, _ := shownState(t, g, "greeter")
			return state == step.state
		})
		for _, service := range []string{"greet.v1.Greeter/GetGreeting", "farewell.v1.Farewells/GetFarewell"} {
			name, _, _ := strings.Cut(service, "/")
			code, _ := fetch(t, "http://"+g.Addr()+"/"+service)
			if served := code != http.StatusNotFound; served != strings.Contains(step.services, name) {
				t.Errorf("%s: %s answers %d", step.state, service, code)
			}
		}
	}
}
