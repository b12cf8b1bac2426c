package test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// storing are the kinds of caches and of shared calls, by the method of the vault that has them.
func storing() map[string]*policyv1.Policy {
	cache := func(shared bool) *policyv1.Cache {
		return &policyv1.Cache{Ttl: durationpb.New(time.Hour), Shared: proto.Bool(shared), Vary: []string{"accept-language"}}
	}
	coalesce := func(shared bool) *policyv1.Coalesce {
		return &policyv1.Coalesce{Enabled: proto.Bool(true), Shared: proto.Bool(shared)}
	}
	return map[string]*policyv1.Policy{
		"Known":  {Cache: cache(false)},
		"Public": {Cache: cache(true)},
		"Scoped": {Coalesce: coalesce(true)},
		"Kept":   {Cache: cache(true), Coalesce: coalesce(true)},
		"Own":    {Cache: cache(false), Coalesce: coalesce(false)},
	}
}

// tenant is a caller who belongs to one of several organizations with the same subjects.
type tenant struct {
	caller
	organization string
}

func (h *vaultHouse) tenants() []tenant {
	all := []tenant{{caller: caller{name: "anonymous"}}}
	for _, organization := range []string{"red", "blue"} {
		for _, subject := range []string{"alice", "bob"} {
			for _, role := range []string{"keeper", "guest"} {
				token := h.issuer.Token(subject, map[string]any{"scope": "open read", "roles": []string{role}, "tenant": organization})
				all = append(all, tenant{organization: organization, caller: caller{
					name: organization + " " + subject + " " + role, subject: subject,
					header: http.Header{"Authorization": {"Bearer " + token}}, scopes: []string{"open", "read"}, roles: []string{role},
				}})
			}
		}
	}
	return all
}

// identified answers with what the backend receives about its caller.
func identified(s *rpctest.Stream) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	time.Sleep(time.Millisecond) // so that calls meet
	md := s.Metadata()
	first := func(key string) string { return strings.Join(md.Get(key), "+") }
	who := fmt.Sprintf("(%s %s %s)", first("x-protean-claim-tenant"), first("x-protean-subject"), first("accept-language"))
	var box []byte
	for i, text := range []string{who, boxPin, boxPhone} {
		box = protowire.AppendString(protowire.AppendTag(box, protowire.Number(i+1), protowire.BytesType), text)
	}
	return s.Send(box)
}

// identities are what identified answers, in any protocol's response.
var identities = regexp.MustCompile(`\((red|blue)? [a-z]* (de|en)\)`)

func startTenants(t *testing.T) *vaultHouse {
	t.Helper()
	h := startVault(t, func(c *configv1.Config) {
		c.Identity = &configv1.Identity{Claims: []string{"tenant"}}
		for _, rule := range c.GetPolicies() {
			if p := storing()[strings.TrimPrefix(rule.GetSelector(), "vault.v1.Vault.")]; p != nil {
				proto.Merge(rule.Policy, p)
			}
		}
	})
	for method := range storing() {
		h.backend.Handle("/vault.v1.Vault/"+method, identified)
	}
	return h
}

// TestCacheMatrix has callers of two organizations, with the same subjects, ask for the same with every kind of cache on every
// protocol. Each must receive the response that was made for it.
func TestCacheMatrix(t *testing.T) {
	h := startTenants(t)
	callers, ways := h.tenants(), h.waysTo(t)
	doors := slices.DeleteFunc(slices.Clone(doorways), func(d doorway) bool { return d.name == "GraphQL join" || strings.Contains(d.name, "alias") }) // which say nothing of the owner
	methods := []string{"Known", "Public", "Scoped", "Kept", "Own"}
	var next, answered atomic.Int64
	visitOne := func(n int) {
		random := rand.New(rand.NewPCG(uint64(n), 2))
		who := callers[random.IntN(len(callers))]
		door := doors[random.IntN(len(doors))]
		language := []string{"de", "en"}[random.IntN(2)]
		v := &visit{way: ways[random.IntN(len(ways))], method: methods[random.IntN(len(methods))], owner: "alice", header: http.Header{}}
		for name, values := range who.header {
			v.header[name] = values
		}
		v.header.Set("Accept-Language", language)
		got, err := door.call(v)
		where := fmt.Sprintf("%s as %s on %s over %s", v.method, who.name, door.name, v.way.name)
		want := who.decision(v.method, v.owner)
		if err != nil || got.code != want {
			t.Errorf("%s: %v %v, want %v: %q", where, err, got.code, want, got.body)
			return
		}
		if want != codes.OK {
			return
		}
		answered.Add(1)
		mine := fmt.Sprintf("(%s %s %s)", who.organization, who.subject, language)
		if found := identities.FindAllString(string(got.body), -1); len(found) != 1 || found[0] != mine {
			t.Errorf("%s: %q is not the response for %s", where, got.body, mine)
		}
		if shown := bytes.Contains(got.body, []byte(boxPin)); shown != who.seesPin() {
			t.Errorf("%s: the pin is shown: %v: %q", where, shown, got.body)
		}
	}
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for n := next.Add(1) - 1; n < int64(*matrixRequests) && !t.Failed(); n = next.Add(1) - 1 {
				visitOne(int(n))
			}
		})
	}
	workers.Wait()
	if t.Failed() {
		return
	}
	made := 0
	for _, method := range methods {
		made += h.backend.Calls("/vault.v1.Vault/" + method)
	}
	if made >= int(answered.Load()) {
		t.Fatalf("%d calls for %d responses: nothing was shared", made, answered.Load())
	}
	t.Logf("%d requests as %d callers: %d responses of %d calls to the backend, each for its own caller",
		*matrixRequests, len(callers), answered.Load(), made)
}

// TestCachingHeaders asks for responses that may be stored, on the protocols on which caches between the gateway and its
// clients see a GET.
func TestCachingHeaders(t *testing.T) {
	h := startTenants(t)
	alice := h.tenants()[1].header
	h.backend.Handle("/vault.v1.Vault/Scoped", func(s *rpctest.Stream) error {
		if err := s.SendHeader(metadata.Pairs("cache-control", `public, s-maxage=9, max-age=5, no-cache="a, public"`, "vary", "tenant")); err != nil {
			return err
		}
		return identified(s)
	})
	for _, c := range []struct {
		path          string
		header        http.Header
		control, vary string
	}{
		{"/v1/public/alice", nil, "private, max-age=3600", "Accept,Accept-Language"}, // its fields have policies
		{"/v1/known/alice", alice, "private, max-age=3600", "Accept,Accept-Language"},
		{"/v1/scoped/alice", alice, "private, max-age=5, no-cache", "Accept,Tenant"},
		{"/vault.v1.Vault/Known?connect=v1&encoding=json&message=%7B%7D", alice, "private, max-age=3600", "Accept-Encoding,Accept-Language"},
		{"/vault.v1.Vault/Scoped?connect=v1&encoding=json&message=%7B%7D", alice, "private, max-age=5, no-cache", "Accept-Encoding,Tenant"},
	} {
		r, err := http.NewRequest(http.MethodGet, "http://"+h.address+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = c.header.Clone()
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		vary := response.Header.Values("Vary")
		slices.Sort(vary)
		if control := response.Header.Get("Cache-Control"); response.StatusCode != http.StatusOK || control != c.control || strings.Join(vary, ",") != c.vary {
			t.Errorf("%s: %d, Cache-Control %q, Vary %q, want %q and %q", c.path, response.StatusCode, control, vary, c.control, c.vary)
		}
	}
}
