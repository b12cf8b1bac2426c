package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// policyOf reads a policy as it is written in YAML and JSON.
func policyOf(t *testing.T, text string) *policyv1.Policy {
	t.Helper()
	p := &policyv1.Policy{}
	if err := protojson.Unmarshal([]byte(text), p); err != nil {
		t.Fatal(err)
	}
	return p
}

func putting(t *testing.T, selector, text string) *adminv1.PutPolicyRequest {
	return &adminv1.PutPolicyRequest{Selector: selector, Reason: "test", Said: &adminv1.PutPolicyRequest_Policy{Policy: policyOf(t, text)}}
}

// TestPolicyWhileRunning says a policy through the admin service, which holds at once, goes before the
// configuration whatever the selectors, survives a restart, and is taken back.
func TestPolicyWhileRunning(t *testing.T) {
	folder := t.TempDir()
	config := func() *configv1.Config {
		return &configv1.Config{
			State:    proto.String(folder),
			Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
			Policies: []*configv1.PolicyRule{{
				Selector: proto.String("greet.v1.Greeter.GetGreeting"), Policy: policyOf(t, `{"rateLimit": {"requests": 1000}, "timeout": {"call": "7s"}}`),
			}},
		}
	}
	g, stop := startGateway(t, config())
	client := adminOf(t, g)
	greeting := func() int {
		code, _ := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada")
		return code
	}
	dry := putting(t, "*", `{"rateLimit": {"requests": 0}}`)
	dry.DryRun = true
	if out, err := client.PutPolicy(t.Context(), dry); err != nil || out.GetPolicy().GetDigest() != "" || greeting() != http.StatusOK {
		t.Fatalf("a dry run: %v, %v", out, err)
	}
	first, err := client.PutPolicy(t.Context(), putting(t, "*", `{"rateLimit": {"requests": 0}}`))
	if err != nil || first.GetPolicy().GetNumber() != 1 || len(first.GetPolicy().GetDigest()) != 64 {
		t.Fatalf("%v, %v", first, err)
	}
	if code := greeting(); code != http.StatusTooManyRequests {
		t.Errorf("under a limit of nothing: %d", code)
	}
	if again, err := client.PutPolicy(t.Context(), putting(t, "*", `{"rateLimit": {"requests": 0}}`)); err != nil || !again.GetUnchanged() {
		t.Errorf("the same again: %v, %v", again, err)
	}
	stale := putting(t, "*", `{"rateLimit": {"requests": 5}}`)
	stale.Expected = "none"
	_, err = client.PutPolicy(t.Context(), stale)
	if status.Code(err) != codes.Aborted || status.Convert(err).Details()[0].(*errdetails.ErrorInfo).GetMetadata()["current"] != first.GetPolicy().GetDigest() {
		t.Errorf("an expected one that is not there: %v", err)
	}
	stop()

	g, stop = startGateway(t, config())
	defer stop()
	client = adminOf(t, g)
	if code := greeting(); code != http.StatusTooManyRequests {
		t.Errorf("after a restart: %d", code)
	}
	list, err := client.ListPolicies(t.Context(), &adminv1.ListPoliciesRequest{})
	if err != nil || len(list.GetPolicies()) != 1 || !proto.Equal(list.GetPolicies()[0], first.GetPolicy()) {
		t.Errorf("%v, %v", list, err)
	}
	if gone, err := client.DeletePolicy(t.Context(), &adminv1.DeletePolicyRequest{Selector: "*", Reason: "over"}); err != nil || !gone.GetPolicy().GetDeleted() {
		t.Errorf("%v, %v", gone, err)
	}
	if code := greeting(); code != http.StatusOK {
		t.Errorf("after it was taken back: %d", code)
	}
	if _, err := client.DeletePolicy(t.Context(), &adminv1.DeletePolicyRequest{Selector: "*"}); status.Code(err) != codes.NotFound {
		t.Errorf("once more: %v", err)
	}
}

