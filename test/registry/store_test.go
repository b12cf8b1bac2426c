package registry

import (
	"fmt"
	"testing"

	"github.com/protean-gateway/protean/schema/store"
	"github.com/protean-gateway/protean/schema/store/storetest"
)

// TestEtcdConformance runs what every store must do on one node and on three.
func TestEtcdConformance(t *testing.T) {
	for _, nodes := range []int{1, 3} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			c := startEtcd(t, nodes)
			i := 0
			storetest.Conformance(t, func(t *testing.T) *store.Store {
				i++
				s := c.open(fmt.Sprintf("/test%d/", i))
				t.Cleanup(func() { s.Close() })
				return s
			})
		})
	}
}

// TestCompaction compacts away what a store has not seen yet: it hears of changes all the same.
func TestCompaction(t *testing.T) {
	c := startEtcd(t, 1)
	writer, reader := c.open(""), c.open("")
	defer writer.Close()
	defer reader.Close()
	for i := range 20 {
		if _, _, err := writer.Append(t.Context(), storetest.Change("a", fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	c.compact()
	for range reader.Changes() {
		head, err := reader.Head(t.Context(), "a")
		if err != nil {
			t.Fatal(err)
		}
		if head.GetNumber() == 20 {
			break
		}
	}
	history, err := reader.List(t.Context(), "a", 0, 0)
	if err != nil || len(history) != 20 {
		t.Errorf("%d revisions, %v", len(history), err)
	}
}
