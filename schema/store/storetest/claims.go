package storetest

import (
	"errors"
	"testing"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema/store"
)

// claims get ranks in the order in which they are kept, and are kept only while nobody else has claimed anything.
func claims(t *testing.T, s *store.Store) {
	ctx := t.Context()
	of := func(backend, content string, seen store.Owners, ranks ...int64) store.Change {
		c := Change(backend, content)
		c.Owners = seen
		for i, rank := range ranks {
			claim := &adminv1.ServiceClaim{Rank: rank}
			if i > 0 {
				claim.Services = []string{"x.Service"}
			}
			c.Revision.Claims = append(c.Revision.Claims, claim)
		}
		return c
	}
	seen := func() store.Owners {
		t.Helper()
		owners, err := s.Owners(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return owners
	}
	want := func(r *adminv1.Revision, ranks ...int64) {
		t.Helper()
		got := r.GetClaims()
		for i, rank := range ranks {
			if len(got) != len(ranks) || got[i].GetRank() != rank {
				t.Fatalf("the claims are %v, want %v", got, ranks)
			}
		}
		head, err := s.Head(ctx, r.GetBackend())
		if err != nil || len(head.GetClaims()) != len(ranks) || head.GetClaims()[0].GetRank() != ranks[0] {
			t.Fatalf("kept are %v, %v", head.GetClaims(), err)
		}
	}
	first := seen()
	want(must(t, s, of("a", "1", first, store.NextRank)), 1)
	if _, _, err := s.Append(ctx, of("b", "1", first, store.NextRank)); !errors.Is(err, store.ErrOthersChanged) {
		t.Errorf("a claim that was not seen: %v", err)
	}
	want(must(t, s, of("a", "2", first, 1)), 1) // what claims nothing new need not have seen it
	want(must(t, s, of("b", "1", seen(), store.NextRank)), 2)
	want(must(t, s, of("a", "3", seen(), 1, store.TakeOverRank)), 1, -3)
	want(must(t, s, of("c", "1", nil, store.NextRank)), 4)

	keyed := of("d", "1", seen(), store.NextRank)
	keyed.Key = "job"
	want(must(t, s, keyed), 5)
	keyed.Revision.Claims = nil // the same registration claims nothing once it is kept
	if r, repeated, err := s.Append(ctx, keyed); err != nil || !repeated || r.GetClaims()[0].GetRank() != 5 {
		t.Errorf("repeated: %v, %v, %v", r, repeated, err)
	}
}
