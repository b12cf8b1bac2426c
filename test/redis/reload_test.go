package redis

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/protean-gateway/protean/examples"
)

// TestReloadedStore gives running gateways a Redis, another one, and none, in their configuration alone: each time
// they count where it says, at once.
func TestReloadedStore(t *testing.T) {
	shop, err := examples.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	first, second := freeAddress(t), freeAddress(t)
	startRedis(t, first)
	startRedis(t, second)
	file := filepath.Join(t.TempDir(), "protean.yaml")
	version := 0
	write := func(redis string) {
		version++ // what a limit is said for names the budget, so that each has one of its own
		text := "backends:\n"
		for _, b := range shop.Backends {
			text += fmt.Sprintf("  - {name: %s, address: '%s'}\n", b.Name, b.Address)
		}
		text += fmt.Sprintf("policies: [{selector: '*', policy: {rateLimit: {requests: 4, per: 3600s, key: [ip]}}}]\ngraphql: {maxDepth: %d}\n", 10+version)
		if redis != "" {
			text += fmt.Sprintf("redis: {address: '%s', budget: 1s, prefix: 'v%d:'}\n", redis, version)
		}
		if err := os.WriteFile(file+".next", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".next", file); err != nil {
			t.Fatal(err)
		}
	}
	write(first)
	gateways := []*process{startGateway(t, file), startGateway(t, file)}
	allowed := func() (n int) {
		for range 6 {
			for _, g := range gateways {
				if g.call() == http.StatusOK {
					n++
				}
			}
		}
		return n
	}
	if n := allowed(); n != 4 {
		t.Errorf("%d calls were allowed with the first Redis", n)
	}
	for _, step := range []struct {
		name, redis string
		allowed     int
	}{
		{"another Redis", second, 4},
		{"the first under another prefix", first, 4},
		{"none", "", 8}, // each counts for itself, for the first time
		{"the other again", second, 4},
	} {
		before := []string{gateways[0].metric(t, "protean_config_reloads_total"), gateways[1].metric(t, "protean_config_reloads_total")}
		write(step.redis)
		for i, g := range gateways {
			await(t, "a gateway to read its configuration", func() bool { return g.metric(t, "protean_config_reloads_total") != before[i] })
		}
		if n := allowed(); n != step.allowed {
			t.Errorf("%s: %d calls were allowed, want %d", step.name, n, step.allowed)
		}
	}
}
