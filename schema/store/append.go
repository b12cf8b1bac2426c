package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// Change is what is to become the current revision of a backend.
type Change struct {
	// Revision has all but what the store gives: digest, parent, number and the
	// descriptors' digest. Its descriptors are kept apart from it.
	Revision *adminv1.Revision
	// Expected is the digest of the revision that is replaced, [None], or empty for whatever is current.
	Expected string
	// Seen is what Expected is, for what the caller has found itself: it is no part of what a key stands for.
	Seen string
	// Owners are the counts with which the change was checked against what others have; if they
	// changed, the error is [ErrOthersChanged]. Nil: it was not checked, and is not counted.
	Owners Owners
	// Key makes repeats have one effect. Empty: none is recognised.
	Key string
}

// Append makes a change the current revision of its backend and returns it as it is
// kept. Where the same was appended with the same key before, that revision is
// returned, and repeated is true. Another current revision than expected is a [ConflictError].
// Once it has returned, the revision is durable.
func (s *Store) Append(ctx context.Context, c Change) (appended *adminv1.Revision, repeated bool, err error) {
	record, err := c.record()
	if err != nil {
		return nil, false, err
	}
	fingerprint := c.fingerprint(record)
	if err := s.putDescriptors(ctx, c, record); err != nil {
		return nil, false, err
	}
	highest, err := s.highestRank(ctx, record)
	if err != nil {
		return nil, false, err
	}
	err = s.place.update(ctx, func(t tx) error {
		appended, repeated, err = c.apply(t, record, fingerprint, highest)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return appended, repeated, nil
}

// Earlier returns the revision that the same change with the same key led to, or nil.
func (s *Store) Earlier(ctx context.Context, c Change) (*adminv1.Revision, error) {
	if c.Key == "" {
		return nil, nil
	}
	record, err := c.record()
	if err != nil {
		return nil, err
	}
	return c.earlier(reading{ctx, s.place}, record, c.fingerprint(record))
}

// reading is a tx that only reads.
type reading struct {
	ctx   context.Context
	place place
}

func (r reading) get(key string) ([]byte, error) { return r.place.get(r.ctx, key) }

// putDescriptors keeps the descriptors before the revision that refers to them. A change that is
// bound to fail leaves none behind.
func (s *Store) putDescriptors(ctx context.Context, c Change, record *adminv1.Revision) error {
	if record.GetDeleted() {
		return nil
	}
	head, err := s.place.get(ctx, headKey(record.GetBackend()))
	if err != nil {
		return err
	}
	if c.Key == "" {
		if err := c.expects(head); err != nil {
			return err
		}
	}
	known, err := s.place.content(ctx, record.GetDescriptorsDigest())
	if err != nil {
		return err
	}
	if known != nil {
		if _, err := openContent(known, record.GetDescriptorsDigest()); err == nil {
			return nil
		}
	}
	content, err := sealContent(c.Revision.GetDescriptors())
	if err != nil {
		return err
	}
	return s.place.putContent(ctx, record.GetDescriptorsDigest(), content)
}

// record copies what is kept of a revision, less what depends on the current one.
func (c Change) record() (*adminv1.Revision, error) {
	r := proto.CloneOf(c.Revision)
	switch {
	case r.GetBackend() == "" || strings.ContainsAny(r.GetBackend(), "/\x00"):
		return nil, fmt.Errorf("the name of the backend, %q, cannot be kept", r.GetBackend())
	case len(c.Revision.GetDescriptors()) > MaxDescriptorBytes:
		return nil, fmt.Errorf("%w: the descriptors have %d bytes; the limit is %d", ErrTooLarge, len(c.Revision.GetDescriptors()), MaxDescriptorBytes)
	case len(c.Key) > maxKeyBytes:
		return nil, fmt.Errorf("%w: the idempotency key has %d bytes; the limit is %d", ErrTooLarge, len(c.Key), maxKeyBytes)
	}
	r.Descriptors, r.Sdl, r.Openapi = nil, "", ""
	r.Digest, r.Parent, r.Number, r.DescriptorsDigest = "", "", 0, ""
	if !r.GetDeleted() {
		r.DescriptorsDigest = Digest(c.Revision.GetDescriptors())
	}
	return r, nil
}

// fingerprint tells apart what is registered under one key. When it is registered, why it is accepted, and
// which ranks it gets, does not count.
func (c Change) fingerprint(record *adminv1.Revision) string {
	timeless := proto.CloneOf(record)
	timeless.CreateTime, timeless.Override, timeless.Claims, timeless.Breaking = nil, nil, nil, 0
	// Marshalling what has no required fields cannot fail.
	text, _ := proto.MarshalOptions{Deterministic: true}.Marshal(timeless)
	return Digest(append(text, c.Expected...))
}

func (c Change) apply(t tx, record *adminv1.Revision, fingerprint string, highest int64) (*adminv1.Revision, bool, error) {
	if c.Key != "" {
		earlier, err := c.earlier(t, record, fingerprint)
		if err != nil || earlier != nil {
			return earlier, earlier != nil, err
		}
	}
	head, err := t.get(headKey(record.GetBackend()))
	if err != nil {
		return nil, false, err
	}
	if err := c.expects(head); err != nil {
		return nil, false, err
	}
	r := proto.CloneOf(record)
	r.Number = 1
	if head != nil {
		current, err := openRecord(head)
		if err != nil {
			return nil, false, err
		}
		r.Parent, r.Number = current.GetDigest(), current.GetNumber()+1
	}
	if err := c.count(t, r, highest); err != nil {
		return nil, false, err
	}
	sealed, err := sealRecord(r)
	if err != nil {
		return nil, false, err
	}
	return r, false, c.put(t, r, sealed, fingerprint)
}

func (c Change) put(t tx, r *adminv1.Revision, sealed []byte, fingerprint string) error {
	key := revisionKey(r.GetBackend(), r.GetNumber())
	if err := t.put(key, sealed); err != nil {
		return err
	}
	if err := t.put(digestKey(r.GetBackend(), r.GetDigest()), []byte(key)); err != nil {
		return err
	}
	if c.Key != "" {
		if err := t.put(idempotencyKey(r, c.Key), []byte(fingerprint+key)); err != nil {
			return err
		}
	}
	return t.put(headKey(r.GetBackend()), sealed)
}

// earlier returns the revision that the same key led to.
func (c Change) earlier(t getter, record *adminv1.Revision, fingerprint string) (*adminv1.Revision, error) {
	known, err := t.get(idempotencyKey(record, c.Key))
	if err != nil || known == nil {
		return nil, err
	}
	if len(known) < len(fingerprint) {
		return nil, fmt.Errorf("%w: an idempotency key leads nowhere", ErrDamaged)
	}
	if string(known[:len(fingerprint)]) != fingerprint {
		return nil, ErrKeyReused
	}
	sealed, err := t.get(string(known[len(fingerprint):]))
	if err != nil {
		return nil, err
	}
	return openRecord(sealed)
}

// expects compares the current revision, which may be nil, with what is expected and was seen.
func (c Change) expects(head []byte) error {
	if c.Expected == "" && c.Seen == "" {
		return nil
	}
	current := &adminv1.Revision{Deleted: true}
	if head != nil {
		var err error
		if current, err = openRecord(head); err != nil {
			return err
		}
	}
	for _, want := range []string{c.Expected, c.Seen} {
		if want != "" && want != current.GetDigest() && !(want == None && current.GetDeleted()) {
			return &ConflictError{Current: current.GetDigest()}
		}
	}
	return nil
}

// The keys. Names of backends have no slash, so no key of one begins another's.
const (
	headPrefix    = "head/"
	watchedPrefix = "head" // of heads and of policies
)

func headKey(backend string) string { return headPrefix + backend }

func revisionPrefix(backend string) string { return "revision/" + backend + "/" }

// revisionKey sorts as numbers do.
func revisionKey(backend string, number int64) string {
	return fmt.Sprintf("%s%016x", revisionPrefix(backend), number)
}

func digestKey(backend, digest string) string { return "digest/" + backend + "/" + digest }

// idempotencyKey keeps the keys of owners apart.
func idempotencyKey(r *adminv1.Revision, key string) string {
	return "key/" + r.GetBackend() + "/" + hex.EncodeToString([]byte(r.GetOwner())) + "/" + hex.EncodeToString([]byte(key))
}