// TestPolicyPages lists many, a few at a time, over REST.
func TestPolicyPages(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	for i := range 5 {
		early := putting(t, fmt.Sprintf("p%d.*", i), `{"timeout": {"call": "1s"}}`)
		if _, err := adminOf(t, g).PutPolicy(t.Context(), early); status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "matches no method") {
			t.Fatalf("a selector that matches nothing: %v", err)
		}
		early.Force = true
		out, err := adminOf(t, g).PutPolicy(t.Context(), early)
		if err != nil || len(out.GetProblems()) != 1 || !strings.Contains(out.GetProblems()[0].GetMessage(), "names no method") {
			t.Fatalf("%v, %v", out, err)
		}
	}
	var selectors []string
	for token := ""; ; {
		_, body := fetch(t, "http://"+g.AdminAddr()+"/admin/v1/policies?pageSize=2&pageToken="+token)
		page := &adminv1.ListPoliciesResponse{}
		if err := protojson.Unmarshal([]byte(body), page); err != nil {
			t.Fatal(body)
		}
		for _, p := range page.GetPolicies() {
			selectors = append(selectors, p.GetSelector())
		}
		if token = page.GetNextPageToken(); token == "" {
			break
		}
	}
	if !slices.Equal(selectors, []string{"p0.*", "p1.*", "p2.*", "p3.*", "p4.*"}) {
		t.Errorf("%v", selectors)
	}
}

// TestPolicyRefused says what nobody could mean. Each answer names the field, and nothing is kept.
func TestPolicyRefused(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))}})
	defer stop()
	for name, c := range map[string]struct{ selector, body, field string }{
		"no selector":                   {"-", `{"policy": {"timeout": {"call": "1s"}}}`, "selector"},
		"a broken selector":             {"greet..v1", `{"policy": {"timeout": {"call": "1s"}}}`, "selector"},
		"nothing":                       {"greet.*", `{}`, "policy"},
		"an empty policy":               {"greet.*", `{"policy": {}}`, "policy"},
		"a rule of the language":        {"greet.*", `{"policy": {"retry": {"maxAttempts": 11}}}`, "policy.retry.max_attempts"},
		"a code that is none":           {"greet.*", `{"policy": {"retry": {"codes": ["UNAVAILABLE", "OOPS"]}}}`, "policy.retry.codes[1]"},
		"a negative time":               {"greet.*", `{"policy": {"limits": {"idle": "-1s"}}}`, "policy.limits.idle"},
		"an expression":                 {"greet.*", `{"policy": {"authorize": {"public": true, "rule": "principal.=="}}}`, "policy.authorize.rule"},
		"an authenticator":              {"greet.*", `{"policy": {"authenticate": {"anyOf": ["login"]}}}`, "policy.authenticate.any_of[0]"},
		"an authorizer":                 {"greet.*", `{"policy": {"authorize": {"public": true, "external": "desk"}}}`, "policy.authorize.external"},
		"roles and no authenticator":    {"greet.*", `{"policy": {"authorize": {"roles": ["x"]}}}`, "policy.authorize"},
		"a cache in no Redis":           {"greet.*", `{"policy": {"cache": {"ttl": "1s", "redis": true}}}`, "policy.cache.redis"},
		"a field of everything":         {"greet.*", `{"field": {"action": "ACTION_MASK"}}`, "selector"},
		"a field's expression":          {"greet.v1.Greeting.text", `{"field": {"action": "ACTION_MASK", "unless": "(("}}`, "field.unless"},
		"no action":                     {"greet.v1.Greeting.text", `{"field": {"unless": "true"}}`, "field.action"},
		"a kind that there is not":      {"greet.*", `{"policy": {"teapot": {}}}`, "teapot"},
		"a setting that there is not":   {"greet.*", `{"policy": {"timeout": {"calls": "1s"}}}`, "calls"},
		"a value of another type":       {"greet.*", `{"policy": {"retry": {"maxAttempts": "many"}}}`, "max"},
		"a selector other than the URL": {"greet.*", `{"selector": "shop.*", "policy": {"timeout": {"call": "1s"}}}`, "selector"},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequest(http.MethodPut, "http://"+g.AdminAddr()+"/admin/v1/policies/"+c.selector, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("Content-Type", "application/json")
			response, err := http.DefaultClient.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			body, _ := io.ReadAll(response.Body)
			if response.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), c.field) {
				t.Errorf("%s %s", response.Status, body)
			}
		})
	}
	if _, body := fetch(t, "http://"+g.AdminAddr()+"/admin/v1/policies"); strings.Contains(body, "selector") {
		t.Errorf("kept: %s", body)
	}
	unknown := putting(t, "greet.*", `{"timeout": {"call": "1s"}}`)
	unknown.GetPolicy().GetTimeout().ProtoReflect().SetUnknown([]byte{0xf8, 0x3f, 0x01})
	if _, err := adminOf(t, g).PutPolicy(t.Context(), unknown); status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), "policy.timeout: ") {
		t.Errorf("a field of tomorrow: %v", err)
	}
}

