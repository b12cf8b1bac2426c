package store

import (
	"context"
	"encoding/json"
	"errors"
)

const ownersKey = "owners"

// Owners counts the registrations of each owner. What one of them may register depends on what
// the others have, so a registration that was checked holds only while their counts stay.
type Owners map[string]int64

// ErrOthersChanged says that another owner registered something after a change was checked.
var ErrOthersChanged = errors.New("another owner registered something meanwhile")

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

// count adds a registration of an owner, provided that no other has any that was not seen.
func (seen Owners) count(t tx, owner string) error {
	current, err := readOwners(t)
	if err != nil {
		return err
	}
	for other, n := range current {
		if other != owner && n != seen[other] {
			return ErrOthersChanged
		}
	}
	current[owner]++
	text, err := json.Marshal(current)
	if err != nil {
		return err
	}
	return t.put(ownersKey, text)
}
