package registry

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/schema/store"
	"github.com/protean-gateway/protean/schema/store/storetest"
)

// writerVariable makes this binary a program that writes to the store at that path.
const writerVariable = "PROTEAN_STORE_WRITER"

const recordedAppends = 120

// writeStore registers, and says after each answer what was acknowledged.
func writeStore(path string) {
	s, err := store.OpenFile(path)
	if err != nil {
		panic(err)
	}
	for i := range recordedAppends {
		content := strings.Repeat(fmt.Sprintln("content", i), 1+i%7*300)
		r, _, err := s.Append(context.Background(), storetest.Change(fmt.Sprint("b", i%5), content))
		if err != nil {
			panic(err)
		}
		fmt.Printf("ACK %s %d %s\n", r.GetBackend(), r.GetNumber(), r.GetDigest())
	}
	_ = s.Close()
}

// event is one thing that was done to the file, or was acknowledged, in order.
type event struct {
	data     []byte // written at offset
	offset   int64
	truncate bool   // to offset
	sync     bool   // all before is on the disk
	ack      string // what a client was told
}

// record runs the writer under strace and returns what it did to its file.
func record(t *testing.T) []event {
	t.Helper()
	folder := t.TempDir()
	path, log := filepath.Join(folder, "registrations.db"), filepath.Join(folder, "log")
	cmd := exec.Command("strace", "-f", "-y", "-xx", "-s", "33554432", "-e", "trace=pwrite64,write,fdatasync,fsync,ftruncate", "-o", log, os.Args[0])
	cmd.Env = append(os.Environ(), writerVariable+"="+path)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %.500s", err, out)
	}
	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var events []event
	waiting := make(map[string]string) // calls that another thread's line came into, by thread
	for lines := bufio.NewReaderSize(file, 1<<20); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break
		}
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		if begun, ok := strings.CutSuffix(call, "<unfinished ...>"); ok {
			// A client may see an acknowledgement as soon as it is being written.
			if e, ok := parseEvent(t, begun, path); ok && e.ack != "" {
				events = append(events, e)
				continue
			}
			waiting[thread] = begun
			continue
		}
		if strings.HasPrefix(call, "<... ") {
			_, rest, _ := strings.Cut(call, "resumed>")
			call = waiting[thread] + rest
			delete(waiting, thread)
		}
		if e, ok := parseEvent(t, call, path); ok {
			events = append(events, e)
		}
	}
	return events
}

// parseEvent reads one call as strace prints it.
func parseEvent(t *testing.T, call, path string) (event, bool) {
	t.Helper()
	name, rest, ok := strings.Cut(call, "(")
	if !ok {
		return event{}, false
	}
	fd, rest, _ := strings.Cut(rest, "<")
	target, rest, _ := strings.Cut(rest, ">")
	rest = strings.TrimPrefix(strings.TrimSpace(rest), ", ")
	mine := unescape(target) == path
	switch {
	case name == "write" && fd == "1":
		if text := string(quoted(t, rest)); strings.HasPrefix(text, "ACK ") {
			return event{ack: strings.TrimSpace(text)}, true
		}
	case name == "pwrite64" && mine:
		data := quoted(t, rest)
		fields := strings.Split(rest[strings.LastIndex(rest, `"`)+1:], ",")
		return event{data: data, offset: number(t, fields[len(fields)-1])}, true
	case (name == "fdatasync" || name == "fsync") && mine:
		return event{sync: true}, true
	case name == "ftruncate" && mine:
		return event{truncate: true, offset: number(t, rest)}, true
	case name == "write" && mine:
		t.Fatalf("the file is written in a way that is not recorded: %.80s", call)
	}
	return event{}, false
}

