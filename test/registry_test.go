package test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// adminOf returns a client of a gateway's admin service, which the admin address serves as gRPC.
func adminOf(t testing.TB, g *gateway.Gateway) adminv1.AdminServiceClient {
	t.Helper()
	conn, err := grpc.NewClient(g.AdminAddr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return adminv1.NewAdminServiceClient(conn)
}

// descriptorsOf compiles one file to a serialized descriptor set.
func descriptorsOf(t testing.TB, path, source string) []byte {
	t.Helper()
	raw, err := proto.Marshal(rpctest.Files(t, map[string]string{path: source}).Set)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// greeterAddress serves greeterBefore.
func greeterAddress(t testing.TB) string {
	t.Helper()
	l := listenForHandover(t)
	server := greeter(t, greeterBefore)
	t.Cleanup(server.Stop)
	go func() { _ = server.Serve(l) }()
	return l.Addr().String()
}

// TestRegisteredBackend registers a backend and finds it on the doors at once, moves it to another
// address, deletes it, and starts a second gateway on the same folder.
func TestRegisteredBackend(t *testing.T) {
	folder := t.TempDir()
	g, stop := startGateway(t, &configv1.Config{State: proto.String(folder)})
	client, base := adminOf(t, g), "http://"+g.Addr()
	before, after := descriptorsOf(t, "greet.proto", greeterBefore), descriptorsOf(t, "greet.proto", greeterAfter)

	first, err := client.Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: "127.0.0.1:1", Descriptors: before, Expected: "none", Reason: "first",
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := fetch(t, base+"/v1/greetings/ada"); code != http.StatusServiceUnavailable {
		t.Errorf("the route of a backend that is down answers %d", code)
	}
	second, err := client.Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: greeterAddress(t), Descriptors: before, Expected: first.GetRevision().GetDigest(),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{base + "/v1/greetings/ada", base + "/graphql?query=%7BgetGreeting(name:%22ada%22)%7Btext%7D%7D"} {
		if code, body := fetch(t, url); code != http.StatusOK || !strings.Contains(body, "Hello") {
			t.Errorf("%s: %d %s", url, code, body)
		}
	}
	third, err := client.Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: second.GetRevision().GetAddress(), Descriptors: after,
	})
	if err != nil {
		t.Fatal(err)
	}
	if code, _ := fetch(t, base+"/v1/farewells"); code == http.StatusNotFound {
		t.Error("the new route is not served")
	}
	back, err := client.Rollback(t.Context(), &adminv1.RollbackRequest{Backend: "greeter", Digest: second.GetRevision().GetDigest()[:12]})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a rollback that takes a route away: %v, %v", back, err)
	}
	back, err = client.Rollback(t.Context(), &adminv1.RollbackRequest{
		Backend: "greeter", Digest: second.GetRevision().GetDigest()[:12], Reason: "it fails",
		Override: &adminv1.Override{Reason: "nobody calls it yet"},
	})
	if err != nil || back.GetRevision().GetNumber() != 4 || back.GetRevision().GetParent() != third.GetRevision().GetDigest() ||
		back.GetRevision().GetRollbackOf() != second.GetRevision().GetDigest() {
		t.Fatalf("the rollback: %v, %v", back, err)
	}
	if code, _ := fetch(t, base+"/v1/farewells"); code != http.StatusNotFound {
		t.Errorf("the route that was rolled back answers %d", code)
	}
	stop()

	g, stop = startGateway(t, &configv1.Config{State: proto.String(folder)})
	defer stop()
	client, base = adminOf(t, g), "http://"+g.Addr()
	if code, body := fetch(t, base+"/v1/greetings/ada"); code != http.StatusOK {
		t.Errorf("after a restart: %d %s", code, body)
	}
	deletion := &adminv1.DeleteBackendRequest{Backend: "greeter", Reason: "retired"}
	_, err = client.DeleteBackend(t.Context(), deletion)
	if st := status.Convert(err); st.Code() != codes.FailedPrecondition || len(st.Details()) != 1 ||
		!slices.ContainsFunc(st.Details()[0].(*adminv1.DeleteBackendResponse).GetFindings(), func(f *adminv1.Finding) bool {
			return f.GetRule() == "service-removed" && slices.Equal(f.GetAffected(), []string{"anonymous"})
		}) {
		t.Errorf("a deletion that breaks clients: %v, %v", err, st.Details())
	}
	if code, _ := fetch(t, base+"/v1/greetings/ada"); code != http.StatusOK {
		t.Errorf("the route answers %d", code)
	}
	deletion.Override = &adminv1.Override{Reason: "nobody calls it"}
	if out, err := client.DeleteBackend(t.Context(), deletion); err != nil || out.GetAcceptedBy().GetAuthor() != "anonymous" {
		t.Fatalf("%v, %v", out, err)
	}
	if code, _ := fetch(t, base+"/v1/greetings/ada"); code != http.StatusNotFound {
		t.Errorf("the route of a deleted backend answers %d", code)
	}
	list, err := client.ListRevisions(t.Context(), &adminv1.ListRevisionsRequest{Backend: "greeter"})
	if err != nil || len(list.GetRevisions()) != 5 || !list.GetRevisions()[0].GetDeleted() {
		t.Errorf("the history: %v, %v", list, err)
	}
	_, err = client.Rollback(t.Context(), &adminv1.RollbackRequest{Backend: "greeter", Digest: list.GetRevisions()[0].GetDigest()})
	if status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a rollback to a tombstone: %v", err)
	}
}

