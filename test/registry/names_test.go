package registry

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// typesOf returns what GraphQL clients of a replica see of types and root fields.
func typesOf(t *testing.T, r *replica) string {
	t.Helper()
	resp, err := http.Post("http://"+r.Addr()+"/graphql", "application/json",
		strings.NewReader(`{"query": "{__schema{types{name} queryType{fields{name type{name}}}}}"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return string(text)
}

// TestNamesAgree registers packages that want the same short names through three replicas at once. All of them come to
// the same names, a name that was given stays, a new replica without any state has them too, and one that
// starts while etcd is away knows them from its folder.
func TestNamesAgree(t *testing.T) {
	c := startEtcd(t, 1)
	folders := []string{t.TempDir(), t.TempDir(), t.TempDir()}
	var replicas []*replica
	for _, folder := range folders {
		replicas = append(replicas, startReplica(t, c.endpoints(), folder))
	}
	const rounds = 5
	known := make(map[string]bool)
	for round := range rounds {
		var registering sync.WaitGroup
		for i, r := range replicas {
			registering.Go(func() {
				name := fmt.Sprintf("b%d%d", rounds-round, i) // whoever reads all of them at once meets the last first
				if _, err := r.admin.Register(t.Context(), &adminv1.RegisterRequest{
					Backend: name, Address: "127.0.0.1:1", Descriptors: shelf(name, "x"),
				}); err != nil {
					t.Error(err)
				}
			})
		}
		registering.Wait()
		var types string
		await(t, "the same types in all replicas", func() bool {
			types = typesOf(t, replicas[0])
			// One root field a registration: getShelf, shelvesGetShelf or, where that is taken too, shelfB50ShelvesGetShelf.
			return strings.Count(types, `etShelf"`) >= 3*(round+1) &&
				types == typesOf(t, replicas[1]) && types == typesOf(t, replicas[2])
		})
		for field := range strings.SplitSeq(types, `{"name":`) {
			if strings.Contains(field, "etShelf") {
				known[field[:strings.IndexByte(field, ',')]] = true
			}
		}
		if len(known) != 3*(round+1) {
			t.Errorf("after %d rounds %d fields have been seen: some were renamed: %v", round+1, len(known), known)
		}
	}
	want := typesOf(t, replicas[0])
	late := startReplica(t, c.endpoints(), t.TempDir())
	await(t, "the same types in a new replica", func() bool { return typesOf(t, late) == want })
	for _, r := range append(replicas, late) {
		r.stop()
	}
	c.stop()
	again := startReplica(t, c.endpoints(), folders[1])
	if got := typesOf(t, again); got != want {
		t.Errorf("in the outage it has other types:\n%s\n%s", got, want)
	}
}

// TestDamagedNames puts something else in the place of the lock: what is served stays named as it is, and the lock
// is mended with the next name.
func TestDamagedNames(t *testing.T) {
	c := startEtcd(t, 1)
	r := startReplica(t, c.endpoints(), t.TempDir())
	register := func(name string) {
		t.Helper()
		if _, err := r.admin.Register(t.Context(), &adminv1.RegisterRequest{
			Backend: name, Address: "127.0.0.1:1", Descriptors: shelf(name, "x"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	register("one")
	before := typesOf(t, r)
	c.post("/v3/kv/put", `{"key": "L3Byb3RlYW4vbmFtZXM=", "value": "eHh4"}`, &struct{}{}) // /protean/names is xxx
	register("two")
	if after := typesOf(t, r); !strings.Contains(after, `{"name":"getShelf","type":{"name":"Shelf"}}`) || !strings.Contains(before, `{"name":"getShelf","type":{"name":"Shelf"}}`) {
		t.Errorf("before %s, after %s", before, after)
	}
	s := c.open("")
	defer s.Close()
	text, err := s.Names(t.Context())
	if err != nil || !bytes.Contains(text, []byte("shelf.two.Shelf")) {
		t.Errorf("the lock is %s, %v", text, err)
	}
}
