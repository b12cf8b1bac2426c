package test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// wantHolder checks which backend serves the greeter.
func wantHolder(t *testing.T, g *gateway.Gateway, method, backend string) {
	t.Helper()
	out, err := adminOf(t, g).Explain(t.Context(), &adminv1.ExplainRequest{Method: method})
	if err != nil || len(out.GetCalls()) != 1 || out.GetCalls()[0].GetBackend() != backend {
		t.Errorf("%s is not served by %s: %v, %v", method, backend, out, err)
	}
}

const greetMethod, farewellMethod = "greet.v1.Greeter/GetGreeting", "part.v1.Parting/Part"

const parting = `
edition = "2023";
package part.v1;
service Parting { rpc Part(PartRequest) returns (PartRequest); }
message PartRequest { string name = 1; }
`

// rulesOf returns the rules of breaking findings, which are the details of a rejection.
func rulesOf(t *testing.T, err error) (rules []string) {
	t.Helper()
	st := status.Convert(err)
	if st.Code() != codes.FailedPrecondition || len(st.Details()) != 1 {
		t.Fatalf("it is not rejected with findings: %v", err)
	}
	for _, f := range st.Details()[0].(interface{ GetFindings() []*adminv1.Finding }).GetFindings() {
		if f.GetSeverity() == adminv1.Finding_SEVERITY_BREAKING && !slices.Contains(rules, f.GetRule()) {
			rules = append(rules, f.GetRule())
		}
	}
	return rules
}

var servedByOther = []string{"service-served-by-other"}

// TestServiceStays registers a service that another registered backend has. It stays there over restarts, rollbacks and
// registrations with further services, until it is taken over.
func TestServiceStays(t *testing.T) {
	folder := t.TempDir()
	start := func() (*gateway.Gateway, adminv1.AdminServiceClient, func()) {
		g, stop := startGateway(t, &configv1.Config{State: proto.String(folder)})
		return g, adminOf(t, g), stop
	}
	g, client, stop := start()
	greet, part := descriptorsOf(t, "greet.proto", greeterBefore), descriptorsOf(t, "part.proto", parting)
	both := slices.Concat(greet, part) // concatenated messages are one
	register := func(backend string, descriptors []byte, change func(*adminv1.RegisterRequest)) (*adminv1.RegisterResponse, error) {
		in := &adminv1.RegisterRequest{Backend: backend, Address: "127.0.0.1:1", Descriptors: descriptors}
		if change != nil {
			change(in)
		}
		return client.Register(t.Context(), in)
	}
	override := func(in *adminv1.RegisterRequest) { in.Override = &adminv1.Override{Reason: "a standby"} }
	takeOver := func(in *adminv1.RegisterRequest) { in.TakeOver = true }
	must := func(out *adminv1.RegisterResponse, err error) *adminv1.RegisterResponse {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return out
	}

	must(register("middle", greet, nil))
	for _, name := range []string{"a", "Z", "z"} {
		if _, err := register(name, greet, nil); !slices.Equal(rulesOf(t, err), servedByOther) {
			t.Errorf("%s: %v", name, rulesOf(t, err))
		}
	}
	must(register("a", greet, override))
	wantHolder(t, g, greetMethod, "middle")

	// The older backend comes by the service of a younger one.
	must(register("younger", part, nil))
	if _, err := register("middle", both, nil); !slices.Equal(rulesOf(t, err), servedByOther) {
		t.Errorf("a service added: %v", rulesOf(t, err))
	}
	must(register("middle", both, override))
	wantHolder(t, g, farewellMethod, "younger")
	wantHolder(t, g, greetMethod, "middle")

	// What has been accepted once is not asked about again.
	must(register("middle", both, func(in *adminv1.RegisterRequest) { in.Address = "127.0.0.1:2" }))

	stop()
	g, client, stop = start()
	wantHolder(t, g, greetMethod, "middle")
	wantHolder(t, g, farewellMethod, "younger")

	taken := must(register("a", greet, takeOver))
	if !slices.ContainsFunc(taken.GetFindings(), func(f *adminv1.Finding) bool {
		return f.GetRule() == "service-served-by-other" && f.GetSeverity() == adminv1.Finding_SEVERITY_DANGEROUS
	}) {
		t.Errorf("the findings of a take-over: %v", taken.GetFindings())
	}
	wantHolder(t, g, greetMethod, "a")
	wantHolder(t, g, farewellMethod, "younger")
	stop()
	g, client, stop = start()
	defer func() { stop() }()
	wantHolder(t, g, greetMethod, "a")

	// A backend that gave a service up comes behind those that have it.
	if _, err := register("a", part, nil); !slices.Equal(rulesOf(t, err), servedByOther) {
		t.Errorf("giving a service up: %v", rulesOf(t, err))
	}
	must(register("a", part, override))
	wantHolder(t, g, greetMethod, "middle")
	back := &adminv1.RollbackRequest{Backend: "a", Digest: "2"}
	if _, err := client.Rollback(t.Context(), back); !slices.Equal(rulesOf(t, err), servedByOther) {
		t.Errorf("a rollback: %v", rulesOf(t, err))
	}
	back.Override = &adminv1.Override{Reason: "a standby again"}
	must(client.Rollback(t.Context(), back))
	wantHolder(t, g, greetMethod, "middle")
	back.Override, back.TakeOver, back.Digest = nil, true, "1"
	must(client.Rollback(t.Context(), back))
	wantHolder(t, g, greetMethod, "a")
}

