package gate

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/tools/txtar"
)

func TestAffected(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/graph.txtar")
	if err != nil {
		t.Fatal(err)
	}
	old, updated := viewsOf(t, archive)
	usage := NewUsage(time.Hour)
	usage.Ran("web", "{ listItems { items { title } } }")
	usage.Ran("app", "{ listItems { items { id pages } } }")
	usage.Called("robot", "/shop.v1.Shop/SaveItem", time.Now())
	findings := compare(t, old, updated)
	got := make(map[string][]string)
	affected, err := usage.Affected(t.Context(), findings, old.Graph)
	if err != nil {
		t.Fatal(err)
	}
	for i, clients := range affected {
		got[findings[i].Surface.String()+" "+findings[i].Element] = clients
	}
	for element, want := range map[string][]string{
		"graphql Item.title":            {"web"},
		"graphql Item.pages":            {"app"},
		"graphql Query.getItem(id:)":    nil,
		"wire shop.v1.Item.pages":       {"robot"},
		"wire shop.v1.GetItemRequest.x": nil,
	} {
		if !slices.Equal(got[element], want) {
			t.Errorf("%s: %q are affected, want %q", element, got[element], want)
		}
	}
}

func TestUsageForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usage := NewUsage(time.Hour)
		usage.Ran("web", "{ a }")
		time.Sleep(40 * time.Minute)
		usage.Ran("app", "{ b }")
		time.Sleep(40 * time.Minute)
		if got, want := usage.Documents(), map[string][]string{"{ b }": {"app"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		usage.Ran("web", "{ a }")
		if n := len(usage.Documents()); n != 2 {
			t.Errorf("what is used again is not remembered: %d documents", n)
		}
	})
}

func TestUsageIsBounded(t *testing.T) {
	usage := NewUsage(time.Hour)
	for i := range 3 * maxUses {
		usage.Called("client", fmt.Sprintf("/shop.Shop/M%d", i), time.Now())
	}
	if n := len(usage.uses); n > maxUses {
		t.Errorf("%d uses are remembered", n)
	}
	large := strings.Repeat("x", maxDocumentBytes/32)
	for i := range 100 {
		usage.Ran("client", large+fmt.Sprint(i))
	}
	if usage.documents > maxDocumentBytes {
		t.Errorf("%d bytes of documents are remembered", usage.documents)
	}
}

func TestUsageAllocatesNothing(t *testing.T) {
	usage := NewUsage(time.Hour)
	if n := testing.AllocsPerRun(100, func() {
		usage.Called("client", "/shop.Shop/M", time.Now())
		usage.Ran("client", "{ a }")
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
