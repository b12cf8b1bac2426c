package store_test

import (
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/schema/store"
	"github.com/protean-gateway/protean/schema/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Conformance(t, func(*testing.T) *store.Store { return store.InMemory() })
}

func TestFile(t *testing.T) {
	storetest.Conformance(t, func(t *testing.T) *store.Store {
		s := open(t, filepath.Join(t.TempDir(), "registrations.db"))
		t.Cleanup(func() { s.Close() })
		return s
	})
}

func open(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFileReopened finds everything again.
func TestFileReopened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "registrations.db")
	s := open(t, path)
	r, _, err := s.Append(t.Context(), storetest.Change("a", "one"))
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s = open(t, path)
	defer s.Close()
	head, err := s.Head(t.Context(), "a")
	if err != nil || !proto.Equal(head, r) {
		t.Errorf("the head is %v, %v", head, err)
	}
	if text, err := s.Descriptors(t.Context(), head); err != nil || string(text) != "one" {
		t.Errorf("the descriptors are %q, %v", text, err)
	}
}