// TestRevisionParts gets what a revision was made of and what it looked like.
func TestRevisionParts(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client := adminOf(t, g)
	raw := descriptorsOf(t, "greet.proto", greeterBefore)
	if _, err := client.Register(t.Context(), &adminv1.RegisterRequest{Backend: "greeter", Address: "127.0.0.1:1", Descriptors: raw}); err != nil {
		t.Fatal(err)
	}
	r, err := client.GetRevision(t.Context(), &adminv1.GetRevisionRequest{Backend: "greeter", Parts: []adminv1.GetRevisionRequest_Part{
		adminv1.GetRevisionRequest_PART_DESCRIPTORS, adminv1.GetRevisionRequest_PART_SDL, adminv1.GetRevisionRequest_PART_OPENAPI,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if string(r.GetDescriptors()) != string(raw) {
		t.Error("other descriptors came back")
	}
	if !strings.Contains(r.GetSdl(), "getGreeting") || !strings.Contains(r.GetOpenapi(), "/v1/greetings/{name}") {
		t.Errorf("SDL %.100q, OpenAPI %.100q", r.GetSdl(), r.GetOpenapi())
	}
	e, err := client.Explain(t.Context(), &adminv1.ExplainRequest{Request: "GET /v1/greetings/ada"})
	if err != nil || len(e.GetCalls()) != 1 || e.GetCalls()[0].GetMethod() != "greet.v1.Greeter.GetGreeting" {
		t.Errorf("explained: %v, %v", e, err)
	}
	e, err = client.Explain(t.Context(), &adminv1.ExplainRequest{Document: `{ getGreeting(name: "a") { text } }`})
	if err != nil || len(e.GetCalls()) != 1 || e.GetCalls()[0].GetBackend() != "greeter" {
		t.Errorf("explained: %v, %v", e, err)
	}
}

// TestWatchSnapshot hears of a registration.
func TestWatchSnapshot(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client := adminOf(t, g)
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	watch, err := client.WatchSnapshot(ctx, &adminv1.WatchSnapshotRequest{})
	if err != nil {
		t.Fatal(err)
	}
	empty, err := watch.Recv()
	if err != nil || empty.GetMethods() != 0 {
		t.Fatalf("first: %v, %v", empty, err)
	}
	if _, err := client.Register(ctx, &adminv1.RegisterRequest{
		Backend: "greeter", Address: "127.0.0.1:1", Descriptors: descriptorsOf(t, "greet.proto", greeterBefore),
	}); err != nil {
		t.Fatal(err)
	}
	next, err := watch.Recv()
	if err != nil || next.GetMethods() == 0 || next.GetDigest() == empty.GetDigest() {
		t.Errorf("then: %v, %v", next, err)
	}
}

const shelfOf = `
edition = "2023";
package %s;
import "google/api/annotations.proto";
service Shelves { rpc GetShelf(GetShelfRequest) returns (Shelf) { option (google.api.http) = {get: "%s"}; } }
message GetShelfRequest { string name = 1; }
message Shelf { string name = 1; }
`

// ownersConfig has two teams and an operator, whose tokens are their names.
func ownersConfig(t *testing.T) *configv1.Config {
	t.Helper()
	owner := func(name string) *configv1.Owner {
		sum := sha256.Sum256([]byte(name))
		return &configv1.Owner{Name: proto.String(name), Tokens: []string{hex.EncodeToString(sum[:])}}
	}
	books, music, operator := owner("books"), owner("music"), owner("operator")
	books.Packages, books.Paths, books.Types = []string{"acme.books"}, []string{"/v1/books"}, []string{"acme.books"}
	books.Addresses = []string{"10.0.0.0/8", "*.books.internal:443", "127.0.0.1:50051"}
	music.Packages, music.Paths = []string{"acme.music"}, []string{"/v1/music"}
	operator.Operator = proto.Bool(true)
	return &configv1.Config{
		State:    proto.String(filepath.Join(t.TempDir(), "state")),
		Registry: &configv1.Registry{Owners: []*configv1.Owner{books, music, operator}},
	}
}

// TestOwnership has teams reach for what is not theirs.
func TestOwnership(t *testing.T) {
	g, stop := startGateway(t, ownersConfig(t))
	defer stop()
	client := adminOf(t, g)
	for _, c := range []struct {
		name, token, backend, address, pkg, path string
		code                                     codes.Code
		says                                     string
	}{
		{"nobody", "", "a", "10.0.0.1:1", "acme.books.v1", "/v1/books/{name}", codes.Unauthenticated, "credentials"},
		{"a wrong token", "guess", "a", "10.0.0.1:1", "acme.books.v1", "/v1/books/{name}", codes.Unauthenticated, "not one of an owner"},
		{"its own", "books", "books", "10.0.0.1:1", "acme.books.v1", "/v1/books/{name}", codes.OK, ""},
		{"another's backend", "music", "books", "1.1.1.1:1", "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "belongs to books"},
		{"a foreign package", "music", "m", "1.1.1.1:1", "acme.books.v2", "/v1/music/{name}", codes.PermissionDenied, "acme.books, which belongs to books"},
		{"no package of its own", "music", "m", "1.1.1.1:1", "acme.other", "/v1/music/{name}", codes.PermissionDenied, "none of your packages"},
		{"a package with a like name", "books", "m", "10.0.0.1:1", "acme.booksellers", "/v1/books/{name}", codes.PermissionDenied, "none of your packages"},
		{"a foreign path", "music", "m", "1.1.1.1:1", "acme.music.v1", "/v1/books/{name}:play", codes.PermissionDenied, "takes "},
		{"a path that meets a foreign one", "music", "m", "1.1.1.1:1", "acme.music.v1", "/v1/{name=*/*}", codes.PermissionDenied, "which lies below /v1/books of books"},
		{"its own path", "music", "m", "1.1.1.1:1", "acme.music.v1", "/v1/music/{name}", codes.OK, ""},
		{"a foreign address", "books", "b", "192.0.2.1:443", "acme.books.v1", "/v1/books/{name}", codes.PermissionDenied, "your addresses"},
		{"a foreign name", "books", "b", "evil.example:443", "acme.books.v1", "/v1/books/{name}", codes.OK, ""},
		{"a listed loopback", "books", "books", "127.0.0.1:50051", "acme.books.v1", "/v1/books/{name}", codes.OK, ""},
		{"loopback", "books", "books", "127.0.0.1:50052", "acme.books.v1", "/v1/books/{name}", codes.PermissionDenied, "loopback"},
		{"loopback by name", "music", "m", "localhost:50051", "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "loopback"},
		{"link-local", "music", "m", "169.254.169.254:80", "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "link-local"},
		{"link-local in IPv6", "operator", "m", "[::ffff:169.254.169.254]:80", "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "link-local"},
		{"the gateway", "operator", "m", g.Addr(), "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "gateway itself"},
		{"a socket", "music", "m", "unix:///run/x.sock", "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "your addresses"},
		{"a scheme", "operator", "m", "ftp://x:1", "acme.music.v1", "/v1/music/{name}", codes.PermissionDenied, "want host:port"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			if c.token != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.token)
			}
			_, err := client.Register(ctx, &adminv1.RegisterRequest{
				Backend: c.backend, Address: c.address, DryRun: c.name == "a foreign name",
				Descriptors: descriptorsOf(t, c.pkg+".proto", fmt.Sprintf(shelfOf, c.pkg, c.path)),
			})
			if status.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestOwnershipOfTypes has a team bring types and services that belong to another one.
func TestOwnershipOfTypes(t *testing.T) {
	config := ownersConfig(t)
	for _, o := range config.GetRegistry().GetOwners() {
		if o.GetName() == "music" {
			o.Packages, o.Paths = nil, nil
		}
	}
	g, stop := startGateway(t, config)
	defer stop()
	client := adminOf(t, g)
	as := func(token string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
	}
	const shared = `edition = "2023"; package acme.books.shared; message Title { string text = 1; } enum Kind { KIND_NONE = 0; }`
	withTitle := func(pkg, title string) []byte {
		raw, err := proto.Marshal(rpctest.Files(t, map[string]string{
			"shared.proto": title,
			"own.proto": `edition = "2023"; package ` + pkg + `; import "shared.proto";
				service Own { rpc Get(acme.books.shared.Title) returns (Reply); } message Reply { acme.books.shared.Kind kind = 1; }`,
		}).Set)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	register := func(token, backend string, descriptors []byte) error {
		_, err := client.Register(as(token), &adminv1.RegisterRequest{Backend: backend, Address: map[string]string{
			"books": "10.0.0.1:1", "music": "192.0.2.1:1",
		}[token], Descriptors: descriptors})
		return err
	}
	if err := register("music", "early", withTitle("acme.song.v1", shared)); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a type that its owner does not declare yet: %v", err)
	}
	if err := register("books", "books", withTitle("acme.books.v1", shared)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name        string
		descriptors []byte
		code        codes.Code
		says        string
	}{
		{"the very type", withTitle("acme.song.v1", shared), codes.OK, ""},
		{"another message", withTitle("acme.song.v1", strings.Replace(shared, "string text", "bytes text", 1)), codes.PermissionDenied, "the type acme.books.shared.Title belongs to books"},
		{"another enum", withTitle("acme.song.v1", strings.Replace(shared, "KIND_NONE", "KIND_ANY", 1)), codes.PermissionDenied, "the type acme.books.shared.Kind belongs to books"},
		{"its service", withTitle("acme.books.v1", shared), codes.PermissionDenied, "acme.books"},
	} {
		if err := register("music", "song", c.descriptors); status.Code(err) != c.code || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestConflict answers with the current revision.
func TestConflict(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client := adminOf(t, g)
	raw := descriptorsOf(t, "greet.proto", greeterBefore)
	first, err := client.Register(t.Context(), &adminv1.RegisterRequest{Backend: "greeter", Address: "127.0.0.1:1", Descriptors: raw})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.Register(t.Context(), &adminv1.RegisterRequest{Backend: "greeter", Address: "127.0.0.1:2", Descriptors: raw, Expected: "none"})
	st := status.Convert(err)
	if st.Code() != codes.Aborted || len(st.Details()) != 1 {
		t.Fatalf("%v", err)
	}
	if info, ok := st.Details()[0].(*errdetails.ErrorInfo); !ok || info.GetMetadata()["current"] != first.GetRevision().GetDigest() {
		t.Errorf("the details are %v", st.Details())
	}
}

// TestConfiguredName refuses a registration under the name of a configured backend.
func TestConfiguredName(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))}})
	defer stop()
	_, err := adminOf(t, g).Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: "127.0.0.1:1", Descriptors: descriptorsOf(t, "greet.proto", greeterBefore),
	})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "configuration has a backend") {
		t.Errorf("%v", err)
	}
}

// TestAdminAddressed refuses requests that came by another name, or from a page.
func TestAdminAddressed(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{Registry: &configv1.Registry{Hosts: []string{"gateway.internal"}}})
	defer stop()
	for _, c := range []struct {
		host, origin string
		want         int
	}{
		{"", "", http.StatusOK},
		{"localhost:1", "", http.StatusOK},
		{"gateway.internal", "", http.StatusOK},
		{"gateway.internal:8081", "http://gateway.internal:8081", http.StatusOK},
		{"rebound.example", "", http.StatusMisdirectedRequest},
		{"", "https://rebound.example", http.StatusForbidden},
		{"", "null", http.StatusForbidden},
	} {
		r, _ := http.NewRequest(http.MethodGet, "http://"+g.AdminAddr()+"/admin/v1/backends", nil)
		if c.host != "" {
			r.Host = c.host
		}
		if c.origin != "" {
			r.Header.Set("Origin", c.origin)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("host %q, origin %q: %d %s", c.host, c.origin, resp.StatusCode, body)
		}
	}
	r, _ := http.NewRequest(http.MethodPost, "http://"+g.AdminAddr()+"/graphql", strings.NewReader(`{"query":"{ __typename }"}`))
	r.Host = "rebound.example"
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusMisdirectedRequest || !strings.HasPrefix(string(body), `{"errors":[{"message":"the admin address is not called by this name`) {
		t.Errorf("GraphQL: %d %s", resp.StatusCode, body)
	}
}

// TestAffected names the clients of a route and of a document that a registration would break.
func TestAffected(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client, address := adminOf(t, g), greeterAddress(t)
	if _, err := client.Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: address, Descriptors: descriptorsOf(t, "greet.proto", greeterBefore),
	}); err != nil {
		t.Fatal(err)
	}
	if code, body := fetch(t, "http://"+g.Addr()+"/graphql?query=%7BgetGreeting(name:%22ada%22)%7Btext%7D%7D"); code != http.StatusOK {
		t.Fatalf("%d %s", code, body)
	}
	out, err := client.Diff(t.Context(), &adminv1.DiffRequest{
		Backend: "greeter", Descriptors: descriptorsOf(t, "greet.proto", strings.ReplaceAll(greeterBefore, "GetGreeting(", "FetchGreeting(")),
	})
	if err != nil {
		t.Fatal(err)
	}
	affected := make(map[adminv1.Finding_Surface]bool)
	for _, f := range out.GetFindings() {
		if f.GetSeverity() == adminv1.Finding_SEVERITY_BREAKING && slices.Contains(f.GetAffected(), "anonymous") {
			affected[f.GetSurface()] = true
		}
	}
	if !affected[adminv1.Finding_SURFACE_WIRE] || !affected[adminv1.Finding_SURFACE_GRAPHQL] {
		t.Errorf("affected on %v: %v", affected, out.GetFindings())
	}
}

// TestRegistrationsAtOnce has many register the same backend without expecting anything: each gets
// through, one after the other.
func TestRegistrationsAtOnce(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{Registry: &configv1.Registry{Gate: configv1.Gate_GATE_WARN.Enum()}})
	defer stop()
	client := adminOf(t, g)
	const many = 8
	raw := descriptorsOf(t, "greet.proto", greeterBefore)
	var running sync.WaitGroup
	for i := range many {
		running.Go(func() {
			if _, err := client.Register(t.Context(), &adminv1.RegisterRequest{
				Backend: "greeter", Address: fmt.Sprint("127.0.0.1:", 1+i), Descriptors: raw,
			}); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	list, err := client.ListRevisions(t.Context(), &adminv1.ListRevisionsRequest{Backend: "greeter"})
	if err != nil || len(list.GetRevisions()) != many {
		t.Errorf("%d revisions, %v", len(list.GetRevisions()), err)
	}
}
