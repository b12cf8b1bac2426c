// Package test holds what is proven from outside: the floors of the house, and
// scripts that boot the gateway and talk to it.
package test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/protean-gateway/protean"

// floors says who may import whom: a package imports packages of lower floors
// only, never beside or above. Rooms that are told apart by a longer path come
// under the longest that fits.
var floors = map[string]int{
	"proto":               0,
	"rpc/socket":          0,
	"wire":                1,
	"schema":              2,
	"schema/store":        2,
	"rpc":                 3,
	"auth":                4,
	"resilience":          4,
	"translate/transport": 4,
	"translate":           5,
	"graph":               5,
	"gateway":             6,
	"gateway/admin":       6,
	"cmd/protean":         7,
}

// outside may import any floor, and only what is named may import them.
var outside = map[string][]string{
	"examples": {"cmd/protean", "examples", "test"},
	"test":     {},
	// A fake backend and compiled schemas for the tests of every floor above.
	"rpc/rpctest": {},
	// What every store must do.
	"schema/store/storetest": {},
	// Random schemas that disagree.
	"schema/schematest": {},
	// The issuers that authenticators ask.
	"auth/authtest": {},
}

// sameFloor lists the imports beside that are meant.
var sameFloor = map[string][]string{
	"proto":   {"proto"},
	"schema":  {"schema/store"},
	"gateway": {"gateway", "gateway/admin"},
	// The admin service tells what the gate found.
	"gateway/admin": {"gateway"},
}

// walls says which rooms alone may import a third-party module. A path ends at
// a slash or matches whole.
var walls = []struct {
	path  string
	rooms []string
}{
	{"github.com/jhump/protoreflect", []string{"schema"}},
	{"github.com/bufbuild/protocompile", []string{"schema"}},
	{"github.com/99designs/gqlgen", []string{"graph"}},
	{"github.com/vektah/gqlparser", []string{"graph"}},
	{"github.com/gorilla/websocket", []string{"translate/transport"}},
	{"github.com/klauspost/compress", []string{"translate/transport", "schema"}}, // schema: descriptor sets in zstd
	{"github.com/andybalholm/brotli", []string{"translate/transport"}},
	{"github.com/sony/gobreaker", []string{"resilience"}},
	{"github.com/cespare/xxhash", []string{"translate"}},
	{"github.com/redis/go-redis", []string{"resilience"}},
	{"buf.build/go/protovalidate", []string{"resilience", "gateway"}}, // gateway: its own configuration
	{"buf.build/go/protoyaml", []string{"gateway"}},
	{"go.yaml.in/yaml", []string{"gateway"}},
	{"cel.dev/cel-go", []string{"auth", "resilience"}},
	{"github.com/lestrrat-go/jwx", []string{"auth"}},
	{"github.com/envoyproxy/go-control-plane", []string{"auth", "gateway"}}, // gateway: calls it through the pool
	{"go.etcd.io", []string{"schema/store"}},
	{"github.com/prometheus", []string{"gateway"}},
	{"github.com/grpc-ecosystem/grpc-gateway", []string{"translate", "translate/transport", "schema"}}, // schema: its option files
	{"github.com/spf13/cobra", []string{"cmd/protean"}},
	{"github.com/fsnotify/fsnotify", []string{"schema"}},
}

// grpcRooms may import google.golang.org/grpc itself. Its vocabulary is for all.
var (
	grpcRooms      = []string{"proto", "schema", "schema/store", "rpc", "rpc/rpctest", "gateway/admin", "examples", "test"}
	grpcVocabulary = []string{
		"google.golang.org/grpc/codes",
		"google.golang.org/grpc/status",
		"google.golang.org/grpc/metadata",
		// Generated messages of the standard services, without their stubs' use.
		"google.golang.org/grpc/health/grpc_health_v1",
		"google.golang.org/grpc/reflection/grpc_reflection_v1",
		"google.golang.org/grpc/reflection/grpc_reflection_v1alpha",
	}
)

// readsEnvironment lists the rooms that may log or read the environment.
var readsEnvironment = []string{"gateway", "gateway/admin", "cmd/protean", "examples", "test"}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func TestFloors(t *testing.T) {
	packages := list(t)
	if len(packages) < 10 {
		t.Fatalf("go list found only %d packages", len(packages))
	}
	for _, p := range packages {
		room := roomOf(p.ImportPath)
		if room == "" {
			t.Errorf("%s lies in no room: give it a floor here and in ARCHITECTURE.md", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if why := breach(p.ImportPath, room, imported); why != "" {
				t.Errorf("%s imports %s: %s", p.ImportPath, imported, why)
			}
		}
	}
}

// TestFloorsFail shows that the checks find what they are for.
func TestFloorsFail(t *testing.T) {
	for _, c := range []struct{ from, imported string }{
		{"wire", module + "/schema"},
		{"graph", module + "/translate"},
		{"translate", module + "/graph"},
		{"auth", module + "/resilience"},
		{"rpc", module + "/gateway"},
		{"gateway", module + "/examples"},
		{"graph", module + "/test"},
		{"graph", "github.com/gorilla/websocket"},
		{"translate", "google.golang.org/grpc"},
		{"schema", "log/slog"},
		{"gateway", "github.com/sony/gobreaker/v2"},
	} {
		from := module + "/" + c.from
		if breach(from, roomOf(from), c.imported) == "" {
			t.Errorf("%s may import %s", c.from, c.imported)
		}
	}
}

// breach says why the import is not allowed, or nothing.
func breach(importer, room, imported string) string {
	if within(imported, module) {
		return breachInside(importer, room, roomOf(imported))
	}
	for _, w := range walls {
		if within(imported, w.path) && !contains(w.rooms, room) && !isOutside(room) {
			return "only " + strings.Join(w.rooms, ", ") + " may"
		}
	}
	if within(imported, "google.golang.org/grpc") && !contains(grpcRooms, room) && !contains(grpcVocabulary, imported) {
		return "only codes, status and metadata are for all"
	}
	if imported == "log" || imported == "log/slog" {
		if !contains(readsEnvironment, room) {
			return "only gateway and cmd log; return an error"
		}
	}
	return ""
}

func breachInside(importer, room, imported string) string {
	if who, ok := outside[imported]; ok {
		if room == imported || contains(who, room) || room == "test" {
			return ""
		}
		return "only tests may"
	}
	if isOutside(room) || floors[imported] < floors[room] {
		return ""
	}
	if importer == module+"/"+imported || contains(sameFloor[room], imported) {
		return ""
	}
	return "it is not on a lower floor"
}

func isOutside(room string) bool {
	_, ok := outside[room]
	return ok
}

// roomOf returns the longest room that the package lies in.
func roomOf(importPath string) string {
	path := strings.TrimPrefix(importPath, module+"/")
	longest := ""
	consider := func(room string) {
		if within(path, room) && len(room) > len(longest) {
			longest = room
		}
	}
	for room := range floors {
		consider(room)
	}
	for room := range outside {
		consider(room)
	}
	return longest
}

func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

func list(t *testing.T) []listedPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"/...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var packages []listedPackage
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}