// TestServiceOfConfiguration registers services that backends of the configuration have, and configures backends with
// services that are registered.
func TestServiceOfConfiguration(t *testing.T) {
	greet := descriptorsOf(t, "greet.proto", greeterBefore)
	address := greeterAddress(t)
	in := func() *adminv1.RegisterRequest {
		return &adminv1.RegisterRequest{Backend: "registered", Address: "127.0.0.1:1", Descriptors: greet}
	}
	configured := func(folder string) *configv1.Config {
		return &configv1.Config{State: proto.String(folder), Backends: []*configv1.Backend{backendAt("of-the-file", address)}}
	}

	t.Run("configured first", func(t *testing.T) {
		folder := t.TempDir()
		g, stop := startGateway(t, configured(folder))
		client := adminOf(t, g)
		if _, err := client.Register(t.Context(), in()); !slices.Equal(rulesOf(t, err), servedByOther) {
			t.Errorf("%v", rulesOf(t, err))
		}
		standby := in()
		standby.Override = &adminv1.Override{Reason: "a standby"}
		if _, err := client.Register(t.Context(), standby); err != nil {
			t.Fatal(err)
		}
		wantHolder(t, g, greetMethod, "of-the-file")
		takeOver := in()
		takeOver.TakeOver = true
		if _, err := client.Register(t.Context(), takeOver); err != nil {
			t.Fatal(err)
		}
		wantHolder(t, g, greetMethod, "registered")
		stop()
		g, stop = startGateway(t, configured(folder))
		defer stop()
		wantHolder(t, g, greetMethod, "registered")
	})

	t.Run("registered first", func(t *testing.T) {
		folder := t.TempDir()
		g, stop := startGateway(t, &configv1.Config{State: proto.String(folder)})
		if _, err := adminOf(t, g).Register(t.Context(), in()); err != nil {
			t.Fatal(err)
		}
		stop()
		g, stop = startGateway(t, configured(folder))
		defer stop()
		wantHolder(t, g, greetMethod, "registered")
	})
}

// TestServiceRegisteredTwice registers one new service under many names at once: one backend gets it, and the
// others are told so.
func TestServiceRegisteredTwice(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client := adminOf(t, g)
	greet := descriptorsOf(t, "greet.proto", greeterBefore)
	const many = 6
	errs := make([]error, many)
	var registering sync.WaitGroup
	for i := range many {
		registering.Go(func() {
			_, errs[i] = client.Register(t.Context(), &adminv1.RegisterRequest{
				Backend: fmt.Sprint("backend", i), Address: "127.0.0.1:1", Descriptors: greet,
			})
		})
	}
	registering.Wait()
	accepted := -1
	for i, err := range errs {
		switch {
		case err == nil && accepted < 0:
			accepted = i
		case err == nil:
			t.Errorf("backend%d was accepted besides backend%d", i, accepted)
		case !slices.Equal(rulesOf(t, err), servedByOther):
			t.Errorf("backend%d: %v", i, err)
		}
	}
	wantHolder(t, g, greetMethod, fmt.Sprint("backend", accepted))
}

// TestServiceOfOwner has a team reach for another team's service, under a name that sorts before, behind and with the
// wish to take it over.
func TestServiceOfOwner(t *testing.T) {
	config := ownersConfig(t)
	for _, o := range config.GetRegistry().GetOwners() {
		o.Packages, o.Paths, o.Types, o.Addresses = nil, nil, nil, nil
	}
	g, stop := startGateway(t, config)
	defer stop()
	client := adminOf(t, g)
	greet := descriptorsOf(t, "greet.proto", greeterBefore)
	register := func(token, backend string, takeOver bool) error {
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
		_, err := client.Register(ctx, &adminv1.RegisterRequest{Backend: backend, Address: "192.0.2.1:1", Descriptors: greet, TakeOver: takeOver})
		return err
	}
	if err := register("books", "m", false); err != nil {
		t.Fatal(err)
	}
	for _, backend := range []string{"a", "z"} {
		for _, takeOver := range []bool{false, true} {
			if err := register("music", backend, takeOver); status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "is served by the backend m of books") {
				t.Errorf("%s, take over %v: %v", backend, takeOver, err)
			}
		}
	}
	if err := register("operator", "a", true); err != nil {
		t.Errorf("an operator: %v", err)
	}
	wantExplained(t, client, "a")
}

// TestDeletedByREST deletes a backend by REST, which has the same check, override and dry run.
func TestDeletedByREST(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	if _, err := adminOf(t, g).Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: greeterAddress(t), Descriptors: descriptorsOf(t, "greet.proto", greeterBefore),
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, query string
		code        int
		has         string
	}{
		{"a dry run", "?dryRun=true", http.StatusOK, `"blocked":true`},
		{"without override", "", http.StatusBadRequest, "service-removed"},
		{"an accepted dry run", "?dry_run=true&override.reason=retired", http.StatusOK, `"acceptedBy":{"reason":"retired"`},
		{"with override", "?override.reason=retired", http.StatusOK, `"author":"anonymous"`},
		{"once more", "?override.reason=retired", http.StatusNotFound, "deleted already"},
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodDelete, "http://"+g.AdminAddr()+"/admin/v1/backends/greeter"+c.query, nil)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != c.code || !strings.Contains(string(body), c.has) {
			t.Errorf("%s: %d %s, %v", c.name, resp.StatusCode, body, err)
		}
	}
}

// wantExplained is wantHolder where tokens are needed.
func wantExplained(t *testing.T, client adminv1.AdminServiceClient, backend string) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer operator")
	out, err := client.Explain(ctx, &adminv1.ExplainRequest{Method: greetMethod})
	if err != nil || len(out.GetCalls()) != 1 || out.GetCalls()[0].GetBackend() != backend {
		t.Errorf("it is not served by %s: %v, %v", backend, out, err)
	}
}
