package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// PolicyChange is what is to be said of a selector.
type PolicyChange struct {
	// Policy has all but what the store gives: digest, parent and number.
	Policy *adminv1.RegisteredPolicy
	// Expected is the digest of what is replaced, [None], or empty for whatever there is.
	Expected string
	// Seen is what Expected is, for what the caller has found itself.
	Seen string
}

// PutPolicy makes a change what is said of its selector, and returns it as it is kept. Something else
// there than was expected is a [ConflictError]. Once it has returned, it is durable. Of each selector
// the newest is kept; a policy that was taken back stays as a tombstone with its number.
func (s *Store) PutPolicy(ctx context.Context, c PolicyChange) (put *adminv1.RegisteredPolicy, err error) {
	selector := c.Policy.GetSelector()
	if selector == "" || strings.ContainsAny(selector, "/\x00") || len(selector) > maxKeyBytes {
		return nil, fmt.Errorf("the selector %.100q cannot be kept", selector)
	}
	err = s.place.update(ctx, func(t tx) error {
		head, err := t.get(policyKey(selector))
		if err != nil {
			return err
		}
		put, err = c.after(head)
		if err != nil {
			return err
		}
		sealed, err := sealPolicy(put)
		if err != nil {
			return err
		}
		return t.put(policyKey(selector), sealed)
	})
	if err != nil {
		return nil, err
	}
	return put, nil
}

// after returns the policy that follows what is kept, which may be nothing.
func (c PolicyChange) after(head []byte) (*adminv1.RegisteredPolicy, error) {
	current := &adminv1.RegisteredPolicy{Deleted: true}
	if head != nil {
		opened, err := openPolicy(head)
		switch {
		case err == nil:
			current = opened
		case c.Expected != "":
			return nil, err
		default: // what is damaged can be replaced by one who expects nothing
			c.Seen = ""
		}
	}
	for _, want := range []string{c.Expected, c.Seen} {
		if want != "" && want != current.GetDigest() && !(want == None && current.GetDeleted()) {
			return nil, &ConflictError{Current: current.GetDigest()}
		}
	}
	next := proto.CloneOf(c.Policy)
	next.Parent, next.Number = current.GetDigest(), current.GetNumber()+1
	return next, nil
}

// Policies returns what is said of every selector, in the order of selectors, also what was taken
// back. One that is damaged is left out and joined to the error.
func (s *Store) Policies(ctx context.Context) ([]*adminv1.RegisteredPolicy, error) {
	raw, err := s.place.last(ctx, policyPrefix, "", 0)
	if err != nil {
		return nil, err
	}
	policies := make([]*adminv1.RegisteredPolicy, 0, len(raw))
	var damaged error
	for i := len(raw) - 1; i >= 0; i-- {
		p, err := openPolicy(raw[i])
		if err != nil {
			damaged = errors.Join(damaged, err)
			continue
		}
		policies = append(policies, p)
	}
	return policies, damaged
}

// Policy returns what is said of a selector, which may have been taken back.
func (s *Store) Policy(ctx context.Context, selector string) (*adminv1.RegisteredPolicy, error) {
	raw, err := s.place.get(ctx, policyKey(selector))
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, ErrNotFound
	}
	p, err := openPolicy(raw)
	if err == nil && p.GetSelector() != selector {
		err = fmt.Errorf("%w: a policy of %s stands under %s", ErrDamaged, p.GetSelector(), selector)
	}
	return p, err
}

// policyPrefix begins as headPrefix does, so that one watch hears of both.
const policyPrefix = "head-policy/"

func policyKey(selector string) string { return policyPrefix + selector }

// sealPolicy gives p its digest and returns the record, in the form of those of revisions.
func sealPolicy(p *adminv1.RegisteredPolicy) ([]byte, error) {
	p.Digest = ""
	text, err := proto.MarshalOptions{Deterministic: true}.Marshal(p)
	if err != nil {
		return nil, err
	}
	if len(text) > maxRecordBytes {
		return nil, fmt.Errorf("%w: the policy has %d bytes; the limit is %d", ErrTooLarge, len(text), maxRecordBytes)
	}
	sum := sha256.Sum256(text)
	p.Digest = hex.EncodeToString(sum[:])
	return append(sum[:], text...), nil
}

func openPolicy(sealed []byte) (*adminv1.RegisteredPolicy, error) {
	if len(sealed) < sha256.Size || len(sealed) > sha256.Size+maxRecordBytes {
		return nil, fmt.Errorf("%w: a policy has %d bytes", ErrDamaged, len(sealed))
	}
	text := sealed[sha256.Size:]
	if sum := sha256.Sum256(text); !bytes.Equal(sum[:], sealed[:sha256.Size]) {
		return nil, fmt.Errorf("%w: the digest of a policy does not fit", ErrDamaged)
	}
	p := &adminv1.RegisteredPolicy{}
	if err := proto.Unmarshal(text, p); err != nil {
		return nil, fmt.Errorf("%w: a policy cannot be read", ErrDamaged)
	}
	if p.GetSelector() == "" || p.GetNumber() < 1 || p.GetDeleted() != (p.GetSaid() == nil) {
		return nil, fmt.Errorf("%w: a policy of %q does not make sense", ErrDamaged, p.GetSelector())
	}
	p.Digest = hex.EncodeToString(sealed[:sha256.Size])
	return p, nil
}
