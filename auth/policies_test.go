package auth_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

const vault = `
edition = "2023";
package vault.v1;
import "google/protobuf/any.proto";
import "protean/options/v1/options.proto";

service Vault {
  rpc Open(OpenRequest) returns (Box);
  rpc Fixed(OpenRequest) returns (Box) {
    option (protean.options.v1.method) = {policy: {authorize: {roles: "keeper"}}};
  }
  rpc Free(OpenRequest) returns (Box) {
    option (protean.options.v1.method) = {policy: {authorize: {public: true}}};
  }
  rpc Watch(OpenRequest) returns (stream Box);
  rpc Fill(stream OpenRequest) returns (Box);
  rpc Peek(OpenRequest) returns (Plain);
}
message OpenRequest {
  string owner = 1;
  int32 count = 2;
  map<string, int32> parts = 3;
  repeated string names = 4;
}
message Box {
  string owner = 1;
  string pin = 2 [(protean.options.v1.field) = {deniable: true, policy: {action: ACTION_DENY, unless: "'keeper' in principal.roles"}}];
  string phone = 3 [(protean.options.v1.field) = {policy: {action: ACTION_MASK, unless: "principal.subject == 'alice'"}}];
  repeated string notes = 4 [(protean.options.v1.field) = {deniable: true, policy: {action: ACTION_REDACT}}];
  repeated Box inside = 5;
  map<string, Box> labelled = 6;
  google.protobuf.Any wrapped = 7;
  Crate crate = 8 [features.message_encoding = DELIMITED];
  Plain plain = 9;
}
message Crate { Box box = 1; }
message Plain { string text = 1; }
message Envelope { Box box = 1; }
`

func compileVault(t testing.TB, rules ...*configv1.PolicyRule) *schema.Snapshot {
	t.Helper()
	return rpctest.CompileInput(t, schema.Input{
		Backends: []schema.BackendFiles{{Name: "vault", Files: rpctest.Files(t, map[string]string{"vault.proto": vault})}},
		Policies: rules,
	})
}

func authorize(selector string, a *policyv1.Authorize) *configv1.PolicyRule {
	return &configv1.PolicyRule{Selector: proto.String(selector), Policy: &policyv1.Policy{Authorize: a}}
}

func rule(text string) *policyv1.Authorize { return &policyv1.Authorize{Rule: proto.String(text)} }

var (
	alice = &rpc.Principal{
		Authenticator: "login", Issuer: "https://login.example", Subject: "alice",
		Scopes: []string{"read", "write"}, Roles: []string{"keeper"},
		Claims: map[string]any{"tenant": "acme", "level": int64(3)},
	}
	bob = &rpc.Principal{Authenticator: "keys", Subject: "bob", Scopes: []string{"read"}}
)

// outcome is what a call came to: OK, or the code with which it was refused.
func outcome(t testing.TB, p *auth.Policies, m *schema.Method, who *rpc.Principal, request []byte) codes.Code {
	t.Helper()
	ctx := t.Context()
	if who != nil {
		ctx = rpc.WithPrincipal(ctx, who)
	}
	reached := false
	handler := p.Authorize(func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		reached = true
		return s.Send(nil)
	})
	call := &rpc.Call{Method: m, Request: request, Door: rpc.REST, Peer: "192.0.2.1:1234"}
	err := handler(ctx, call, rpctest.NewClient(ctx))
	if reached != (err == nil) {
		t.Errorf("%s: the backend was reached: %v, and the call ended with %v", m.Path, reached, err)
	}
	return status.Code(err)
}

var both = []string{"login", "keys"}