// TestFieldPolicyWhileRunning masks a field on every door, and says where that comes from.
func TestFieldPolicyWhileRunning(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
	})
	defer stop()
	client := adminOf(t, g)
	put := &adminv1.PutPolicyRequest{Selector: "greet.v1.Greeting.text", Said: &adminv1.PutPolicyRequest_Field{
		Field: &policyv1.FieldPolicy{Action: policyv1.FieldPolicy_ACTION_MASK.Enum(), Mask: proto.String("[hidden]")},
	}}
	out, err := client.PutPolicy(t.Context(), put)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/v1/greetings/ada", "/graphql?query=%7BgetGreeting(name:%22ada%22)%7Btext%7D%7D"} {
		if _, body := fetch(t, "http://"+g.Addr()+path); !strings.Contains(body, "[hidden]") || strings.Contains(body, "Hello") {
			t.Errorf("%s: %s", path, body)
		}
	}
	explained, err := client.Explain(t.Context(), &adminv1.ExplainRequest{Method: "greet.v1.Greeter/GetGreeting"})
	if err != nil {
		t.Fatal(err)
	}
	fields := explained.GetCalls()[0].GetFields()
	if len(fields) != 1 || fields[0].GetField() != "greet.v1.Greeting.text" || fields[0].GetOrigin() != adminv1.PolicyOrigin_POLICY_ORIGIN_ADMIN ||
		fields[0].GetPosition() != "revision 1 ("+out.GetPolicy().GetDigest()[:12]+")" {
		t.Errorf("%v", explained)
	}
	_, err = client.DeletePolicy(t.Context(), &adminv1.DeletePolicyRequest{Selector: put.GetSelector()})
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "the compatibility check rejects this") {
		t.Errorf("uncovering a field without an override: %v", err)
	}
	gone, err := client.DeletePolicy(t.Context(), &adminv1.DeletePolicyRequest{Selector: put.GetSelector(), Override: &adminv1.Override{Reason: "it is public now"}})
	if err != nil || len(gone.GetFindings()) == 0 || gone.GetFindings()[0].GetRule() != "field-uncovered" {
		t.Errorf("%v, %v", gone, err)
	}
}

// TestPolicyOpens has the gate keep out what opens a method, and lets it pass with a reason.
func TestPolicyOpens(t *testing.T) {
	g, stop := startGateway(t, newVault(t, nil).config())
	defer stop()
	client := adminOf(t, g)
	opening := putting(t, "*", `{"authorize": {"public": true}}`)
	_, err := client.PutPolicy(t.Context(), opening)
	if status.Code(err) != codes.FailedPrecondition || !strings.Contains(err.Error(), "the compatibility check rejects this") {
		t.Fatalf("%v", err)
	}
	opening.DryRun = true
	if out, err := client.PutPolicy(t.Context(), opening); err != nil || !out.GetBlocked() || out.GetFindings()[0].GetRule() != "method-opened" {
		t.Errorf("%v, %v", out, err)
	}
	opening.DryRun, opening.Override = false, &adminv1.Override{Reason: "open day"}
	if _, err := client.PutPolicy(t.Context(), opening); err != nil {
		t.Error(err)
	}
}

