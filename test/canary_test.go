package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/auth/authtest"
	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// canaries are secrets that must never be seen, by the slot that each is planted in.
var canaries = map[string]string{
	"an API key":                       "canary-api-key-5f0c",
	"a wrong API key":                  "canary-wrong-key-88a1",
	"an opaque token":                  "canary-opaque-token-1b7d",
	"a token that is none":             "canary-bad-token-93e2",
	"a basic password":                 "canary-basic-password-c4",
	"a password in another header":     "canary-header-password-7e",
	"a token in the query":             "canary-query-token-2d0f",
	"the introspection secret":         authtest.ClientSecret,
	"the secret of reflection":         "canary-reflection-secret-6a",
	"the Redis password":               "canary-redis-password-e1f9",
	"the seal of kept answers":         "canary-cache-seal-of-32-bytes-or-more-77d0",
	"an owner's token":                 "canary-owner-token-a77c",
	"the internals of an error":        "canary-debug-info-0d3b",
	"a claim":                          "canary-claim-4c19",
	"a denied field":                   boxPin,
	"a credential in a socket's words": "canary-init-payload-b2",
}

// seen collects all that was said to clients and in logs.
type seen struct{ lockedBuffer }

// tap keeps what a transport receives: status, headers and body.
type tap struct {
	http.RoundTripper
	seen *seen
}

func (t tap) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := t.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(response.Body)
	response.Body.Close()
	fmt.Fprintf(t.seen, "%s %v %s %v\n", response.Status, response.Header, body, response.Trailer)
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, err
}

// TestPromiseSecrets plants a secret in every slot and looks for each in all that clients
// are told, in the log at its most talkative, in metrics and in the admin service's answers.
func TestPromiseSecrets(t *testing.T) {
	out, log := &seen{}, &lockedBuffer{}
	record := filepath.Join(t.TempDir(), "audit.jsonl")
	h := new(vaultHouse)
	t.Cleanup(func() { checkRecord(t, h, record) }) // once the gateway has stopped, and written all
	started, base, admin := startCanaryHouse(t, log, record)
	h = started
	way := h.way(t, "HTTP/1.1", h.address, nil, false)
	way.client.Transport = tap{way.client.Transport, out}
	requests := 0
	for _, header := range h.canaryHeaders() {
		for _, method := range matrixMethods {
			for _, door := range slices.Concat(doorways, moreDoorways) {
				v := &visit{way: way, method: method, owner: "alice", header: header.Clone()}
				got, err := door.call(v)
				if err != nil {
					t.Fatalf("%s: %v", door.name, err)
				}
				fmt.Fprintf(out, "%s\n", got.body)
				requests++
			}
		}
	}
	for _, path := range []string{"/v1/fails/x", "/v1/known/x?access_token=" + url.QueryEscape(canaries["a token in the query"]), "/nowhere", "/openapi.json"} {
		response, err := way.client.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		requests++
	}
	requests += h.tellSocket(t, out) + askAdmin(t, admin, out)
	told, logged := out.String(), log.String()
	for slot, canary := range h.planted(t) {
		for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), url.QueryEscape(canary)} {
			if strings.Contains(told, form) {
				t.Errorf("%s was told to a client", slot)
			}
			if strings.Contains(logged, form) {
				t.Errorf("%s is in the log", slot)
			}
		}
	}
	if !strings.Contains(logged, "call denied") || !strings.Contains(logged, "credentials refused") || !strings.Contains(told, boxPhone) {
		t.Error("the log and the answers do not have what they are looked through for")
	}
	promise(t, "P19", "%d secrets in as many slots, %d requests: none in %d bytes told to clients, metrics and admin answers, none in %d bytes of log",
		len(h.planted(t)), requests, len(told), len(logged))
}

// checkRecord looks through the audit log.
func checkRecord(t *testing.T, h *vaultHouse, path string) {
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for slot, canary := range h.planted(t) {
		for _, form := range []string{canary, base64.StdEncoding.EncodeToString([]byte(canary)), url.QueryEscape(canary)} {
			if bytes.Contains(raw, []byte(form)) {
				t.Errorf("%s is in the audit log", slot)
			}
		}
	}
	for _, kind := range []string{"admin", "denied", "credentials"} {
		if !bytes.Contains(raw, []byte(`"kind":"`+kind+`"`)) {
			t.Errorf("the audit log has no %s", kind)
		}
	}
}