func TestAuthorize(t *testing.T) {
	const ok, no, who = codes.OK, codes.PermissionDenied, codes.Unauthenticated
	star := func(a *policyv1.Authorize) []*configv1.PolicyRule { return []*configv1.PolicyRule{authorize("*", a)} }
	for name, c := range map[string]struct {
		rules          []*configv1.PolicyRule
		method         string
		options        auth.PolicyOptions
		anon, bob, ali codes.Code
	}{
		"nothing configured":             {nil, "Open", auth.PolicyOptions{}, ok, ok, ok},
		"deny by default":                {nil, "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"anybody known":                  {star(&policyv1.Authorize{}), "Open", auth.PolicyOptions{Authenticators: both}, who, ok, ok},
		"public":                         {star(&policyv1.Authorize{Public: proto.Bool(true)}), "Open", auth.PolicyOptions{Authenticators: both}, ok, ok, ok},
		"all scopes":                     {star(&policyv1.Authorize{Scopes: []string{"read", "write"}}), "Open", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"one role":                       {star(&policyv1.Authorize{Roles: []string{"owner", "keeper"}}), "Open", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"public with scopes":             {star(&policyv1.Authorize{Public: proto.Bool(true), Scopes: []string{"write"}}), "Open", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"rule about the principal":       {star(rule("principal.subject == 'bob'")), "Open", auth.PolicyOptions{Authenticators: both}, who, ok, no},
		"rule about claims":              {star(rule("principal.claims.tenant == 'acme' && principal.claims.level > 2")), "Open", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"rule about the request":         {star(rule("request.owner == principal.subject")), "Open", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"rule about the method":          {star(rule("method.name == 'Open' && method.backend == 'vault' && door == 'rest'")), "Open", auth.PolicyOptions{Authenticators: both}, who, ok, ok},
		"rule for anonymous":             {star(&policyv1.Authorize{Public: proto.Bool(true), Rule: proto.String("principal.anonymous")}), "Open", auth.PolicyOptions{Authenticators: both}, ok, no, no},
		"rule that costs too much":       {star(rule("[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, [1,2,3,4,5,6,7,8,9].all(e, a+b+c+d+e > 0)))))")), "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"rule that cannot be computed":   {star(rule("1 / (size(principal.subject) - size(principal.subject)) == 0")), "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"rule with a wrong name":         {star(rule("principal.subjct == 'alice'")), "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"rule that is no condition":      {star(rule("principal.subject")), "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"rule about a stream's request":  {star(rule("request.owner == 'x'")), "Fill", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"unknown authorizer":             {star(&policyv1.Authorize{External: proto.String("x")}), "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"most specific wins":             {append(star(&policyv1.Authorize{Public: proto.Bool(true)}), authorize("vault.v1.Vault.Open", rule("false"))), "Open", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"file without operator":          {nil, "Fixed", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"file narrows":                   {star(&policyv1.Authorize{}), "Fixed", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"file narrows what is public":    {star(&policyv1.Authorize{Public: proto.Bool(true)}), "Fixed", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"file does not open":             {nil, "Free", auth.PolicyOptions{Authenticators: both}, who, no, no},
		"file does not widen":            {star(&policyv1.Authorize{Scopes: []string{"write"}}), "Free", auth.PolicyOptions{Authenticators: both}, who, no, ok},
		"trusted file opens":             {nil, "Free", auth.PolicyOptions{Authenticators: both, TrustProtoPolicies: true}, ok, ok, ok},
		"trusted file grants":            {nil, "Fixed", auth.PolicyOptions{Authenticators: both, TrustProtoPolicies: true}, who, no, ok},
		"trusted file and operator":      {star(&policyv1.Authorize{Scopes: []string{"write"}}), "Free", auth.PolicyOptions{Authenticators: both, TrustProtoPolicies: true}, who, no, ok},
		"file without authenticators":    {nil, "Fixed", auth.PolicyOptions{}, who, no, ok},
		"public file, no authenticators": {nil, "Free", auth.PolicyOptions{}, ok, ok, ok},
	} {
		t.Run(name, func(t *testing.T) {
			snap := compileVault(t, c.rules...)
			m := rpctest.Method(t, snap, "/vault.v1.Vault/"+c.method)
			p, _ := auth.Compile(snap, c.options)
			request := rpctest.Message(t, m.Input.Descriptor(), `{"owner":"alice"}`)
			got := []codes.Code{outcome(t, p, m, nil, request), outcome(t, p, m, bob, request), outcome(t, p, m, alice, request)}
			if want := []codes.Code{c.anon, c.bob, c.ali}; !slices.Equal(got, want) {
				t.Errorf("anonymous, bob, alice: %v, want %v", got, want)
			}
		})
	}
}

func TestAuthenticate(t *testing.T) {
	keysOnly := &configv1.PolicyRule{Selector: proto.String("*"), Policy: &policyv1.Policy{
		Authenticate: &policyv1.Authenticate{AnyOf: []string{"keys"}}, Authorize: &policyv1.Authorize{},
	}}
	optional := &configv1.PolicyRule{Selector: proto.String("*"), Policy: &policyv1.Policy{
		Authenticate: &policyv1.Authenticate{Optional: proto.Bool(true)}, Authorize: &policyv1.Authorize{},
	}}
	unknown := &configv1.PolicyRule{Selector: proto.String("*"), Policy: &policyv1.Policy{
		Authenticate: &policyv1.Authenticate{AnyOf: []string{"keys", "other"}}, Authorize: &policyv1.Authorize{},
	}}
	for _, c := range []struct {
		name string
		rule *configv1.PolicyRule
		want []codes.Code
	}{
		{"any_of", keysOnly, []codes.Code{codes.Unauthenticated, codes.OK, codes.Unauthenticated}},
		{"optional", optional, []codes.Code{codes.OK, codes.OK, codes.OK}},
		{"unknown", unknown, []codes.Code{codes.Unauthenticated, codes.PermissionDenied, codes.PermissionDenied}},
	} {
		snap := compileVault(t, c.rule)
		m := rpctest.Method(t, snap, "/vault.v1.Vault/Open")
		p, _ := auth.Compile(snap, auth.PolicyOptions{Authenticators: both})
		got := []codes.Code{outcome(t, p, m, nil, nil), outcome(t, p, m, bob, nil), outcome(t, p, m, alice, nil)}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestFieldProblems reports fields with a policy that GraphQL promises in every answer, where that is said, and exceptions
// that make no sense.
func TestFieldProblems(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"fields.proto": `
edition = "2023";
package f;
import "protean/options/v1/options.proto";
message Answer {
  int32 denied = 1 [features.field_presence = IMPLICIT, (protean.options.v1.field) = {policy: {action: ACTION_DENY}}];
  repeated string redacted = 2 [(protean.options.v1.field) = {policy: {action: ACTION_REDACT}}];
  string masked = 3 [features.field_presence = IMPLICIT, (protean.options.v1.field) = {policy: {action: ACTION_MASK}}];
  int32 mask = 4 [(protean.options.v1.field) = {policy: {action: ACTION_MASK}}];
  string nullable = 5 [(protean.options.v1.field) = {policy: {action: ACTION_DENY}}];
  bytes deniable = 6 [features.field_presence = IMPLICIT, (protean.options.v1.field) = {deniable: true, policy: {action: ACTION_DENY}}];
  string unless = 7 [(protean.options.v1.field) = {policy: {action: ACTION_DENY, unless: "nonsense("}}];
}
service F { rpc Get(Answer) returns (Answer); }
`})
	_, problems := auth.Compile(snap, auth.PolicyOptions{})
	var got []string
	for _, p := range problems {
		text, _, _ := strings.Cut(p.Message, ";")
		got = append(got, strings.Join([]string{p.Position, p.Element, text}, ": "))
	}
	slices.Sort(got)
	const notNullable = "the field has a policy and is not nullable in GraphQL"
	want := []string{
		"fields.proto:12:3: f.Answer.unless: policy.unless: at 1:10 of the expression: Syntax error: mismatched input '<EOF>' expecting",
		"fields.proto:6:3: f.Answer.denied: " + notNullable,
		"fields.proto:7:3: f.Answer.redacted: " + notNullable,
		"fields.proto:9:3: f.Answer.mask: only text can be masked",
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || !strings.HasPrefix(got[i], want[i]) {
			t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// TestHostileRequest shows bytes to a rule on which dynamicpb panics or fails.
func TestHostileRequest(t *testing.T) {
	snap := compileVault(t, authorize("*", rule("size(request.parts) < 3")))
	m := rpctest.Method(t, snap, "/vault.v1.Vault/Open")
	p, problems := auth.Compile(snap, auth.PolicyOptions{Authenticators: both})
	for _, found := range problems {
		if strings.Contains(found.Message, "refused") {
			t.Log(found.Message)
		}
	}
	for _, hostile := range [][]byte{
		{0x1a, 0x02, 0x08, 0x01},       // a map entry whose key is a varint
		{0x1a, 0x03, 0x0d, 0, 0},       // cut off
		{0x0a, 0x01, 0xff},             // invalid UTF-8
		{0x1a, 0x05, 0x0b, 0x0c, 0, 0}, // groups
	} {
		if got := outcome(t, p, m, alice, hostile); got != codes.InvalidArgument && got != codes.OK {
			t.Errorf("%x: %v", hostile, got)
		}
	}
	if got := outcome(t, p, m, alice, []byte{0x0a, 0x01, 0xff}); got != codes.InvalidArgument {
		t.Errorf("a request that is no message: %v", got)
	}
	if got := outcome(t, p, m, alice, bytes.Repeat([]byte{0x1a, 0x00}, 500_000)); got != codes.ResourceExhausted {
		t.Errorf("a request of half a million entries: %v", got)
	}
}

func TestProblems(t *testing.T) {
	snap := compileVault(t, authorize("vault.v1.Vault.Open", rule("nonsense(")))
	_, problems := auth.Compile(snap, auth.PolicyOptions{Authenticators: both})
	var texts []string
	for _, p := range problems {
		texts = append(texts, p.Element+": "+p.Message)
	}
	all := strings.Join(texts, "\n")
	for _, want := range []string{
		"vault.v1.Vault.Open: calls are refused: authorize.rule: at 1:10 of the expression: Syntax error",
		"vault.v1.Vault.Fixed: calls are refused: the operator allows nothing here",
	} {
		if !strings.Contains(all, want) {
			t.Errorf("no problem %q in\n%s", want, all)
		}
	}
	if strings.Contains(all, "Box.pin") {
		t.Errorf("a deniable field is a problem:\n%s", all)
	}
}

func TestIdentity(t *testing.T) {
	snap := compileVault(t, authorize("*", &policyv1.Authorize{}))
	m := rpctest.Method(t, snap, "/vault.v1.Vault/Open")
	p, _ := auth.Compile(snap, auth.PolicyOptions{
		Authenticators:     both,
		Identity:           &configv1.Identity{Claims: []string{"tenant", "level", "absent", "names"}},
		ForwardCredentials: map[string]bool{"vault": true},
	})
	who := *alice
	who.Subject = "ålice %\n"
	who.Claims = map[string]any{"tenant": "acme", "level": int64(3), "names": []any{"a", "b"}}
	original := metadata.Pairs("traceparent", "00-1")
	var got metadata.MD
	handler := p.Authorize(func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		got = c.Metadata
		return s.Send(nil)
	})
	ctx := auth.NewContext(t.Context(), &who, "Bearer secret", nil)
	if err := handler(ctx, &rpc.Call{Method: m, Metadata: original}, rpctest.NewClient(ctx)); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"traceparent": "00-1", "authorization": "Bearer secret", "x-protean-subject": "%C3%A5lice%20%25%0A",
		"x-protean-issuer": "https://login.example", "x-protean-claim-tenant": "acme", "x-protean-claim-level": "3",
		"x-protean-claim-names": `["a","b"]`,
	}
	if len(got) != len(want) || len(original) != 1 {
		t.Errorf("%v", got)
	}
	for key, value := range want {
		if values := got[key]; len(values) != 1 || values[0] != value {
			t.Errorf("%s: %q, want %q", key, values, value)
		}
	}
}

func TestDenialsAreReported(t *testing.T) {
	snap := compileVault(t, authorize("*", &policyv1.Authorize{Scopes: []string{"write"}}))
	m := rpctest.Method(t, snap, "/vault.v1.Vault/Open")
	var seen []string
	p, _ := auth.Compile(snap, auth.PolicyOptions{Authenticators: both, Denied: func(_ context.Context, d auth.Denial) {
		who := "anonymous"
		if d.Principal != nil {
			who = d.Principal.Subject
		}
		seen = append(seen, fmt.Sprint(who, " ", d.Call.Method.Path, " ", d.Code, " ", d.Reason))
	}})
	outcome(t, p, m, nil, nil)
	outcome(t, p, m, bob, nil)
	outcome(t, p, m, alice, nil)
	want := []string{
		"anonymous /vault.v1.Vault/Open Unauthenticated no credentials",
		"bob /vault.v1.Vault/Open PermissionDenied no scope write",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("%q", seen)
	}
}

// TestStreamEndsWithCredentials lets a stream be silent until its caller's
// credentials end.
func TestStreamEndsWithCredentials(t *testing.T) {
	snap := compileVault(t, authorize("*", &policyv1.Authorize{}))
	m := rpctest.Method(t, snap, "/vault.v1.Vault/Watch")
	synctest.Test(t, func(t *testing.T) {
		p, _ := auth.Compile(snap, auth.PolicyOptions{Authenticators: both})
		who := *alice
		who.Expires = time.Now().Add(time.Hour)
		handler := p.Authorize(func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
			if _, bounded := ctx.Deadline(); bounded {
				t.Error("the backend would hear of a deadline")
			}
			<-ctx.Done()
			return rpc.ContextError(ctx)
		})
		start := time.Now()
		err := handler(rpc.WithPrincipal(t.Context(), &who), &rpc.Call{Method: m}, nil)
		if status.Code(err) != codes.Unauthenticated || time.Since(start) != time.Hour {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}

func TestExternal(t *testing.T) {
	snap := compileVault(t, authorize("*", &policyv1.Authorize{External: proto.String("desk")}))
	m := rpctest.Method(t, snap, "/vault.v1.Vault/Open")
	okStatus := &spb.Status{}
	for name, c := range map[string]struct {
		answer *authv3.CheckResponse
		err    error
		want   codes.Code
	}{
		"allowed":      {&authv3.CheckResponse{Status: okStatus}, nil, codes.OK},
		"denied":       {&authv3.CheckResponse{Status: &spb.Status{Code: 7}}, nil, codes.PermissionDenied},
		"strange code": {&authv3.CheckResponse{Status: &spb.Status{Code: 2}}, nil, codes.PermissionDenied},
		"denied with OK": {&authv3.CheckResponse{Status: okStatus, HttpResponse: &authv3.CheckResponse_DeniedResponse{
			DeniedResponse: &authv3.DeniedHttpResponse{},
		}}, nil, codes.PermissionDenied},
		"401": {&authv3.CheckResponse{Status: &spb.Status{Code: 7}, HttpResponse: &authv3.CheckResponse_DeniedResponse{
			DeniedResponse: &authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: 401}},
		}}, nil, codes.Unauthenticated},
		"429": {&authv3.CheckResponse{Status: &spb.Status{Code: 7}, HttpResponse: &authv3.CheckResponse_DeniedResponse{
			DeniedResponse: &authv3.DeniedHttpResponse{Status: &typev3.HttpStatus{Code: 429}},
		}}, nil, codes.ResourceExhausted},
		"no answer": {nil, errors.New("connection refused"), codes.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			var asked *authv3.CheckRequest
			desk := &auth.Authorizer{WithCredentials: true, Check: func(_ context.Context, in *authv3.CheckRequest) (*authv3.CheckResponse, error) {
				asked = in
				return c.answer, c.err
			}}
			p, _ := auth.Compile(snap, auth.PolicyOptions{Authenticators: both, Authorizers: map[string]*auth.Authorizer{"desk": desk}})
			if got := outcome(t, p, m, alice, nil); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
			http := asked.GetAttributes().GetRequest().GetHttp()
			if http.GetPath() != m.Path || http.GetMethod() != "POST" || asked.GetAttributes().GetSource().GetPrincipal() != "alice" ||
				asked.GetAttributes().GetSource().GetAddress().GetSocketAddress().GetAddress() != "192.0.2.1" {
				t.Errorf("asked %v", asked)
			}
		})
	}
}

// TestExternalHeaders lets an authorizer set metadata, but not what is not its own.
func TestExternalHeaders(t *testing.T) {
	snap := compileVault(t, authorize("*", &policyv1.Authorize{External: proto.String("desk")}))
	m := rpctest.Method(t, snap, "/vault.v1.Vault/Open")
	var options []*corev3.HeaderValueOption
	for _, h := range [][2]string{
		{"X-Tenant", "acme"}, {"x-protean-subject", "root"}, {"X_Protean.Subject", "root"}, {"grpc-timeout", "1S"},
		{":path", "/x"}, {"te", "x"}, {"x-bin-bin", "x"}, {"x-break", "a\nb"}, {"authorization", "Bearer inner"},
	} {
		options = append(options, &corev3.HeaderValueOption{Header: &corev3.HeaderValue{Key: h[0], Value: h[1]}})
	}
	desk := &auth.Authorizer{Check: func(context.Context, *authv3.CheckRequest) (*authv3.CheckResponse, error) {
		return &authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_OkResponse{OkResponse: &authv3.OkHttpResponse{
			Headers: options, HeadersToRemove: []string{"X-Gone", "x-protean-subject"},
		}}}, nil
	}}
	p, _ := auth.Compile(snap, auth.PolicyOptions{Authenticators: both, Authorizers: map[string]*auth.Authorizer{"desk": desk}})
	var got metadata.MD
	var added []string
	handler := p.Authorize(func(_ context.Context, c *rpc.Call, _ rpc.Stream) error {
		got, added = c.Metadata, c.Added
		return nil
	})
	call := &rpc.Call{Method: m, Metadata: metadata.Pairs("x-gone", "1", "x-stays", "2")}
	if err := handler(rpc.WithPrincipal(t.Context(), bob), call, nil); err != nil {
		t.Fatal(err)
	}
	want := "map[authorization:[Bearer inner] x-protean-subject:[bob] x-stays:[2] x-tenant:[acme]]"
	if fmt.Sprint(map[string][]string(got)) != want {
		t.Errorf("%v, want %v", got, want)
	}
	for _, key := range []string{"authorization", "x-protean-subject", "x-tenant", "x-gone"} {
		if !slices.Contains(added, key) {
			t.Errorf("%s is not among what the gateway added: %v", key, added)
		}
	}
}