// auditOf reads the lines of an audit log, less what differs each time.
func auditOf(t *testing.T, path string) (lines []map[string]string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for scanner := bufio.NewScanner(bytes.NewReader(raw)); scanner.Scan(); {
		line := make(map[string]string)
		if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
			t.Fatalf("%v: %s", err, scanner.Text())
		}
		lines = append(lines, line)
	}
	return lines
}

// TestAudit records who changed what, who may not, and who sent a wrong token; and changes
// nothing where that cannot be recorded.
func TestAudit(t *testing.T) {
	config := ownersConfig(t)
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	config.Audit = &configv1.Audit{File: proto.String(path)}
	g, stop := startGateway(t, config)
	client := adminOf(t, g)
	as := func(token string) (*adminv1.PutPolicyResponse, error) {
		ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token)
		in := putting(t, "acme.books.*", `{"timeout": {"call": "3s"}}`)
		in.Force = true
		return client.PutPolicy(ctx, in)
	}
	if _, err := as("books"); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a team says a policy: %v", err)
	}
	if _, err := as("guess-of-a-token"); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a wrong token: %v", err)
	}
	out, err := as("operator")
	if err != nil {
		t.Fatal(err)
	}
	stop()
	var told []string
	for _, line := range auditOf(t, path) {
		if line["time"] == "" || strings.Contains(fmt.Sprint(line), "guess") {
			t.Errorf("%v", line)
		}
		told = append(told, fmt.Sprintf("%s %s %s %s %s %s %s", line["kind"], line["subject"], line["method"], line["target"], line["decision"], line["code"], line["reason"]))
		if line["decision"] == "done" && line["revision"] != out.GetPolicy().GetDigest() {
			t.Errorf("%v", line)
		}
	}
	slices.Sort(told)
	want := []string{
		"admin books PutPolicy acme.books.* begun  test",
		"admin books PutPolicy acme.books.* denied PermissionDenied test",
		"admin operator PutPolicy acme.books.* begun  test",
		"admin operator PutPolicy acme.books.* done OK test",
		"credentials    denied Unauthenticated the token is not one of an owner",
	}
	if !slices.Equal(told, want) {
		t.Errorf("the record has\n%s", strings.Join(told, "\n"))
	}
}

// TestAuditOfOverrides records why a registration passed the gate and until when others will, also of one that passes by that.
func TestAuditOfOverrides(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	g, stop := startGateway(t, &configv1.Config{Audit: &configv1.Audit{File: proto.String(path)}})
	client := adminOf(t, g)
	var until []string
	for i, change := range []string{"string text", "int64 text", "bool text"} {
		in := &adminv1.RegisterRequest{
			Backend: "greeter", Address: "127.0.0.1:1",
			Descriptors: descriptorsOf(t, "greet.proto", strings.Replace(greeterBefore, "string text", change, 1)),
		}
		if i == 1 {
			in.Override = &adminv1.Override{Reason: "nobody reads it", Ttl: durationpb.New(time.Hour)}
		}
		out, err := client.Register(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		until = append(until, "")
		if o := out.GetRevision().GetOverride(); o != nil {
			until[i] = o.GetExpireTime().AsTime().Format(time.RFC3339)
		}
	}
	stop()
	var told []string
	for _, line := range auditOf(t, path) {
		if line["decision"] == "done" {
			told = append(told, line["override"]+"|"+line["override_until"])
		}
	}
	if want := []string{"|", "nobody reads it|" + until[1], "nobody reads it|" + until[1]}; !slices.Equal(told, want) || until[1] == "" {
		t.Errorf("it has %q, want %q", told, want)
	}
}

// TestAuditFails refuses changes that cannot be recorded; calls go on.
func TestAuditFails(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	g, stop := startGateway(t, &configv1.Config{
		Audit:    &configv1.Audit{File: proto.String("/dev/full")},
		Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
	})
	defer stop()
	client := adminOf(t, g)
	if _, err := client.PutPolicy(t.Context(), putting(t, "*", `{"rateLimit": {"requests": 0}}`)); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "audit") {
		t.Errorf("%v", err)
	}
	if code, _ := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada"); code != http.StatusOK {
		t.Errorf("a call: %d", code)
	}
	if list, err := client.ListPolicies(t.Context(), &adminv1.ListPoliciesRequest{}); err != nil || len(list.GetPolicies()) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

