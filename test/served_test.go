package test

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/99designs/gqlgen/graphql/introspection"
	"github.com/gorilla/websocket"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/auth/authtest"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// Each method of the clinic has names of its own, in which nothing of the others occurs.
const clinicService = `
edition = "2023";
package clinic.v1;
import "google/api/annotations.proto";
import "protean/options/v1/options.proto";

service Clinic {
  rpc GetHours(HoursQuestion) returns (HoursAnswer) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/hours/{day}"};
  }
  rpc GetVisit(VisitQuestion) returns (VisitAnswer) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/visit/{day}"};
  }
  // Says who works at night.
  rpc GetRoster(RosterQuestion) returns (RosterAnswer) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/roster/{day}"};
  }
}
// Locks the poisons away.
service Cabinet {
  rpc OpenLock(LockInput) returns (LockOutput) {
    option (google.api.http) = {post: "/v1/lock" body: "*"};
  }
}
message HoursQuestion { string day = 1; }
message HoursAnswer {
  option (protean.options.v1.message) = {joins: {field: "onDutyRoster", method: "clinic.v1.Clinic.GetRoster", key: "day", argument: "day"}};
  string day = 1;
}
message VisitQuestion { string day = 1; VisitKind kind = 2; }
enum VisitKind { VISIT_KIND_UNSPECIFIED = 0; }
message VisitAnswer { string visitor = 1; }
message RosterQuestion { string day = 1; RosterShift shift = 2; }
enum RosterShift { ROSTER_SHIFT_UNSPECIFIED = 0; }
message RosterAnswer { repeated RosterEntry entries = 1; }
message RosterEntry { string name = 1; }
message LockInput { LockKind lock = 1; }
message LockKind { string number = 1; }
message LockOutput { bool open = 1; }
`

// clinicNames occur in what is said of a method, and nowhere else.
var clinicNames = map[string][]string{
	"GetHours":  {"/v1/hours", "HoursAnswer"},
	"GetVisit":  {"/v1/visit", "VisitAnswer", "VisitKind", "VISIT_KIND"},
	"GetRoster": {"/v1/roster", "RosterAnswer", "RosterEntry", "RosterShift", "ROSTER_SHIFT", "at night"},
	"OpenLock":  {"/v1/lock", "LockInput", "LockKind", "LockOutput", "Cabinet", "poisons"},
}

// saidBy returns the names of a method that the form of a document has: GraphQL has neither paths nor services.
func saidBy(kind, method string) []string {
	names := []string{method}
	for _, name := range clinicNames[method] {
		if kind != "graphql" || !strings.HasPrefix(name, "/") && name != "Cabinet" && name != "poisons" {
			names = append(names, name)
		}
	}
	if kind == "graphql" {
		names[0] = strings.ToLower(method[:1]) + method[1:]
		if method == "GetRoster" {
			names = append(names, "onDutyRoster")
		}
	}
	return names
}

// clinicRules let everybody ask for the hours, those who are known for visits of their own, and operators for the roster
// and the lock.
const clinicRules = `policies:
- {selector: clinic.v1.Clinic.GetHours, policy: {authorize: {public: true}}}
- {selector: clinic.v1.Clinic.GetVisit, policy: {authorize: {rule: "request.day == principal.subject"}}}
- {selector: clinic.v1.Clinic.GetRoster, policy: {authorize: {roles: [operator]}}}
- {selector: clinic.v1.Cabinet.OpenLock, policy: {authorize: {roles: [operator], scopes: [keys]}}}
`

// clinicHouse is a gateway before a clinic.
type clinicHouse struct {
	*configured
	issuer *authtest.Issuer
	head   string // of the configuration: the backend and who is known
}

func startClinic(t *testing.T, more string) *clinicHouse {
	t.Helper()
	snapshot := rpctest.Compile(t, map[string]string{"clinic.proto": clinicService})
	backend := rpctest.Start(t, nil, rpctest.Reflect(snapshot.Backends[0]))
	h := &clinicHouse{issuer: authtest.Start(t)}
	h.head = fmt.Sprintf(`backends: [{name: clinic, address: %q}]
authenticators:
- {name: login, jwt: {issuer: %q, audiences: [%s]}}
- {name: robots, apiKeys: {keys: [{sha256: "%x", subject: robot, roles: [operator], scopes: [keys]}]}}
`, backend.Address, h.issuer.URL, authtest.Audience, sha256.Sum256([]byte(robotKey)))
	h.configured = startConfigured(t, h.head+clinicRules+more)
	return h
}

