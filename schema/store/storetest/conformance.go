// Package storetest holds what every store must do, wherever it keeps its bytes.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema/store"
)

// Conformance checks a store that open makes. Each call of open makes an empty one.
func Conformance(t *testing.T, open func(*testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, *store.Store)
	}{
		{"AppendAndRead", appendAndRead},
		{"CompareAndSwap", compareAndSwap},
		{"IdempotencyKeys", idempotencyKeys},
		{"Tombstones", tombstones},
		{"Paging", paging},
		{"Limits", limits},
		{"Policies", policies},
		{"Changes", changes},
		{"Writers", writers},
		{"Names", names},
		{"NamesAtOnce", namesAtOnce},
		{"Owners", owners},
		{"OwnersAtOnce", ownersAtOnce},
		{"Claims", claims},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

// Change returns a change that differs by its content.
func Change(backend, content string) store.Change {
	return store.Change{Revision: &adminv1.Revision{
		Backend:     backend,
		Owner:       "team",
		Address:     "127.0.0.1:1",
		CreateTime:  timestamppb.New(time.Unix(1_700_000_000, 0)),
		Descriptors: []byte(content),
	}}
}

func must(t *testing.T, s *store.Store, c store.Change) *adminv1.Revision {
	t.Helper()
	r, repeated, err := s.Append(t.Context(), c)
	if err != nil || repeated {
		t.Fatalf("append: repeated %v, %v", repeated, err)
	}
	return r
}

func appendAndRead(t *testing.T, s *store.Store) {
	ctx := t.Context()
	if _, err := s.Head(ctx, "a"); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("the head of nothing: %v", err)
	}
	first := must(t, s, Change("a", "one"))
	second := must(t, s, Change("a", "two"))
	must(t, s, Change("ab", "three")) // a name that begins with the other
	if first.GetNumber() != 1 || second.GetNumber() != 2 || second.GetParent() != first.GetDigest() || first.GetParent() != "" {
		t.Errorf("numbers and parents: %v, %v", first, second)
	}
	head, err := s.Head(ctx, "a")
	if err != nil || !proto.Equal(head, second) {
		t.Errorf("the head is %v, %v", head, err)
	}
	old, err := s.Revision(ctx, "a", first.GetDigest())
	if err != nil || !proto.Equal(old, first) {
		t.Errorf("the first is %v, %v", old, err)
	}
	for r, want := range map[*adminv1.Revision]string{first: "one", second: "two"} {
		if got, err := s.Descriptors(ctx, r); err != nil || string(got) != want {
			t.Errorf("the descriptors of %d are %q, %v", r.GetNumber(), got, err)
		}
	}
	if _, err := s.Revision(ctx, "ab", first.GetDigest()); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another backend's revision: %v", err)
	}
	heads, err := s.Heads(ctx)
	if err != nil || len(heads) != 2 || heads[0].GetBackend() != "a" || heads[1].GetBackend() != "ab" {
		t.Errorf("the heads are %v, %v", heads, err)
	}
}

func compareAndSwap(t *testing.T, s *store.Store) {
	expecting := func(content, expected string) store.Change {
		c := Change("a", content)
		c.Expected = expected
		return c
	}
	first := must(t, s, expecting("one", store.None))
	refused := func(expected string) {
		t.Helper()
		_, _, err := s.Append(t.Context(), expecting("x", expected))
		conflict, ok := errors.AsType[*store.ConflictError](err)
		if !ok || conflict.Current != mustHead(t, s, "a").GetDigest() {
			t.Errorf("expecting %q: %v", expected, err)
		}
	}
	refused(store.None)
	refused("0000")
	second := must(t, s, expecting("two", first.GetDigest()))
	refused(first.GetDigest())
	must(t, s, expecting("three", second.GetDigest()))
	seen := Change("a", "four")
	seen.Seen = second.GetDigest()
	if _, _, err := s.Append(t.Context(), seen); err == nil {
		t.Error("what was seen was replaced, and is replaced once more")
	}
	_, _, err := s.Append(t.Context(), store.Change{Revision: Change("new", "x").Revision, Expected: "0000"})
	if conflict, ok := errors.AsType[*store.ConflictError](err); !ok || conflict.Current != "" {
		t.Errorf("a backend that is not there: %v", err)
	}
}

func mustHead(t *testing.T, s *store.Store, backend string) *adminv1.Revision {
	t.Helper()
	head, err := s.Head(t.Context(), backend)
	if err != nil {
		t.Fatal(err)
	}
	return head
}

func idempotencyKeys(t *testing.T, s *store.Store) {
	keyed := func(content, key string, at int64) store.Change {
		c := Change("a", content)
		c.Key, c.Revision.CreateTime = key, timestamppb.New(time.Unix(at, 0))
		return c
	}
	first := must(t, s, keyed("one", "key", 1))
	must(t, s, keyed("two", "other", 2))
	again, repeated, err := s.Append(t.Context(), keyed("one", "key", 3))
	if err != nil || !repeated || !proto.Equal(again, first) {
		t.Errorf("a repeat: %v, %v, %v", again, repeated, err)
	}
	if head := mustHead(t, s, "a"); head.GetNumber() != 2 {
		t.Errorf("a repeat made revision %d", head.GetNumber())
	}
	if _, _, err := s.Append(t.Context(), keyed("three", "key", 3)); !errors.Is(err, store.ErrKeyReused) {
		t.Errorf("a key used for something else: %v", err)
	}
	other := keyed("three", "key", 3)
	other.Revision.Owner = "another team"
	must(t, s, other)
}

