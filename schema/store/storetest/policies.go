package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/schema/store"
)

// PolicyChange returns a change that says a rule of a selector; an empty rule takes it back.
func PolicyChange(selector, rule string) store.PolicyChange {
	p := &adminv1.RegisteredPolicy{Selector: selector, Owner: "ops", Reason: "why", Deleted: rule == ""}
	if rule != "" {
		p.Said = &adminv1.RegisteredPolicy_Policy{Policy: &policyv1.Policy{Authorize: &policyv1.Authorize{Rule: proto.String(rule)}}}
	}
	return store.PolicyChange{Policy: p}
}

func policies(t *testing.T, s *store.Store) {
	put := func(selector, rule, expected string) (*adminv1.RegisteredPolicy, error) {
		c := PolicyChange(selector, rule)
		c.Expected = expected
		return s.PutPolicy(t.Context(), c)
	}
	mustPut := func(selector, rule, expected string) *adminv1.RegisteredPolicy {
		t.Helper()
		p, err := put(selector, rule, expected)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	if _, err := s.Policy(t.Context(), "*"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("nothing is said: %v", err)
	}
	first := mustPut("shop.*", "a", store.None)
	second := mustPut("shop.*", "b", first.GetDigest())
	if first.GetNumber() != 1 || second.GetNumber() != 2 || second.GetParent() != first.GetDigest() || len(second.GetDigest()) != 64 {
		t.Errorf("numbers and parents: %v, %v", first, second)
	}
	for _, expected := range []string{first.GetDigest(), store.None, "0000"} {
		_, err := put("shop.*", "c", expected)
		if conflict, ok := errors.AsType[*store.ConflictError](err); !ok || conflict.Current != second.GetDigest() {
			t.Errorf("expecting %s: %v", expected, err)
		}
	}
	mustPut("*", "all", "")
	must(t, s, Change("shop", "a backend is no policy"))
	all, err := s.Policies(t.Context())
	if err != nil || !slices.Equal(selectorsOf(all), []string{"*", "shop.*"}) || !proto.Equal(all[1], second) {
		t.Errorf("all: %v, %v", all, err)
	}
	if heads, err := s.Heads(t.Context()); err != nil || len(heads) != 1 {
		t.Errorf("a policy is no backend: %v, %v", heads, err)
	}
	gone := mustPut("shop.*", "", second.GetDigest())
	again := mustPut("shop.*", "d", store.None)
	if !gone.GetDeleted() || again.GetNumber() != 4 || again.GetParent() != gone.GetDigest() {
		t.Errorf("after it was taken back: %v, %v", gone, again)
	}
	if one, err := s.Policy(t.Context(), "shop.*"); err != nil || !proto.Equal(one, again) {
		t.Errorf("%v, %v", one, err)
	}
	if _, err := put("shop.*", strings.Repeat("x", 70<<10), ""); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a large one: %v", err)
	}
	for _, selector := range []string{"", "a/b", "a\x00", strings.Repeat("x", 300)} {
		if _, err := put(selector, "r", ""); err == nil {
			t.Errorf("the selector %.10q was kept", selector)
		}
	}
	policyWriters(t, s)
}

// policyWriters replaces one policy by many at once: each that expects what it saw wins once.
func policyWriters(t *testing.T, s *store.Store) {
	const writers, writes = 4, 5
	var writing sync.WaitGroup
	for range writers {
		writing.Go(func() {
			for done := 0; done < writes; {
				c := PolicyChange("count.*", "r")
				c.Seen = store.None
				if seen, err := s.Policy(t.Context(), "count.*"); err == nil {
					c.Seen = seen.GetDigest()
				} else if !errors.Is(err, store.ErrNotFound) {
					t.Error(err)
					return
				}
				_, err := s.PutPolicy(t.Context(), c)
				if _, lost := errors.AsType[*store.ConflictError](err); lost {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				done++
			}
		})
	}
	writing.Wait()
	if p, err := s.Policy(t.Context(), "count.*"); err != nil || p.GetNumber() != writers*writes {
		t.Errorf("%d writes led to %v, %v", writers*writes, p, err)
	}
}

func selectorsOf(all []*adminv1.RegisteredPolicy) (selectors []string) {
	for _, p := range all {
		selectors = append(selectors, p.GetSelector())
	}
	return selectors
}
