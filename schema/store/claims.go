package store

import (
	"context"
	"errors"
	"math"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// The ranks of claims that a change makes. [Store.Append] replaces each by the next rank of its kind.
const (
	NextRank     = math.MaxInt64 // behind all claims there are
	TakeOverRank = math.MinInt64 // before all claims there are
)

func hasUnranked(r *adminv1.Revision) bool {
	for _, c := range r.GetClaims() {
		if c.GetRank() == NextRank || c.GetRank() == TakeOverRank {
			return true
		}
	}
	return false
}

// rank gives new claims of a revision their rank.
func rank(r *adminv1.Revision, next int64) {
	for _, c := range r.GetClaims() {
		switch c.GetRank() {
		case NextRank:
			c.Rank = next
		case TakeOverRank:
			c.Rank = -next
		}
	}
}

// highestRank returns the largest distance from zero among the ranks of current revisions, so that a counter
// that was lost does not start again. It is 0 for a record without new claims.
func (s *Store) highestRank(ctx context.Context, record *adminv1.Revision) (highest int64, err error) {
	if !hasUnranked(record) {
		return 0, nil
	}
	heads, err := s.Heads(ctx)
	if err != nil && !errors.Is(err, ErrDamaged) {
		return 0, err
	}
	for _, head := range heads {
		for _, c := range head.GetClaims() {
			highest = max(highest, c.GetRank(), -c.GetRank())
		}
	}
	return highest, nil
}
