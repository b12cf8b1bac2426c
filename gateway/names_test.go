package gateway

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/schema"
)

// itemsOf is one of several backends that want the same names.
func itemsOf(pkg string) string {
	return fmt.Sprintf(`
edition = "2023";
package %s.v1;
service Items { rpc GetItem(GetItemRequest) returns (Item); rpc List%[1]s(GetItemRequest) returns (Item); }
message GetItemRequest { string name = 1; }
message Item { string name = 1; }
`, pkg)
}

// startedWith opens a gateway for the backends, none of which is loaded.
func startedWith(t *testing.T, state string, log *slog.Logger, backends ...string) *Gateway {
	t.Helper()
	config := &configv1.Config{State: proto.String(state), Admin: proto.String("off")}
	for _, name := range backends {
		config.Backends = append(config.Backends, &configv1.Backend{Name: proto.String(name), Address: proto.String("127.0.0.1:1")})
	}
	g, err := New(config, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.close)
	return g
}

func (g *Gateway) loads(t *testing.T, backends ...string) {
	t.Helper()
	for _, name := range backends {
		g.registry.Seed(name, filesOf(t, name, itemsOf(name)).Files)
		g.followSources(t.Context())
	}
}

func (g *Gateway) publishedNames() map[string]string {
	names := g.views.Load().snapshot.Names
	all := maps.Clone(names.Types)
	maps.Copy(all, names.Fields)
	return all
}

// TestNamesIgnoreLoadOrder loads the backends of one configuration in every order. The names in the end are those of
// the configuration's order, with and without a place to keep names.
func TestNamesIgnoreLoadOrder(t *testing.T) {
	want := map[string]string{
		"billing.v1.Item": "Item", "billing.v1.GetItemRequest": "GetItemRequest",
		"catalog.v1.Item": "catalog_v1_Item", "catalog.v1.GetItemRequest": "catalog_v1_GetItemRequest",
		"stock.v1.Item": "stock_v1_Item", "stock.v1.GetItemRequest": "stock_v1_GetItemRequest",
		"billing.v1.Items.GetItem": "billingV1ItemsGetItem", "billing.v1.Items.Listbilling": "listbilling",
		"catalog.v1.Items.GetItem": "catalogV1ItemsGetItem", "catalog.v1.Items.Listcatalog": "listcatalog",
		"stock.v1.Items.GetItem": "stockV1ItemsGetItem", "stock.v1.Items.Liststock": "liststock",
	}
	configured := []string{"billing", "catalog", "stock"}
	for _, order := range [][]string{
		{"billing", "catalog", "stock"}, {"billing", "stock", "catalog"}, {"catalog", "billing", "stock"},
		{"catalog", "stock", "billing"}, {"stock", "billing", "catalog"}, {"stock", "catalog", "billing"},
	} {
		for mode, state := range map[string]string{"nothing kept": "", "state": t.TempDir()} {
			t.Run(strings.Join(order, " ")+" "+mode, func(t *testing.T) {
				g := startedWith(t, state, slog.New(slog.DiscardHandler), configured...)
				g.loads(t, order...)
				if got := g.publishedNames(); !maps.Equal(got, want) {
					t.Errorf("got %v\nwant %v", got, want)
				}
				kept, err := g.state.names()
				if err != nil || (kept != nil) != (state != "") {
					t.Errorf("kept: %v, %v", kept, err)
				}
			})
		}
	}
}

// TestNamesOfLateBackend starts a gateway while the first backend of its configuration is down. Without a lock the
// backend gets its names when it comes; with one, the names that were served once the gateway was ready stay.
func TestNamesOfLateBackend(t *testing.T) {
	const warning = "GraphQL names have changed"
	for _, test := range []struct {
		name, state     string
		billing, second string // the names of Item in the end
		warns           bool
	}{
		{"nothing kept", "", "Item", "catalog_v1_Item", true},
		{"state", t.TempDir(), "billing_v1_Item", "Item", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			var log bytes.Buffer
			g := startedWith(t, test.state, slog.New(slog.NewTextHandler(&log, nil)), "billing", "catalog")
			g.loads(t, "catalog")
			if kept, err := g.state.names(); err != nil || kept != nil {
				t.Errorf("names were kept before the gateway was ready: %v, %v", kept, err)
			}
			g.markReady() // as after startup_grace
			g.swap(t.Context())
			if name := g.publishedNames()["catalog.v1.Item"]; name != "Item" {
				t.Errorf("alone, the type is %s", name)
			}
			g.loads(t, "billing")
			names := g.publishedNames()
			if names["billing.v1.Item"] != test.billing || names["catalog.v1.Item"] != test.second {
				t.Errorf("names: %v", names)
			}
			if warned := strings.Contains(log.String(), warning); warned != test.warns {
				t.Errorf("the log warns of changed names: %t\n%s", warned, log.String())
			}
		})
	}
}

// TestNamesStayWithRegistrations locks names without a state folder as soon as there are registrations.
func TestNamesStayWithRegistrations(t *testing.T) {
	g := startedWith(t, "", slog.New(slog.DiscardHandler), "catalog")
	g.loads(t, "catalog")
	g.registrations.served = map[string]*registration{"other": nil}
	s := g.swapper
	s.names = g.lockedNames()
	snapshot, _ := compileWith(t, &s, g.current(), filesOf(t, "billing", itemsOf("billing")), filesOf(t, "catalog", itemsOf("catalog")))
	if name := snapshot.Names.Type("catalog.v1.Item"); name != "Item" {
		t.Errorf("the type is %s", name)
	}
}

// TestProblemsWithNamesAreGrouped logs one line for all problems with the names of one service.
func TestProblemsWithNamesAreGrouped(t *testing.T) {
	var log bytes.Buffer
	g := startedWith(t, "", slog.New(slog.NewTextHandler(&log, nil)), "billing", "catalog")
	g.loads(t, "billing", "catalog")
	lines := slices.DeleteFunc(strings.Split(log.String(), "\n"), func(line string) bool { return !strings.Contains(line, " scope=") })
	want := []string{
		`backend=catalog scope=catalog.v1 count=2`,
		`backend=billing scope=billing.v1.Items count=1`,
		`backend=catalog scope=catalog.v1.Items count=1`,
	}
	if len(lines) != len(want) {
		t.Fatalf("%d lines: %s", len(lines), log.String())
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) {
			t.Errorf("line %d is %s, want %s", i+1, line, want[i])
		}
	}
	if groups := schema.GroupByScope(g.views.Load().problems); len(groups) != len(want) {
		t.Errorf("problems: %v", groups)
	}
}
