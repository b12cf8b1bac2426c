package store

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
)

const (
	namesKey = "names"
	// etcd refuses requests over 1.5 MB. Names shrink to less than a tenth.
	maxSealedNames = 1 << 20
	maxNamesBytes  = 32 << 20
)

// Names returns the lock of GraphQL names that all gateways on this store share; nil where none
// was ever kept. What it says is for the caller to check.
func (s *Store) Names(ctx context.Context) ([]byte, error) {
	sealed, err := s.place.get(ctx, namesKey)
	if err != nil || sealed == nil {
		return nil, err
	}
	return openNames(sealed)
}

// SwapNames replaces the lock where it still is what the caller has seen, of which nil stands for none. Otherwise it
// changes nothing and returns what it is now. Once it has returned, the lock is durable. A lock that is damaged is
// replaced, whatever was seen: there is nothing else left of it.
func (s *Store) SwapNames(ctx context.Context, seen, next []byte) (current []byte, swapped bool, err error) {
	sealed, err := sealNames(next)
	if err != nil {
		return nil, false, err
	}
	err = s.place.update(ctx, func(t tx) error {
		swapped, current = false, nil
		known, err := t.get(namesKey)
		if err != nil {
			return err
		}
		if known != nil {
			if current, err = openNames(known); err == nil && !bytes.Equal(current, seen) {
				return nil
			}
		} else if seen != nil {
			return nil
		}
		swapped = true
		return t.put(namesKey, sealed)
	})
	if err != nil {
		return nil, false, err
	}
	if swapped {
		current = next
	}
	return current, swapped, nil
}

// sealNames puts a digest before the compressed names.
func sealNames(names []byte) ([]byte, error) {
	if len(names) > maxNamesBytes {
		return nil, fmt.Errorf("%w: the names have %d bytes; the limit is %d", ErrTooLarge, len(names), maxNamesBytes)
	}
	sum := sha256.Sum256(names)
	b := bytes.NewBuffer(sum[:])
	w := gzip.NewWriter(b)
	if _, err := w.Write(names); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	if b.Len() > maxSealedNames {
		return nil, fmt.Errorf("%w: the names have %d bytes when compressed; the limit is %d", ErrTooLarge, b.Len(), maxSealedNames)
	}
	return b.Bytes(), nil
}

func openNames(sealed []byte) ([]byte, error) {
	damaged := fmt.Errorf("%w: the lock of GraphQL names cannot be read", ErrDamaged)
	if len(sealed) < sha256.Size {
		return nil, damaged
	}
	r, err := gzip.NewReader(bytes.NewReader(sealed[sha256.Size:]))
	if err != nil {
		return nil, damaged
	}
	names, err := io.ReadAll(io.LimitReader(r, maxNamesBytes+1))
	if err != nil || len(names) > maxNamesBytes {
		return nil, damaged
	}
	if sum := sha256.Sum256(names); !bytes.Equal(sum[:], sealed[:sha256.Size]) {
		return nil, damaged
	}
	return names, nil
}
