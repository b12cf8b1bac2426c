package test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth/authtest"
	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// The methods of the vault differ in nothing but who may call them.
const vaultService = `
edition = "2023";
package vault.v1;
import "google/api/annotations.proto";
import "protean/options/v1/options.proto";

service Vault {
  option (protean.options.v1.service) = {rest: {json: {emit_defaults: true}}};
  rpc Known(OpenRequest) returns (Box) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/known/{owner}"};
    option (protean.options.v1.method) = {graphql: {operation: OPERATION_QUERY}};
  }
  rpc Public(OpenRequest) returns (Box) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/public/{owner}"};
  }
  rpc Scoped(OpenRequest) returns (Box) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/scoped/{owner}"};
  }
  rpc Kept(OpenRequest) returns (Box) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/kept/{owner}"};
    option (protean.options.v1.method) = {policy: {authorize: {roles: "keeper"}}};
  }
  rpc Own(OpenRequest) returns (Box) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/own/{owner}"};
  }
  rpc Closed(OpenRequest) returns (Box) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/closed/{owner}"};
    option (protean.options.v1.method) = {policy: {authorize: {public: true}}};
  }
  rpc Hold(OpenRequest) returns (Holder) {
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  rpc Watch(OpenRequest) returns (stream Box);
}
message OpenRequest { string owner = 1; }
message Box {
  string owner = 1;
  string pin = 2 [features.field_presence = IMPLICIT, (protean.options.v1.field) = {deniable: true, policy: {action: ACTION_DENY, unless: "'keeper' in principal.roles"}}];
  string phone = 3 [(protean.options.v1.field) = {policy: {action: ACTION_MASK, unless: "!principal.anonymous"}}];
}
message Holder {
  option (protean.options.v1.message) = {
    joins: {field: "known", method: "vault.v1.Vault.Known", key: "owner", argument: "owner"}
    joins: {field: "public", method: "vault.v1.Vault.Public", key: "owner", argument: "owner"}
    joins: {field: "scoped", method: "vault.v1.Vault.Scoped", key: "owner", argument: "owner"}
    joins: {field: "kept", method: "vault.v1.Vault.Kept", key: "owner", argument: "owner"}
    joins: {field: "own", method: "vault.v1.Vault.Own", key: "owner", argument: "owner"}
    joins: {field: "closed", method: "vault.v1.Vault.Closed", key: "owner", argument: "owner"}
  };
  string owner = 1;
}
`

// What is in the box, and who may see it: keepers the pin, those who are known the phone.
const (
	boxPin   = "secret-pin"
	boxPhone = "secret-phone"
)

// vaultRules is the operator's policy. Closed is left out: nobody may call it,
// whatever its .proto file says.
func vaultRules() []*configv1.PolicyRule {
	rule := func(method string, a *policyv1.Authorize) *configv1.PolicyRule {
		return &configv1.PolicyRule{Selector: proto.String("vault.v1.Vault." + method), Policy: &policyv1.Policy{Authorize: a}}
	}
	rules := []*configv1.PolicyRule{
		rule("Known", &policyv1.Authorize{}),
		rule("Kept", &policyv1.Authorize{}),
		rule("Public", &policyv1.Authorize{Public: proto.Bool(true)}),
		rule("Hold", &policyv1.Authorize{Public: proto.Bool(true)}),
		rule("Scoped", &policyv1.Authorize{Scopes: []string{"open", "read"}}),
		rule("Own", &policyv1.Authorize{Rule: proto.String("request.owner == principal.subject")}),
		rule("Watch", &policyv1.Authorize{}),
	}
	return append(rules, twinRules(rules)...)
}

// vaultHouse is a gateway with authenticators before a vault that remembers which
// requests reached it.
type vaultHouse struct {
	address string
	change  func(*configv1.Config)
	started func(*gateway.Gateway) // is told of each gateway that waysTo starts; nil: nobody is
	issuer  *authtest.Issuer
	backend *rpctest.Backend
	tokens  []string // that a test has made
	keys    []string // files with keys of TLS
	mu      sync.Mutex
	reached map[string]int // by request id
}

func (h *vaultHouse) note(s *rpctest.Stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range s.Metadata().Get("x-request-id") {
		h.reached[id]++
	}
}

// calls counts the calls of a request that reached the backend.
func (h *vaultHouse) calls(id string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reached[id]
}

const robotKey = "robot-key"

func startVault(t *testing.T, change func(*configv1.Config)) *vaultHouse {
	t.Helper()
	h := newVault(t, change)
	g, stop := startGateway(t, h.config())
	t.Cleanup(stop)
	h.address = g.Addr()
	return h
}

// newVault starts the vault alone. The gateway before it gets a configuration with the change.
func newVault(t *testing.T, change func(*configv1.Config)) *vaultHouse {
	t.Helper()
	snapshot := rpctest.Compile(t, map[string]string{"vault.proto": vaultService + vaultTwins()})
	h := &vaultHouse{issuer: authtest.Start(t), reached: make(map[string]int)}
	handlers := make(map[string]rpctest.Handler)
	for path, m := range snapshot.Methods {
		handlers[path] = h.open(m, rpctest.Message(t, m.Output.Descriptor(), contentOf(m)))
	}
	h.backend = rpctest.Start(t, handlers, rpctest.Reflect(snapshot.Backends[0]))
	h.change = change
	return h
}

// config is the configuration of a gateway before the vault.
func (h *vaultHouse) config() *configv1.Config {
	sum := sha256.Sum256([]byte(robotKey))
	config := &configv1.Config{
		Backends: []*configv1.Backend{backendAt("vault", h.backend.Address)},
		Policies: vaultRules(),
		Authenticators: []*configv1.Authenticator{
			{Name: proto.String("login"), Kind: &configv1.Authenticator_Jwt{Jwt: &configv1.JWT{
				Issuer: proto.String(h.issuer.URL), Audiences: []string{authtest.Audience},
			}}},
			{Name: proto.String("keys"), Kind: &configv1.Authenticator_ApiKeys{ApiKeys: &configv1.APIKeys{
				Keys: []*configv1.APIKey{{Sha256: proto.String(hex.EncodeToString(sum[:])), Subject: proto.String("robot"), Scopes: []string{"open"}}},
			}}},
		},
	}
	if h.change != nil {
		h.change(config)
	}
	return config
}

func contentOf(m *schema.Method) string {
	if m.Output.FullName() == "vault.v1.Holder" {
		return `{"owner":"alice"}`
	}
	return `{"owner":"alice","pin":"` + boxPin + `","phone":"` + boxPhone + `"}`
}

// open answers once, and a stream then waits until it is cancelled.
func (h *vaultHouse) open(m *schema.Method, content []byte) rpctest.Handler {
	return func(s *rpctest.Stream) error {
		h.note(s)
		if err := s.Send(content); err != nil || m.Descriptor.Name() != "Watch" {
			return err
		}
		<-s.Context().Done()
		return context.Cause(s.Context())
	}
}