// callers are who asks, with the headers by which they do and the methods that they may call.
func (h *clinicHouse) callers() map[string]clinicCaller {
	token := func(more map[string]any) http.Header {
		return http.Header{"Authorization": {"Bearer " + h.issuer.Token("bob", more)}}
	}
	return map[string]clinicCaller{
		"anonymous":           {nil, []string{"GetHours"}},
		"user":                {token(nil), []string{"GetHours", "GetVisit"}},
		"operator":            {token(map[string]any{"roles": []string{"operator"}}), []string{"GetHours", "GetVisit", "GetRoster"}},
		"robot":               {http.Header{"X-Api-Key": {robotKey}}, []string{"GetHours", "GetVisit", "GetRoster", "OpenLock"}},
		"user who has a key":  {token(map[string]any{"scope": "keys"}), []string{"GetHours", "GetVisit"}},
		"operator with a key": {token(map[string]any{"roles": []string{"operator"}, "scope": "keys"}), []string{"GetHours", "GetVisit", "GetRoster", "OpenLock"}},
	}
}

type clinicCaller struct {
	headers http.Header
	may     []string
}

// ask returns what a caller is told in one of the forms: json, yaml or graphql.
func (h *clinicHouse) ask(t *testing.T, kind string, headers http.Header) (http.Header, string) {
	t.Helper()
	var r *http.Request
	var err error
	if kind == "graphql" {
		body, _ := json.Marshal(map[string]string{"query": introspection.Query})
		r, err = http.NewRequestWithContext(t.Context(), http.MethodPost, h.base+"/graphql", strings.NewReader(string(body)))
	} else {
		r, err = http.NewRequestWithContext(t.Context(), http.MethodGet, h.base+"/openapi."+kind, nil)
	}
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	for name, values := range headers {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Error(err)
		return nil, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("%s: %d %s %v", kind, response.StatusCode, text, err)
	}
	return response.Header, string(text)
}

// check compares what is told in one of the forms with the methods that it shall be about.
func (c clinicCaller) check(t *testing.T, who, kind, text string) {
	t.Helper()
	for method := range clinicNames {
		may := false
		for _, name := range c.may {
			may = may || name == method
		}
		for _, name := range saidBy(kind, method) {
			if strings.Contains(text, name) != may {
				t.Errorf("%s, %s: %s is told: %v\n%s", who, kind, name, !may, text)
			}
		}
	}
}

var servedKinds = []string{"json", "yaml", "graphql"}

// TestServedBackByCaller asks as each caller for each description, all at once: it tells of the methods that the caller
// may call, and of no others. No cache but the caller's own may have it.
func TestServedBackByCaller(t *testing.T) {
	h := startClinic(t, "")
	var asking sync.WaitGroup
	for who, c := range h.callers() {
		for _, kind := range servedKinds {
			for range 3 {
				asking.Go(func() {
					headers, text := h.ask(t, kind, c.headers)
					c.check(t, who, kind, text)
					vary := strings.Join(headers.Values("Vary"), ", ")
					switch {
					case kind == "graphql" && headers.Get("Cache-Control") != "no-store",
						kind != "graphql" && (headers.Get("Cache-Control") != "private, no-cache" || !strings.Contains(vary, "Authorization") || !strings.Contains(vary, "X-Api-Key")):
						t.Errorf("%s, %s: %v", who, kind, headers)
					}
				})
			}
		}
	}
	asking.Wait()
}

// TestServedBackWhole has the configuration tell everybody of everything, and a gateway that knows no callers.
func TestServedBackWhole(t *testing.T) {
	everything := clinicCaller{may: []string{"GetHours", "GetVisit", "GetRoster", "OpenLock"}}
	h := startClinic(t, "openapi: {public: true}\ngraphql: {introspectionWhole: true}\n")
	for _, kind := range servedKinds {
		headers, text := h.ask(t, kind, nil)
		everything.check(t, "public", kind, text)
		if kind != "graphql" && (headers.Get("Cache-Control") != "no-cache" || headers.Get("Vary") != "Accept-Encoding") {
			t.Errorf("%s: %v", kind, headers)
		}
	}
	backend := strings.SplitAfter(h.head, "\n")[0]
	h.reload(t, backend, reloadServed)
	for _, kind := range servedKinds {
		headers, text := h.ask(t, kind, nil)
		everything.check(t, "without authenticators", kind, text)
		if kind != "graphql" && (headers.Get("Cache-Control") != "no-cache" || headers.Get("Vary") != "Accept-Encoding") {
			t.Errorf("%s: %v", kind, headers)
		}
	}
}

