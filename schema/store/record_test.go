package store

import (
	"errors"
	"testing"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
)

// TestDamage flips every bit of what is kept: it is always noticed.
func TestDamage(t *testing.T) {
	s := InMemory()
	r, _, err := s.Append(t.Context(), Change{Revision: &adminv1.Revision{Backend: "a", Address: "x:1", Descriptors: []byte("content")}})
	if err != nil {
		t.Fatal(err)
	}
	m := s.place.(*memory)
	record := m.values[headKey("a")]
	for bit := range 8 * len(record) {
		damaged := append([]byte(nil), record...)
		damaged[bit/8] ^= 1 << (bit % 8)
		if _, err := openRecord(damaged); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d of a record: %v", bit, err)
		}
	}
	content := m.contents[r.GetDescriptorsDigest()]
	for bit := range 8 * len(content) {
		damaged := append([]byte(nil), content...)
		damaged[bit/8] ^= 1 << (bit % 8)
		got, err := openContent(damaged, r.GetDescriptorsDigest())
		if !errors.Is(err, ErrDamaged) && string(got) != "content" { // gzip's header has bits that say nothing
			t.Fatalf("bit %d of descriptors: %q, %v", bit, got, err)
		}
	}
	delete(m.contents, r.GetDescriptorsDigest())
	if _, err := s.Descriptors(t.Context(), r); !errors.Is(err, ErrDamaged) {
		t.Errorf("descriptors that are gone: %v", err)
	}
}

// TestPolicyDamage flips every bit of a policy: it is always noticed, the others are there, and who expects
// nothing can say it anew.
func TestPolicyDamage(t *testing.T) {
	s := InMemory()
	put := func(selector, expected string) (*adminv1.RegisteredPolicy, error) {
		return s.PutPolicy(t.Context(), PolicyChange{
			Policy:   &adminv1.RegisteredPolicy{Selector: selector, Said: &adminv1.RegisteredPolicy_Policy{Policy: &policyv1.Policy{}}},
			Expected: expected,
		})
	}
	first, err := put("a.*", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := put("b.*", ""); err != nil {
		t.Fatal(err)
	}
	m := s.place.(*memory)
	record := m.values[policyKey("a.*")]
	for bit := range 8 * len(record) {
		damaged := append([]byte(nil), record...)
		damaged[bit/8] ^= 1 << (bit % 8)
		m.values[policyKey("a.*")] = damaged
		all, err := s.Policies(t.Context())
		if !errors.Is(err, ErrDamaged) || len(all) != 1 || all[0].GetSelector() != "b.*" {
			t.Fatalf("bit %d: %v, %v", bit, all, err)
		}
	}
	if _, err := put("a.*", first.GetDigest()); !errors.Is(err, ErrDamaged) {
		t.Errorf("expecting what is damaged: %v", err)
	}
	if again, err := put("a.*", ""); err != nil || again.GetNumber() != 1 {
		t.Errorf("expecting nothing: %v, %v", again, err)
	}
	m.values[policyKey("a.*")] = m.values[policyKey("b.*")]
	if p, err := s.Policy(t.Context(), "a.*"); !errors.Is(err, ErrDamaged) {
		t.Errorf("another one's place: %v, %v", p, err)
	}
}

// TestMisplaced puts a revision in another one's place.
func TestMisplaced(t *testing.T) {
	s := InMemory()
	for _, name := range []string{"a", "b"} {
		if _, _, err := s.Append(t.Context(), Change{Revision: &adminv1.Revision{Backend: name}}); err != nil {
			t.Fatal(err)
		}
	}
	m := s.place.(*memory)
	m.values[headKey("a")] = m.values[headKey("b")]
	if _, err := s.Head(t.Context(), "a"); !errors.Is(err, ErrDamaged) {
		t.Errorf("the head of another backend: %v", err)
	}
}

// TestDamagedHeadHurtsNoOther leaves the sound heads readable.
func TestDamagedHeadHurtsNoOther(t *testing.T) {
	s := InMemory()
	for _, name := range []string{"a", "b"} {
		if _, _, err := s.Append(t.Context(), Change{Revision: &adminv1.Revision{Backend: name}}); err != nil {
			t.Fatal(err)
		}
	}
	s.place.(*memory).values[headKey("a")][40] ^= 1
	heads, err := s.Heads(t.Context())
	if !errors.Is(err, ErrDamaged) || len(heads) != 1 || heads[0].GetBackend() != "b" {
		t.Errorf("the heads are %v, %v", heads, err)
	}
}

func FuzzOpenRecord(f *testing.F) {
	sealed, err := sealRecord(&adminv1.Revision{Backend: "a", Number: 1, Deleted: true})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, []byte{})
	f.Fuzz(func(t *testing.T, record, content []byte) {
		if r, err := openRecord(record); err == nil && r.GetBackend() == "" {
			t.Error("a record without a backend was taken")
		}
		if got, err := openContent(content, Digest([]byte("x"))); err == nil && string(got) != "x" {
			t.Errorf("content %q was taken for another", got)
		}
	})
}