func tombstones(t *testing.T, s *store.Store) {
	first := must(t, s, Change("a", "one"))
	deleted := must(t, s, store.Change{Revision: &adminv1.Revision{Backend: "a", Deleted: true}, Expected: first.GetDigest()})
	if !mustHead(t, s, "a").GetDeleted() || deleted.GetParent() != first.GetDigest() {
		t.Error("the tombstone is not the head")
	}
	again := Change("a", "two")
	again.Expected = store.None
	if r := must(t, s, again); r.GetNumber() != 3 || r.GetParent() != deleted.GetDigest() {
		t.Errorf("after a tombstone comes %v", r)
	}
}

func paging(t *testing.T, s *store.Store) {
	const all = 23
	for i := range all {
		must(t, s, Change("a", fmt.Sprint(i)))
	}
	must(t, s, Change("a0", "neighbour"))
	var numbers []int64
	for before := int64(0); ; {
		page, err := s.List(t.Context(), "a", before, 5)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, r := range page {
			numbers = append(numbers, r.GetNumber())
		}
		before = page[len(page)-1].GetNumber()
	}
	slices.Reverse(numbers)
	for i, n := range numbers {
		if n != int64(i)+1 {
			t.Fatalf("the pages have %v", numbers)
		}
	}
	if len(numbers) != all {
		t.Errorf("the pages have %d revisions", len(numbers))
	}
}

func limits(t *testing.T, s *store.Store) {
	large := Change("a", "")
	large.Revision.Descriptors = bytes.Repeat([]byte("0123456789abcdef"), store.MaxDescriptorBytes/16)
	r := must(t, s, large)
	if got, err := s.Descriptors(t.Context(), r); err != nil || !bytes.Equal(got, large.Revision.Descriptors) {
		t.Errorf("8 MiB came back as %d bytes, %v", len(got), err)
	}
	random := noise(store.MaxDescriptorBytes) // which no compression helps
	large.Revision.Descriptors = random
	r = must(t, s, large)
	if got, err := s.Descriptors(t.Context(), r); err != nil || !bytes.Equal(got, random) {
		t.Errorf("8 MiB of noise came back as %d bytes, %v", len(got), err)
	}
	large.Revision.Descriptors = append(random, 0)
	if _, _, err := s.Append(t.Context(), large); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("8 MiB and a byte: %v", err)
	}
	wordy := Change("a", "x")
	wordy.Revision.Reason = string(bytes.Repeat([]byte("x"), 1<<17))
	if _, _, err := s.Append(t.Context(), wordy); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("a reason of 128 KiB: %v", err)
	}
}

// noise returns the same bytes each time.
func noise(n int) []byte {
	b := make([]byte, n)
	state := uint32(1)
	for i := range b {
		state = state*1664525 + 1013904223
		b[i] = byte(state >> 24)
	}
	return b
}

func changes(t *testing.T, s *store.Store) {
	must(t, s, Change("a", "one"))
	select {
	case <-s.Changes():
	case <-time.After(20 * time.Second):
		t.Error("nobody said that something changed")
	}
}

// writers has many append to one backend at once, each expecting what it read. Exactly one
// gets each number.
func writers(t *testing.T, s *store.Store) {
	const each, many = 10, 8
	var conflicts atomic.Int64
	var running sync.WaitGroup
	for w := range many {
		running.Go(func() {
			for i := range each {
				if err := appendOnHead(t.Context(), s, fmt.Sprint(w, i), &conflicts); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
	history, err := s.List(t.Context(), "a", 0, 0)
	if err != nil || len(history) != each*many {
		t.Fatalf("%d revisions, %v", len(history), err)
	}
	for i, r := range history {
		if r.GetNumber() != int64(len(history)-i) || i+1 < len(history) && r.GetParent() != history[i+1].GetDigest() {
			t.Fatalf("revision %d has number %d and parent %s", len(history)-i, r.GetNumber(), r.GetParent())
		}
	}
	t.Logf("%d conflicts", conflicts.Load())
}

func appendOnHead(ctx context.Context, s *store.Store, content string, conflicts *atomic.Int64) error {
	for {
		c := Change("a", content)
		c.Expected = store.None
		head, err := s.Head(ctx, "a")
		if err == nil {
			c.Expected = head.GetDigest()
		} else if !errors.Is(err, store.ErrNotFound) {
			return err
		}
		_, _, err = s.Append(ctx, c)
		if _, ok := errors.AsType[*store.ConflictError](err); !ok {
			return err
		}
		conflicts.Add(1)
	}
}