// TestPoliciesUnknown starts a gateway while its store is away: one that never heard of its policies
// refuses calls, one that did goes on with those.
func TestPoliciesUnknown(t *testing.T) {
	start := func(folder string) *gateway.Gateway {
		g, stop := startGateway(t, &configv1.Config{
			State: proto.String(folder), StartupGrace: durationpb.New(time.Second),
			Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
			Registry: &configv1.Registry{Etcd: &configv1.Etcd{Endpoints: []string{"http://127.0.0.1:1"}}},
		})
		t.Cleanup(stop)
		return g
	}
	g := start(t.TempDir())
	code, body := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "does not know all of its policies") {
		t.Errorf("%d %s", code, body)
	}
	for kept, want := range map[string]int{
		`{}`: http.StatusOK,
		`{"policies": [{"selector": "greet.*", "policy": {"rateLimit": {"requests": 0}}, "number": "1"}]}`:   http.StatusTooManyRequests,
		`{"policies": [{"selector": "greet.*", "policy": {"retry": {"maxAttempts": 9999}}, "number": "1"}]}`: http.StatusServiceUnavailable,
		`{"policies": [`: http.StatusServiceUnavailable,
	} {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "policies.json"), []byte(kept), 0o600); err != nil {
			t.Fatal(err)
		}
		g := start(folder)
		if code, body := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada"); code != want {
			t.Errorf("%s: %d %s", kept, code, body)
		}
	}
}

// TestPolicyDamaged starts on a store whose policy was changed by another hand: calls are refused until an
// operator says it anew.
func TestPolicyDamaged(t *testing.T) {
	folder := t.TempDir()
	start := func() (*gateway.Gateway, func()) {
		return startGateway(t, &configv1.Config{
			State: proto.String(folder), Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
		})
	}
	g, stop := start()
	put := putting(t, "greet.*", `{"rateLimit": {"requests": 0}}`)
	put.Reason = "a-reason-to-find"
	if _, err := adminOf(t, g).PutPolicy(t.Context(), put); err != nil {
		t.Fatal(err)
	}
	stop()
	path := filepath.Join(folder, "registrations.db")
	raw, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(raw, []byte(put.GetReason())) {
		t.Fatalf("%v: the reason is not in %s", err, path)
	}
	if err := os.WriteFile(path, bytes.ReplaceAll(raw, []byte(put.GetReason()), []byte("a-reason-to-hide")), 0o600); err != nil {
		t.Fatal(err)
	}
	g, stop = start()
	defer stop()
	if code, body := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada"); code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := fetch(t, "http://"+g.AdminAddr()+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d", code)
	}
	if _, err := adminOf(t, g).PutPolicy(t.Context(), putting(t, "greet.*", `{"timeout": {"call": "5s"}}`)); err != nil {
		t.Fatal(err)
	}
	await(t, "calls to go on", func() bool {
		code, _ := fetch(t, "http://"+g.Addr()+"/v1/greetings/ada")
		return code == http.StatusOK
	})
}

