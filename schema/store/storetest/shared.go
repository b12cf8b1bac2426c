package storetest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/protean-gateway/protean/schema/store"
)

// names replaces the lock only where it is what was seen.
func names(t *testing.T, s *store.Store) {
	ctx := t.Context()
	if got, err := s.Names(ctx); got != nil || err != nil {
		t.Fatalf("there are names: %q, %v", got, err)
	}
	swap := func(seen, next, want string, swapped bool) {
		t.Helper()
		var before []byte
		if seen != "" {
			before = []byte(seen)
		}
		current, ok, err := s.SwapNames(ctx, before, []byte(next))
		if err != nil || ok != swapped || string(current) != want {
			t.Errorf("%q for %q: %q, %v, %v", next, seen, current, ok, err)
		}
		if got, err := s.Names(ctx); err != nil || string(got) != want {
			t.Errorf("then the names are %q, %v", got, err)
		}
	}
	swap("something", "a", "", false)
	swap("", "a", "a", true)
	swap("", "b", "a", false)
	swap("x", "b", "a", false)
	swap("a", "b", "b", true)
	large := bytes.Repeat([]byte("acme.shop.v1.Thing "), 500_000)
	swap("b", string(large), string(large), true)
	if _, _, err := s.SwapNames(ctx, large, noise(4<<20)); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("names that do not shrink: %v", err)
	}
}

// namesAtOnce has many add a name each to what they have seen. None is lost.
func namesAtOnce(t *testing.T, s *store.Store) {
	const many = 12
	var adding sync.WaitGroup
	for i := range many {
		adding.Go(func() {
			if err := addName(t.Context(), s, fmt.Sprint("name", i)); err != nil {
				t.Error(err)
			}
		})
	}
	adding.Wait()
	text, err := s.Names(t.Context())
	all := make(map[string]bool)
	if err := errors.Join(err, json.Unmarshal(text, &all)); err != nil || len(all) != many {
		t.Errorf("%d names, %v", len(all), err)
	}
}

func addName(ctx context.Context, s *store.Store, name string) error {
	seen, err := s.Names(ctx)
	for err == nil {
		all := make(map[string]bool)
		if seen != nil {
			if err := json.Unmarshal(seen, &all); err != nil {
				return err
			}
		}
		all[name] = true
		next, _ := json.Marshal(all)
		var swapped bool
		if seen, swapped, err = s.SwapNames(ctx, seen, next); swapped {
			return err
		}
	}
	return err
}

// owners lets a change through only while other owners have what it was checked against.
func owners(t *testing.T, s *store.Store) {
	ctx := t.Context()
	of := func(owner, backend string, seen store.Owners) store.Change {
		c := Change(backend, "x")
		c.Revision.Owner, c.Owners = owner, seen
		return c
	}
	seen, err := s.Owners(ctx)
	if err != nil || len(seen) != 0 {
		t.Fatalf("at first: %v, %v", seen, err)
	}
	must(t, s, of("one", "a", seen))
	if _, _, err := s.Append(ctx, of("two", "b", seen)); !errors.Is(err, store.ErrOthersChanged) {
		t.Errorf("the other owner's registration was not seen: %v", err)
	}
	if _, err := s.Head(ctx, "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("it left something: %v", err)
	}
	must(t, s, of("one", "c", seen)) // its own ones are no matter
	must(t, s, of("one", "d", nil))  // and what is not checked is not counted
	if seen, err = s.Owners(ctx); err != nil || seen["one"] != 2 {
		t.Fatalf("then: %v, %v", seen, err)
	}
	must(t, s, of("two", "b", seen))
}

// ownersAtOnce has several owners register what only one of them may have: each checks, and keeps it only where it
// is free.
func ownersAtOnce(t *testing.T, s *store.Store) {
	const rounds, many = 10, 6
	for round := range rounds {
		var kept atomic.Int64
		var registering sync.WaitGroup
		for i := range many {
			registering.Go(func() {
				ok, err := keepIfFree(t.Context(), s, fmt.Sprint("owner", i), fmt.Sprint("round", round))
				if err != nil {
					t.Error(err)
				}
				if ok {
					kept.Add(1)
				}
			})
		}
		registering.Wait()
		if kept.Load() != 1 {
			t.Errorf("%d owners have it", kept.Load())
		}
	}
}

func keepIfFree(ctx context.Context, s *store.Store, owner, route string) (bool, error) {
	for {
		seen, err := s.Owners(ctx)
		if err != nil {
			return false, err
		}
		heads, err := s.Heads(ctx)
		if err != nil {
			return false, err
		}
		for _, head := range heads {
			if head.GetReason() == route {
				return false, nil
			}
		}
		c := Change(owner+route, "x")
		c.Revision.Owner, c.Revision.Reason, c.Owners = owner, route, seen
		_, _, err = s.Append(ctx, c)
		if !errors.Is(err, store.ErrOthersChanged) {
			return err == nil, err
		}
	}
}
