package registry

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// TestPoliciesSpread says a policy at one replica: all hold it, also one that starts while etcd is away. One
// that never heard of any then refuses calls, until etcd is back.
func TestPoliciesSpread(t *testing.T) {
	etcd := startEtcd(t, 1)
	states := t.TempDir()
	one := startReplica(t, etcd.endpoints(), filepath.Join(states, "one"))
	two := startReplica(t, etcd.endpoints(), filepath.Join(states, "two"))
	registerTurns(t, one, answering(t, "0"), 0)
	await(t, "the other replica", func() bool { return served(two) == "0" })
	said, err := one.admin.PutPolicy(t.Context(), &adminv1.PutPolicyRequest{Selector: "turns.*", Said: &adminv1.PutPolicyRequest_Policy{
		Policy: &policyv1.Policy{RateLimit: &policyv1.RateLimit{Requests: proto.Uint32(0)}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if got := statusOf(t, one.Addr()); got != http.StatusTooManyRequests {
		t.Errorf("where it was said: %d", got)
	}
	await(t, "the policy at the other replica", func() bool { return statusOf(t, two.Addr()) == http.StatusTooManyRequests })
	list, err := two.admin.ListPolicies(t.Context(), &adminv1.ListPoliciesRequest{})
	if err != nil || len(list.GetPolicies()) != 1 || !proto.Equal(list.GetPolicies()[0], said.GetPolicy()) {
		t.Errorf("%v, %v", list, err)
	}

	etcd.stop()
	cold := startProcess(t, "--state", copyOf(t, filepath.Join(states, "two")), "--config", etcdConfig(t, etcd))
	defer cold.kill()
	await(t, "the policy at a replica that starts in the outage", func() bool { return statusOf(t, cold.clients) == http.StatusTooManyRequests })

	etcd.restart()
	await(t, "etcd to take it back", func() bool {
		_, err := two.admin.DeletePolicy(t.Context(), &adminv1.DeletePolicyRequest{Selector: "turns.*"})
		return err == nil
	})
	for _, address := range []string{one.Addr(), two.Addr(), cold.clients} {
		await(t, "calls after it was taken back", func() bool { return statusOf(t, address) == http.StatusOK })
	}
}

// statusOf calls a replica.
func statusOf(t *testing.T, address string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(context.Background(), http.MethodPost,
		"http://"+strings.TrimPrefix(address, "http://")+"/turns.v1.Turns/Who", strings.NewReader(`"x"`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0 // it is not up yet
	}
	response.Body.Close()
	return response.StatusCode
}
