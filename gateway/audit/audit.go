// Package audit keeps a record of who changed what through the admin service, and of whom policies
// refused: a line in the log, and a line of JSON in a file where one is configured.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// The kinds of entries.
const (
	AdminCall   = "admin"       // a change through the admin service, before and after
	CallDenied  = "denied"      // a call that policies refused
	Credentials = "credentials" // a request whose credentials are no good
)

// The decisions of entries.
const (
	Begun  = "begun"  // it is about to be done
	Done   = "done"   // it was
	Denied = "denied" // the caller may not
	Failed = "failed" // it was not done for another reason
)

// Entry is one thing that happened. No field holds a credential. Empty fields are left out.
type Entry struct {
	Time time.Time `json:"time"` // UTC; set by the log
	Kind string    `json:"kind"`
	// ID is that of the request; of a change, of both its entries.
	ID string `json:"id,omitempty"`
	// Who.
	Subject       string `json:"subject,omitempty"`
	Issuer        string `json:"issuer,omitempty"`
	Authenticator string `json:"authenticator,omitempty"`
	Peer          string `json:"peer,omitempty"`
	// What.
	Door   string `json:"door,omitempty"`
	Method string `json:"method,omitempty"`
	Target string `json:"target,omitempty"` // the backend or the selector
	// What came of it, and why.
	Decision string `json:"decision"`
	Code     string `json:"code,omitempty"`
	Reason   string `json:"reason,omitempty"`   // of a change, that of the caller
	Override string `json:"override,omitempty"` // why the gate was told to let it pass
	// OverrideUntil is how long that holds for later changes too, in RFC 3339.
	OverrideUntil string `json:"override_until,omitempty"`
	Revision      string `json:"revision,omitempty"` // what there is now
	Error         string `json:"error,omitempty"`
}

const (
	queueLength = 4096
	flushPause  = time.Second // at the most, between an entry of a call and the disk
	maxText     = 4 << 10     // bytes of one field
)

// Log is a record in a file; nil and the zero value keep none. It is safe for concurrent use.
//
// [Log.Change] returns once its line is on the disk. [Log.Note] never waits: its line is written within
// a second, and dropped where too many others wait, which is counted.
type Log struct {
	path  string
	queue chan []byte
	ended sync.WaitGroup
	stop  chan struct{}

	mu     sync.Mutex
	file   *os.File
	broken bool // the last line may not be whole
	dirty  bool // something is written and not synced

	dropped, failures atomic.Uint64
}

// Open opens a file for appending, and makes it where it is missing. An empty path is no file. Close the log.
func Open(path string) (*Log, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // a nil log keeps nothing
	}
	l := &Log{path: path, queue: make(chan []byte, queueLength), stop: make(chan struct{})}
	if err := l.Reopen(); err != nil {
		return nil, err
	}
	l.ended.Go(l.write)
	return l, nil
}

// Reopen opens the file anew, so that one that was renamed is left. On an error the log goes on with the one before.
func (l *Log) Reopen() error {
	if l == nil {
		return nil
	}
	next, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("the audit log cannot be opened: %w", err)
	}
	broken, err := endsWithin(next)
	if err != nil {
		return errors.Join(fmt.Errorf("the audit log cannot be read: %w", err), next.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		_ = l.file.Sync()
		_ = l.file.Close()
	}
	l.file, l.broken, l.dirty = next, broken, false
	return nil
}

// endsWithin reports whether a file ends within a line, as after a crash.
func endsWithin(f *os.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Size() == 0 {
		return false, err
	}
	last := make([]byte, 1)
	if _, err := f.ReadAt(last, info.Size()-1); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return last[0] != '\n', nil
}

// Change writes an entry and returns once it is on the disk. On an error it may not be there, and what
// it announces must not be done.
func (l *Log) Change(e Entry) error {
	if l == nil {
		return nil
	}
	line := lineOf(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.put(line)
	if err == nil {
		err = l.sync()
	}
	return err
}

// Note takes an entry that nobody waits for.
func (l *Log) Note(e Entry) {
	if l == nil {
		return
	}
	select {
	case l.queue <- lineOf(e):
	default:
		l.dropped.Add(1)
	}
}

// State is what became of entries.
type State struct {
	Dropped  uint64 // entries that were left out, because too many waited
	Failures uint64 // writes that failed
}

// State returns what became of entries.
func (l *Log) State() State {
	if l == nil {
		return State{}
	}
	return State{Dropped: l.dropped.Load(), Failures: l.failures.Load()}
}

// Close writes what waits and closes the file. Nothing may be noted after it.
func (l *Log) Close() error {
	if l == nil {
		return nil
	}
	close(l.stop)
	l.ended.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.sync(), l.file.Close())
}

// write writes what is noted, and syncs it once a second.
func (l *Log) write() {
	flush := time.NewTicker(flushPause)
	defer flush.Stop()
	for {
		select {
		case line := <-l.queue:
			l.take(line)
		case <-flush.C:
			l.mu.Lock()
			_ = l.sync() // counted
			l.mu.Unlock()
		case <-l.stop:
			for {
				select {
				case line := <-l.queue:
					l.take(line)
				default:
					return
				}
			}
		}
	}
}

func (l *Log) take(line []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.put(line) != nil {
		l.dropped.Add(1)
	}
}

// put appends a line with one write. The caller holds mu.
func (l *Log) put(line []byte) error {
	if l.broken {
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.file.Write(line)
	l.dirty = l.dirty || n > 0
	if n > 0 || err == nil {
		l.broken = err != nil
	}
	if err != nil {
		l.failures.Add(1)
		return fmt.Errorf("the audit log cannot be written: %w", err)
	}
	return nil
}

// sync brings to the disk what is written. The caller holds mu.
func (l *Log) sync() error {
	if !l.dirty {
		return nil
	}
	if err := l.file.Sync(); err != nil {
		l.failures.Add(1)
		return fmt.Errorf("the audit log cannot be written: %w", err)
	}
	l.dirty = false
	return nil
}

// lineOf gives an entry its time and bounds its texts.
func lineOf(e Entry) []byte {
	e.Time = time.Now().UTC()
	for _, text := range []*string{
		&e.ID, &e.Subject, &e.Issuer, &e.Authenticator, &e.Peer, &e.Method, &e.Target, &e.Reason, &e.Override, &e.Error,
	} {
		if len(*text) > maxText {
			*text = (*text)[:maxText] + "…"
		}
	}
	line, err := json.Marshal(e) // repairs what is not UTF-8, and writes line ends as escapes
	if err != nil {
		line = []byte(`{"error":"an entry cannot be written"}`)
	}
	return append(line, '\n')
}
