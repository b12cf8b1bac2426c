package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func open(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// entries reads a file. Lines that are not JSON are returned apart.
func entries(t *testing.T, path string) (all []Entry, broken []string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		var e Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			broken = append(broken, lines.Text())
			continue
		}
		if e.Time.IsZero() {
			t.Errorf("no time in %s", lines.Text())
		}
		all = append(all, e)
	}
	return all, broken
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path)
	if err := l.Change(Entry{Kind: AdminCall, Decision: Begun, Subject: "ops\n{\"kind\":\"forged\"}", Reason: strings.Repeat("x", 9000)}); err != nil {
		t.Fatal(err)
	}
	all, _ := entries(t, path) // at once, before anything is closed
	if len(all) != 1 || all[0].Subject != "ops\n{\"kind\":\"forged\"}" || len(all[0].Reason) > maxText+3 {
		t.Fatalf("%v", all)
	}
	l.Note(Entry{Kind: CallDenied, Decision: Denied, Subject: "\xff"})
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	all, broken := entries(t, path)
	if len(all) != 2 || len(broken) > 0 || all[1].Kind != CallDenied {
		t.Errorf("%v, %v", all, broken)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info, err)
	}
}

// TestRotation renames the file while entries come. None is lost or torn.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := open(t, path)
	const writers, writes = 4, 200
	var writing sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for i := range writes {
				l.Note(Entry{Kind: CallDenied, ID: fmt.Sprint(w, i)})
			}
		})
	}
	for i := range 5 {
		if err := os.Rename(path, fmt.Sprint(path, ".", i)); err != nil {
			t.Fatal(err)
		}
		if err := l.Reopen(); err != nil {
			t.Fatal(err)
		}
	}
	writing.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, suffix := range []string{"", ".0", ".1", ".2", ".3", ".4"} {
		all, broken := entries(t, path+suffix)
		if len(broken) > 0 {
			t.Errorf("torn: %v", broken)
		}
		for _, e := range all {
			seen[e.ID] = true
		}
	}
	if len(seen) != writers*writes || l.State().Dropped > 0 {
		t.Errorf("%d entries, %+v", len(seen), l.State())
	}
}

// TestTornLine goes on after a line that a crash broke off.
func TestTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	if err := os.WriteFile(path, []byte(`{"kind":"adm`), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, path)
	if err := l.Change(Entry{Kind: AdminCall, Decision: Done}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if all, broken := entries(t, path); len(all) != 1 || len(broken) != 1 {
		t.Errorf("%v, %v", all, broken)
	}
}

// TestFullDisk refuses changes that cannot be recorded, and drops and counts the rest.
func TestFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no /dev/full here")
	}
	l := open(t, "/dev/full")
	if err := l.Change(Entry{Kind: AdminCall}); err == nil {
		t.Error("an entry that was not written")
	}
	for range 2*queueLength + 1 {
		l.Note(Entry{Kind: CallDenied})
	}
	_ = l.Close()
	if s := l.State(); s.Dropped != 2*queueLength+1 || s.Failures == 0 {
		t.Errorf("%+v", s)
	}
}

// TestNoLog keeps nothing.
func TestNoLog(t *testing.T) {
	l := open(t, "")
	l.Note(Entry{})
	if err := l.Change(Entry{}); err != nil || l.State() != (State{}) || l.Reopen() != nil || l.Close() != nil {
		t.Errorf("%v", err)
	}
	if _, err := Open(filepath.Join(t.TempDir(), "no", "folder")); err == nil {
		t.Error("a file in no folder was opened")
	}
}

// BenchmarkNote is what a refused call pays for its line.
func BenchmarkNote(b *testing.B) {
	l, err := Open(filepath.Join(b.TempDir(), "audit.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ReportAllocs()
	for b.Loop() {
		l.Note(Entry{
			Kind: CallDenied, ID: "0af7651916cd43dd", Subject: "alice", Issuer: "https://issuer.example", Authenticator: "login", Peer: "192.0.2.1",
			Door: "rest", Method: "/acme.books.v1.Books/GetBook", Decision: Denied, Code: "PermissionDenied", Reason: "the scope read is missing",
		})
	}
}