// number reads the digits at the beginning.
func number(t *testing.T, text string) int64 {
	t.Helper()
	text, _, _ = strings.Cut(strings.TrimSpace(text), ")")
	n, err := strconv.ParseInt(strings.TrimSpace(text), 0, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// quoted reads a string of \x escapes.
func quoted(t *testing.T, text string) []byte {
	t.Helper()
	_, text, _ = strings.Cut(text, `"`)
	text, _, _ = strings.Cut(text, `"`)
	data, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, ""))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// unescape reads a path, which strace may escape as well.
func unescape(text string) string {
	if data, err := hex.DecodeString(strings.ReplaceAll(text, `\x`, "")); err == nil && strings.HasPrefix(text, `\x`) {
		return string(data)
	}
	return text
}

// cut rebuilds the file as it may be after a power cut behind so many events: what was synced is there;
// of what came after, each sector may be or not.
func cut(events []event, random *rand.Rand) []byte {
	synced := 0
	for i, e := range events {
		if e.sync {
			synced = i
		}
	}
	var file []byte
	grow := func(size int64) {
		if int64(len(file)) < size {
			file = append(file, make([]byte, size-int64(len(file)))...)
		}
	}
	const sector = 512
	for i, e := range events {
		switch {
		case e.truncate && (i < synced || random.IntN(2) == 0):
			grow(e.offset)
			file = file[:e.offset]
		case e.data != nil && i < synced:
			grow(e.offset + int64(len(e.data)))
			copy(file[e.offset:], e.data)
		case e.data != nil && random.IntN(3) > 0:
			whole := random.IntN(2) == 0
			for at := 0; at < len(e.data); at += sector {
				if part := e.data[at:min(at+sector, len(e.data))]; whole || random.IntN(2) == 0 {
					grow(e.offset + int64(at+len(part)))
					copy(file[e.offset+int64(at):], part)
				}
			}
		}
	}
	return file
}

// checkFile opens a file and compares it with what was acknowledged.
func checkFile(t *testing.T, path string, acks []string) {
	t.Helper()
	s, err := store.OpenFile(path)
	if err != nil {
		t.Fatalf("after %d acknowledgements: %v", len(acks), err)
	}
	defer s.Close()
	for _, ack := range acks {
		fields := strings.Fields(ack)
		r, err := s.Revision(t.Context(), fields[1], fields[3])
		if err != nil || fmt.Sprint(r.GetNumber()) != fields[2] {
			t.Errorf("acknowledged and lost: %s: %v", ack, err)
		}
	}
	checkWhole(t, s, len(acks)+1)
}

// checkWhole reads all there is: every history is without gaps, and every revision has its descriptors.
func checkWhole(t *testing.T, s *store.Store, most int) {
	t.Helper()
	heads, err := s.Heads(t.Context())
	if err != nil {
		t.Errorf("the heads: %v", err)
	}
	count := 0
	for _, head := range heads {
		history, err := s.List(t.Context(), head.GetBackend(), 0, 0)
		if err != nil || len(history) == 0 || history[0].GetDigest() != head.GetDigest() {
			t.Errorf("the history of %s: %d, %v", head.GetBackend(), len(history), err)
		}
		for i, r := range history {
			if r.GetNumber() != int64(len(history)-i) {
				t.Errorf("half applied: %s has revision %d in place %d", r.GetBackend(), r.GetNumber(), len(history)-i)
			}
			if _, err := s.Descriptors(t.Context(), r); err != nil {
				t.Errorf("half applied: %v", err)
			}
		}
		count += len(history)
	}
	if count > most {
		t.Errorf("there are %d revisions, and %d at the most were registered", count, most)
	}
}

// cutPower cuts the power at random points of a recorded run.
func cutPower(t *testing.T) string {
	events := record(t)
	syncs, acks := 0, 0
	for _, e := range events {
		if e.sync {
			syncs++
		}
		if e.ack != "" {
			acks++
		}
	}
	if acks != recordedAppends || syncs < 2*acks {
		t.Fatalf("the record has %d acknowledgements and %d syncs", acks, syncs)
	}
	cuts := scaled(2000, 150)
	random := rand.New(rand.NewPCG(1, 2))
	path := filepath.Join(t.TempDir(), "cut.db")
	begin := firstSync(events) // before the file is a database, there is nothing to lose
	for range cuts {
		at := begin + random.IntN(len(events)-begin+1)
		var told []string
		for _, e := range events[:at] {
			if e.ack != "" {
				told = append(told, e.ack)
			}
		}
		if err := os.WriteFile(path, cut(events[:at], random), 0o600); err != nil {
			t.Fatal(err)
		}
		checkFile(t, path, told)
		if t.Failed() {
			t.Fatalf("cut behind event %d of %d", at, len(events))
		}
	}
	return fmt.Sprintf("%d power cuts in a record of %d writes and syncs: 0 lost, 0 half applied", cuts, len(events)-acks)
}

// firstSync returns how many events there are up to the first sync.
func firstSync(events []event) int {
	for i, e := range events {
		if e.sync {
			return i + 1
		}
	}
	return len(events)
}