// startCanaryHouse starts the vault with secrets in all places that take one.
func startCanaryHouse(t *testing.T, log io.Writer, record string) (h *vaultHouse, base, admin string) {
	t.Helper()
	t.Setenv("CANARY_REDIS", canaries["the Redis password"])
	t.Setenv("CANARY_SEAL", canaries["the seal of kept answers"])
	t.Setenv("CANARY_INTROSPECTION", canaries["the introspection secret"])
	file := filepath.Join(t.TempDir(), "reflection")
	if err := os.WriteFile(file, []byte(canaries["the secret of reflection"]+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	certFile, keyFile := newAuthority(t, t.TempDir()).issue(t, t.TempDir(), "client", "127.0.0.1", true)
	sum := func(text string) string {
		digest := sha256.Sum256([]byte(text))
		return hex.EncodeToString(digest[:])
	}
	h = newVault(t, func(c *configv1.Config) {
		federated(c)
		c.Listen, c.Admin = proto.String("127.0.0.1:0"), proto.String("127.0.0.1:0")
		c.Audit = &configv1.Audit{File: &record}
		c.Redis = &configv1.Redis{
			Address: proto.String("127.0.0.1:1"), Password: proto.String("env:CANARY_REDIS"), CacheSeal: proto.String("env:CANARY_SEAL"),
			Tls: &configv1.BackendTLS{CertFile: &certFile, KeyFile: &keyFile},
		}
		c.Backends[0].Source = &configv1.Backend_Reflection{Reflection: &configv1.Reflection{Metadata: map[string]string{"authorization": "file:" + file}}}
		c.Backends[0].ForwardCredentials = proto.Bool(true)
		c.Registry = &configv1.Registry{Owners: []*configv1.Owner{{
			Name: proto.String("team"), Tokens: []string{sum(canaries["an owner's token"])}, Operator: proto.Bool(true),
		}}}
		c.Authenticators[1].GetApiKeys().Keys[0].Sha256 = proto.String(sum(canaries["an API key"]))
		c.Authenticators = append(c.Authenticators, &configv1.Authenticator{Name: proto.String("opaque"), Kind: &configv1.Authenticator_Introspection{
			Introspection: &configv1.Introspection{
				Url: proto.String(h.issuer.URL + "/introspect"), ClientId: proto.String(authtest.ClientID), ClientSecret: proto.String("env:CANARY_INTROSPECTION"),
			},
		}})
		c.Policies = append(c.Policies, &configv1.PolicyRule{Selector: proto.String("*"), Policy: &policyv1.Policy{
			RateLimit: &policyv1.RateLimit{Requests: proto.Uint32(1_000_000), Per: durationpb.New(time.Second)},
		}})
	})
	h.issuer.Grant(canaries["an opaque token"], map[string]any{"sub": "carol", "scope": "open read", "email": canaries["a claim"]})
	failure, err := status.New(codes.Internal, "it failed").WithDetails(&errdetails.DebugInfo{Detail: canaries["the internals of an error"]})
	if err != nil {
		t.Fatal(err)
	}
	h.backend.Handle("/vault.v1.Vault/Own", rpctest.Fail(failure))
	h.backend.Handle("/vault.v1.Twins/WOwn", rpctest.Fail(failure))
	g, err := gateway.New(h.config(), slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	t.Cleanup(func() { cancel(); <-ended })
	<-g.Ready()
	h.address, h.keys = g.Addr(), []string{keyFile}
	return h, "http://" + g.Addr(), "http://" + g.AdminAddr()
}

// keyText is the first line of a key in PEM.
func keyText(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n")[1]
}

// planted are the canaries, keys of TLS, and the signatures of the tokens that this run has made.
func (h *vaultHouse) planted(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for slot, canary := range canaries {
		all[slot] = canary
	}
	for i, file := range h.keys {
		all[fmt.Sprintf("TLS key %d", i)] = keyText(t, file)
	}
	for i, token := range h.tokens {
		all[fmt.Sprintf("the signature of token %d", i)] = token[strings.LastIndexByte(token, '.')+1:]
	}
	return all
}

func (h *vaultHouse) canaryHeaders() []http.Header {
	bearer := func(token string) http.Header { return http.Header{"Authorization": {"Bearer " + token}} }
	h.tokens = []string{
		h.issuer.Token("alice", map[string]any{"scope": "open read", "email": canaries["a claim"]}),
		h.issuer.Token("alice", map[string]any{"exp": 1}),
		h.issuer.Token("alice", map[string]any{"aud": "x"}),
	}
	headers := []http.Header{
		{},
		{"X-Api-Key": {canaries["an API key"]}},
		{"X-Api-Key": {canaries["a wrong API key"]}},
		bearer(canaries["an opaque token"]),
		bearer(canaries["a token that is none"]),
		{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte("alice:"+canaries["a basic password"]))}},
		{"X-Password": {canaries["a password in another header"]}, "Cookie": {"session=" + canaries["a password in another header"]}},
	}
	for _, token := range h.tokens {
		headers = append(headers, bearer(token))
	}
	return headers
}

// tellSocket says a credential in the first message of a WebSocket.
func (h *vaultHouse) tellSocket(t *testing.T, out io.Writer) int {
	t.Helper()
	conn := h.socket(t)
	fmt.Fprintln(out, converse(t, conn, fmt.Sprintf(`{"type":"connection_init","payload":{"Authorization":"Bearer %s"}}`,
		canaries["a credential in a socket's words"])))
	return 1
}

// askAdmin takes everything that the admin address has to say.
func askAdmin(t *testing.T, base string, out io.Writer) (requests int) {
	t.Helper()
	ask := func(verb, path, token, body string) {
		r, err := http.NewRequest(verb, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(out, "%s %v %s\n", response.Status, response.Header, text)
		requests++
	}
	for _, path := range []string{"/metrics", "/readyz", "/livez"} {
		ask(http.MethodGet, path, "", "")
	}
	for _, token := range []string{canaries["an owner's token"], canaries["a token that is none"]} {
		for method, body := range map[string]string{
			"ListBackends": `{}`, "ListRevisions": `{}`, "Explain": `{"request":"GET /v1/known/x"}`,
			"Register": `{"backend":"x","address":"canary.example:1"}`, "ListPolicies": `{}`, "ListPolicyStates": `{}`,
			"PutPolicy": `{"selector":"*","policy":{"retry":{"maxAttempts":2}},"dryRun":true}`,
		} {
			ask(http.MethodPost, "/protean.admin.v1.AdminService/"+method, token, body)
		}
	}
	return requests
}
