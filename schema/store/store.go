// Package store keeps what was registered: for each backend a history of immutable
// revisions, each pinned by its digest, and for each selector the newest policy.
//
// There is one set of rules, in [Store], over places that keep bytes: memory, a file, etcd.
// What is read back is checked as if a stranger had written it.
package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// Store keeps revisions. It is safe for concurrent use. What [Store.Append] has
// answered survives whatever the place survives: a file survives a power cut.
type Store struct {
	place place
}

// place keeps bytes by key, in the order of keys. Keys and contents are those of this package alone.
type place interface {
	// update runs do, perhaps several times, and makes all of what it put visible and durable
	// at once, provided that nothing it read has changed. An error of do ends it without effect.
	update(ctx context.Context, do func(tx) error) error
	// get returns nil where there is nothing.
	get(ctx context.Context, key string) ([]byte, error)
	// last returns the values of the greatest keys that begin with prefix and are
	// less than before, the greatest first. An empty before stands for no bound, a limit of 0 for none.
	last(ctx context.Context, prefix, before string, limit int) ([][]byte, error)
	// putContent keeps bytes under their own digest, durably.
	putContent(ctx context.Context, digest string, content []byte) error
	// content returns nil where there is none.
	content(ctx context.Context, digest string) ([]byte, error)
	// changes yields a value after others, or this store, changed something.
	changes() <-chan struct{}
	close() error
}

// tx is one update of a place. What was put is not seen by get.
type tx interface {
	getter
	put(key string, value []byte) error
}

type getter interface {
	get(key string) ([]byte, error)
}

// The errors of a store, besides those of the place. They are found with errors.Is.
var (
	// ErrNotFound says that there is no such backend or revision.
	ErrNotFound = errors.New("there is no such revision")
	// ErrKeyReused says that the idempotency key stands for another registration.
	ErrKeyReused = errors.New("the idempotency key was used for another registration")
	// ErrDamaged says that what was read back is not what was written.
	ErrDamaged = errors.New("the store is damaged")
	// ErrTooLarge says that a registration is over the limits of a store.
	ErrTooLarge = errors.New("the registration is too large")
)

// ConflictError says that another revision is current than was expected.
type ConflictError struct {
	// Current is the current revision's digest; empty: there is none.
	Current string
}

func (e *ConflictError) Error() string {
	if e.Current == "" {
		return "there is no current revision"
	}
	return "the current revision is " + e.Current
}

// None is the expected revision of a backend that must not be there yet, or was deleted.
const None = "none"

// The limits of what is kept.
const (
	MaxDescriptorBytes = 8 << 20
	maxRecordBytes     = 64 << 10
	maxKeyBytes        = 256
)

// Close gives the place free. Nothing may be called after it.
func (s *Store) Close() error { return s.place.close() }

// Changes yields a value after something changed, one for all changes since the
// last was received. One receiver sees them all. It may yield where nothing changed.
func (s *Store) Changes() <-chan struct{} { return s.place.changes() }

// Heads returns the current revision of every backend in the order of names, also of deleted
// ones. One that is damaged is left out and joined to the error.
func (s *Store) Heads(ctx context.Context) ([]*adminv1.Revision, error) {
	raw, err := s.place.last(ctx, headPrefix, "", 0)
	if err != nil {
		return nil, err
	}
	heads := make([]*adminv1.Revision, 0, len(raw))
	var damaged error
	for i := len(raw) - 1; i >= 0; i-- {
		r, err := openRecord(raw[i])
		if err != nil {
			damaged = errors.Join(damaged, err)
			continue
		}
		heads = append(heads, r)
	}
	return heads, damaged
}

// Head returns the current revision of a backend, which may say that it is deleted.
func (s *Store) Head(ctx context.Context, backend string) (*adminv1.Revision, error) {
	return s.revision(ctx, headKey(backend), backend)
}

// Revision returns a revision by its digest.
func (s *Store) Revision(ctx context.Context, backend, digest string) (*adminv1.Revision, error) {
	key, err := s.place.get(ctx, digestKey(backend, digest))
	if err != nil {
		return nil, err
	}
	if key == nil {
		return nil, ErrNotFound
	}
	r, err := s.revision(ctx, string(key), backend)
	if err == nil && r.GetDigest() != digest {
		err = fmt.Errorf("%w: another revision stands under %s", ErrDamaged, digest)
	}
	return r, err
}

// Number returns a revision by its number.
func (s *Store) Number(ctx context.Context, backend string, number int64) (*adminv1.Revision, error) {
	return s.revision(ctx, revisionKey(backend, number), backend)
}

func (s *Store) revision(ctx context.Context, key, backend string) (*adminv1.Revision, error) {
	raw, err := s.place.get(ctx, key)
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, ErrNotFound
	}
	r, err := openRecord(raw)
	if err == nil && r.GetBackend() != backend {
		err = fmt.Errorf("%w: a revision of %s stands under %s", ErrDamaged, r.GetBackend(), backend)
	}
	return r, err
}

// List returns revisions of a backend, newest first: those with numbers less than before,
// or all where it is 0, and so many at the most.
func (s *Store) List(ctx context.Context, backend string, before int64, limit int) ([]*adminv1.Revision, error) {
	bound := ""
	if before > 0 {
		bound = revisionKey(backend, before)
	}
	raw, err := s.place.last(ctx, revisionPrefix(backend), bound, limit)
	if err != nil {
		return nil, err
	}
	revisions := make([]*adminv1.Revision, len(raw))
	for i := range raw {
		if revisions[i], err = openRecord(raw[i]); err != nil {
			return nil, err
		}
	}
	return revisions, nil
}

// Descriptors returns the descriptor set of a revision.
func (s *Store) Descriptors(ctx context.Context, r *adminv1.Revision) ([]byte, error) {
	content, err := s.place.content(ctx, r.GetDescriptorsDigest())
	if err != nil {
		return nil, err
	}
	if content == nil {
		return nil, fmt.Errorf("%w: the descriptors of %s are gone", ErrDamaged, r.GetDigest())
	}
	return openContent(content, r.GetDescriptorsDigest())
}

// Digest returns SHA-256 in hexadecimal, as it names descriptors.
func Digest(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}
