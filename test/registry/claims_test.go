package registry

import (
	"fmt"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// TestServiceRace has two replicas register one service under two names at once. One of them gets it, the other one is
// rejected, and all replicas agree, also one that starts later.
func TestServiceRace(t *testing.T) {
	c := startEtcd(t, 1)
	replicas := []*replica{
		startReplicaWith(t, &configv1.Registry{}, c.endpoints(), t.TempDir()),
		startReplicaWith(t, &configv1.Registry{}, c.endpoints(), t.TempDir()),
	}
	holders := make(map[string]string)
	rounds := scaled(200, 20)
	for round := range rounds {
		service := fmt.Sprint("race", round)
		holders["shelf."+service+".Shelves/GetShelf"] = registerAtOnce(t, replicas, service)
	}
	for i, r := range append(replicas, startReplica(t, c.endpoints(), t.TempDir())) {
		for method, want := range holders {
			out, err := r.admin.Explain(t.Context(), &adminv1.ExplainRequest{Method: method})
			if err != nil || len(out.GetCalls()) != 1 || out.GetCalls()[0].GetBackend() != want {
				t.Errorf("replica %d: %s is not served by %s: %v, %v", i, method, want, out, err)
			}
		}
	}
}

// registerAtOnce registers a service through each replica under a name of its own, and returns the one that was accepted.
func registerAtOnce(t *testing.T, replicas []*replica, service string) string {
	t.Helper()
	names := make([]string, len(replicas))
	errs := make([]error, len(replicas))
	var registering sync.WaitGroup
	for i, r := range replicas {
		names[i] = fmt.Sprintf("%c-%s", 'z'-i, service)
		registering.Go(func() {
			_, errs[i] = r.admin.Register(t.Context(), &adminv1.RegisterRequest{
				Backend: names[i], Address: "127.0.0.1:1", Descriptors: shelf(service, "x"),
			})
		})
	}
	registering.Wait()
	accepted := ""
	for i, err := range errs {
		switch {
		case err == nil && accepted == "":
			accepted = names[i]
		case err == nil:
			t.Fatalf("%s was accepted besides %s", names[i], accepted)
		case status.Code(err) != codes.FailedPrecondition:
			t.Fatalf("%s: %v", names[i], err)
		}
	}
	return accepted
}