// TestPolicyOrphaned registers descriptors without the method that a policy of the admin service is about.
func TestPolicyOrphaned(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client := adminOf(t, g)
	after, before := descriptorsOf(t, "greet.proto", greeterAfter), descriptorsOf(t, "greet.proto", greeterBefore)
	if _, err := client.Register(t.Context(), &adminv1.RegisterRequest{Backend: "greeter", Address: "127.0.0.1:1", Descriptors: after}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.PutPolicy(t.Context(), putting(t, "greet.v1.Greeter.ListFarewells", `{"rateLimit": {"requests": 1}}`)); err != nil {
		t.Fatal(err)
	}
	diff, err := client.Diff(t.Context(), &adminv1.DiffRequest{Backend: "greeter", Descriptors: before})
	if err != nil || !slices.ContainsFunc(diff.GetFindings(), func(f *adminv1.Finding) bool {
		return f.GetRule() == "selector-orphaned" && f.GetElement() == "greet.v1.Greeter.ListFarewells"
	}) {
		t.Errorf("%v, %v", diff, err)
	}
}

// TestPolicyStates lists what policies came to, by kind and backend, and in pages.
func TestPolicyStates(t *testing.T) {
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("greeter", greeterAddress(t))},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("greet.*"), Policy: policyOf(t, `{"rateLimit": {"requests": 2, "per": "3600s", "burst": 1}, "cache": {"ttl": "60s"}}`)}},
	})
	defer stop()
	for range 4 {
		fetch(t, "http://"+g.Addr()+"/v1/greetings/ada")
	}
	client := adminOf(t, g)
	list := func(in *adminv1.ListPolicyStatesRequest) []*adminv1.PolicyState {
		t.Helper()
		var all []*adminv1.PolicyState
		for {
			out, err := client.ListPolicyStates(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, out.GetStates()...)
			if in.PageToken = out.GetNextPageToken(); in.GetPageToken() == "" {
				return all
			}
		}
	}
	whole, paged := list(&adminv1.ListPolicyStatesRequest{}), list(&adminv1.ListPolicyStatesRequest{PageSize: 1})
	if len(whole) < 7 || len(paged) != len(whole) {
		t.Errorf("%d states, %d in pages", len(whole), len(paged))
	}
	found := make(map[string]*adminv1.PolicyState)
	for _, s := range whole {
		found[s.GetKind()+" "+s.GetBackend()+" "+s.GetMethod()+" "+s.GetSelector()] = s
		if strings.Contains(s.String(), "127.0.0.1") != (s.GetKind() == "outliers") { // the backend's address, and no client's
			t.Errorf("%v", s)
		}
	}
	limit := found["rate_limit   greet.*"].GetRateLimit()
	if limit.GetAllowed()+limit.GetLimited() != 4 || limit.GetLimited() == 0 {
		t.Errorf("the limit: %v", limit)
	}
	if all := found["rate_limit   "].GetRateLimit(); all.GetCallers() != 1 || all.GetLimited() != limit.GetLimited() {
		t.Errorf("all limits: %v", all)
	}
	if b := found["breaker greeter greet.v1.Greeter/GetGreeting "].GetBreaker(); b.GetState() != "closed" {
		t.Errorf("the breaker: %v", b)
	}
	if c := found["cache   "].GetCache(); c.GetAnswers() != 1 || c.GetHits()+c.GetMisses() != limit.GetAllowed() {
		t.Errorf("the cache: %v", c)
	}
	if only := list(&adminv1.ListPolicyStatesRequest{Kind: "breaker", Backend: "greeter"}); len(only) != 1 {
		t.Errorf("breakers: %v", only)
	}
	for _, in := range []*adminv1.ListPolicyStatesRequest{{Kind: "teapot"}, {PageSize: -1}, {PageToken: "%"}, {PageToken: "AAAA"}} {
		if _, err := client.ListPolicyStates(t.Context(), in); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%v: %v", in, err)
		}
	}
	_, body := fetch(t, "http://"+g.AdminAddr()+"/graphql?query=%7BlistPolicyStates(kind:%22cache%22)%7Bstates%7Bkind%20cache%7Bmisses%7D%7D%7D%7D")
	if !strings.Contains(body, `"kind":"cache"`) {
		t.Errorf("GraphQL: %s", body)
	}
}
