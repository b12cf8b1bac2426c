package store

import (
	"context"
	"encoding/json"
	"errors"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

const ownersKey = "owners"

// Owners counts the registrations of each owner. What one of them may register depends on what
// the others have, so a registration that was checked holds only while their counts stay.
type Owners map[string]int64

// claimsCount is the key under which Owners counts claims of services. It is not a valid name of an owner.
const claimsCount = "\x00claims"

// ErrOthersChanged says that another owner registered something, or somebody claimed a service, after
// a change was checked.
var ErrOthersChanged = errors.New("something else was registered meanwhile")

// Owners returns the counts as they are. Registrations that are read after it are at least as new.
func (s *Store) Owners(ctx context.Context) (Owners, error) {
	return readOwners(reading{ctx, s.place})
}

// readOwners takes counts that are damaged for none: all that was checked against others is then
// checked once more.
func readOwners(from getter) (Owners, error) {
	owners := make(Owners)
	text, err := from.get(ownersKey)
	if err != nil || text == nil {
		return owners, err
	}
	if json.Unmarshal(text, &owners) != nil {
		return make(Owners), nil //nolint:nilerr // as it is said above
	}
	return owners, nil
}

// count counts a registration, provided that nothing was registered meanwhile that it was not checked against,
// and gives claims without rank the next one.
func (c Change) count(t tx, r *adminv1.Revision, highest int64) error {
	claiming := hasUnranked(r)
	if c.Owners == nil && !claiming {
		return nil
	}
	current, err := readOwners(t)
	if err != nil {
		return err
	}
	if c.Owners != nil {
		if c.Owners.outdated(current, r.GetOwner(), claiming) {
			return ErrOthersChanged
		}
		current[r.GetOwner()]++
	}
	if claiming {
		current[claimsCount] = max(current[claimsCount], highest) + 1
		rank(r, current[claimsCount])
	}
	text, err := json.Marshal(current)
	if err != nil {
		return err
	}
	return t.put(ownersKey, text)
}

// outdated reports whether another owner registered something since the counts were seen or, for a
// registration with new claims, anyone claimed a service.
func (seen Owners) outdated(current Owners, owner string, claiming bool) bool {
	for other, n := range current {
		if n == seen[other] || other == owner || other == claimsCount && !claiming {
			continue
		}
		return true
	}
	return false
}