// TestServedBackAfterReload changes who may call what.
func TestServedBackAfterReload(t *testing.T) {
	h := startClinic(t, "")
	user := h.callers()["user"]
	for _, roles := range []string{"[operator]", "[]", "[operator]"} {
		if roles == "[]" {
			user.may = []string{"GetHours", "GetVisit", "GetRoster"}
		} else {
			user.may = []string{"GetHours", "GetVisit"}
		}
		h.reload(t, h.head+strings.Replace(clinicRules, "GetRoster, policy: {authorize: {roles: [operator]}}", "GetRoster, policy: {authorize: {roles: "+roles+"}}", 1), reloadServed)
		for _, kind := range servedKinds {
			_, text := h.ask(t, kind, user.headers)
			user.check(t, "roles "+roles, kind, text)
		}
	}
}

// TestServedBackOverWebSocket introspects as the caller whose credentials the first message has.
func TestServedBackOverWebSocket(t *testing.T) {
	h := startClinic(t, "")
	for who, payload := range map[string]string{"anonymous": "{}", "robot": `{"X-Api-Key":"` + robotKey + `"}`} {
		dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
		conn, response, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(h.base, "http")+"/graphql", nil)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		defer conn.Close()
		query, _ := json.Marshal(map[string]string{"query": introspection.Query})
		for _, message := range []string{`{"type":"connection_init","payload":` + payload + `}`, `{"id":"1","type":"subscribe","payload":` + string(query) + `}`} {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
				t.Fatal(err)
			}
		}
		text := ""
		for !strings.Contains(text, `"next"`) {
			_, message, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			text = string(message)
		}
		h.callers()[who].check(t, who, "graphql", text)
	}
}

// TestServedBackByAdmin describes a revision whole, whoever may call its methods, and the admin service to owners.
func TestServedBackByAdmin(t *testing.T) {
	c := startConfigured(t, fmt.Sprintf(`registry: {owners: [{name: ops, operator: true, tokens: ["%x"]}]}
authenticators: [{name: robots, apiKeys: {keys: [{sha256: "%x", subject: robot}]}}]
`, sha256.Sum256([]byte("ops")), sha256.Sum256([]byte(robotKey))))
	client := adminOf(t, c.Gateway)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer ops")
	if _, err := client.Register(ctx, &adminv1.RegisterRequest{
		Backend: "greeter", Address: "192.0.2.1:1", Descriptors: descriptorsOf(t, "greet.proto", greeterBefore),
	}); err != nil {
		t.Fatal(err)
	}
	r, err := client.GetRevision(ctx, &adminv1.GetRevisionRequest{Backend: "greeter", Parts: []adminv1.GetRevisionRequest_Part{
		adminv1.GetRevisionRequest_PART_SDL, adminv1.GetRevisionRequest_PART_OPENAPI,
	}})
	if err != nil || !strings.Contains(r.GetSdl(), "getGreeting") || !strings.Contains(r.GetOpenapi(), "/v1/greetings/{name}") {
		t.Errorf("%v: SDL %.100q, OpenAPI %.100q", err, r.GetSdl(), r.GetOpenapi())
	}
	h := &clinicHouse{configured: c}
	if _, text := h.ask(t, "json", http.Header{"X-Api-Key": {robotKey}}); strings.Contains(text, "reeting") {
		t.Errorf("a method that nobody may call: %s", text)
	}
	c.base = "http://" + c.AdminAddr()
	for token, want := range map[string]bool{"": false, "ops": true} {
		headers := http.Header{}
		if token != "" {
			headers.Set("Authorization", "Bearer "+token)
		}
		for _, kind := range servedKinds {
			if _, text := h.ask(t, kind, headers); strings.Contains(text, "ollback") != want {
				t.Errorf("%q, %s: %s", token, kind, text)
			}
		}
	}
}
