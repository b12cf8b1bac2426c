package registry

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema/store"
)

// process is a gateway of its own process.
type process struct {
	command          *exec.Cmd
	clients, service string
}

// startProcess starts the binary and waits until it says where it listens.
func startProcess(t *testing.T, arguments ...string) *process {
	t.Helper()
	p := &process{command: exec.Command(proteanBinary, append([]string{
		"serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "error",
	}, arguments...)...)}
	p.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := p.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr strings.Builder
	p.command.Stderr = &stderr
	if err := p.command.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case fields[0] == "Clients:":
			p.clients = fields[1]
		case fields[0] == "Admin:":
			p.service = strings.TrimSuffix(strings.TrimPrefix(fields[1], "http://"), "/admin/v1/backends")
			return p
		}
	}
	_ = p.command.Wait()
	t.Fatalf("the gateway does not start: %s", stderr.String())
	return nil
}

func (p *process) kill() {
	_ = p.command.Process.Kill()
	_ = p.command.Wait()
}

// TestNothingIsLost registers under power cuts and kill -9.
func TestNothingIsLost(t *testing.T) {
	var figures [2]string
	t.Run("power cuts", func(t *testing.T) { figures[0] = cutPower(t) })
	t.Run("kills", func(t *testing.T) { figures[1] = killProcesses(t) })
	promise(t, "P2", "%s; %s", figures[0], figures[1])
}

// killProcesses kills a gateway while four clients register, again and again. What was acknowledged is there
// afterwards, and is served within a second of the start.
func killProcesses(t *testing.T) string {
	kills := scaled(500, 12)
	folder := t.TempDir()
	random := rand.New(rand.NewPCG(3, 4))
	acknowledged := make(map[string]*adminv1.Revision) // the newest, by backend
	total := 0
	var served []time.Duration // after the start
	for i := range kills {
		begin := time.Now()
		p := startProcess(t, "--state", folder)
		if len(acknowledged) > 0 {
			checkServed(t, p, acknowledged)
			served = append(served, time.Since(begin))
		}
		total += registerUntilKilled(t, p, i, time.Duration(5+random.IntN(150))*time.Millisecond, acknowledged)
		checkKept(t, folder, acknowledged)
		if t.Failed() {
			t.Fatalf("after %d kills", i+1)
		}
	}
	if total < 3*kills {
		t.Errorf("only %d registrations in %d runs", total, kills)
	}
	slices.Sort(served)
	late, last := served[len(served)*99/100], served[len(served)-1]
	if full && late > time.Second {
		t.Errorf("serving took %v after a restart (p99)", late)
	}
	return fmt.Sprintf("%d kill -9 with %d registrations acknowledged: 0 lost, 0 half applied, serving after %v (p99; %v at most)",
		kills, total, ms(late), ms(last))
}

// checkServed finds every acknowledged backend on the REST door: it answers, if only that it is down.
func checkServed(t *testing.T, p *process, acknowledged map[string]*adminv1.Revision) {
	t.Helper()
	for backend := range acknowledged {
		path := fmt.Sprintf("/shelf.%s.Shelves/GetShelf", backend)
		resp, err := http.Post(p.clients+path, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Error(err)
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusNotFound {
			t.Errorf("%s is not served after a restart", backend)
		}
	}
}

// registerUntilKilled registers from four clients and kills the gateway in the midst of it.
func registerUntilKilled(t *testing.T, p *process, run int, after time.Duration, acknowledged map[string]*adminv1.Revision) int {
	t.Helper()
	client := adminv1.NewAdminServiceClient(dial(t, p.service))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var mu sync.Mutex
	var running sync.WaitGroup
	count := 0
	first := make(chan struct{}, 4)
	for w := range 4 {
		running.Go(func() {
			backend := fmt.Sprint("b", w)
			for i := 0; ; i++ {
				out, err := client.Register(ctx, &adminv1.RegisterRequest{
					Backend: backend, Address: "127.0.0.1:9", Descriptors: shelf(backend, fmt.Sprint(run, "-", i)),
				})
				if err != nil {
					return
				}
				mu.Lock()
				acknowledged[backend] = out.GetRevision()
				count++
				mu.Unlock()
				if i == 0 {
					first <- struct{}{}
				}
			}
		})
	}
	select {
	case <-first:
	case <-ctx.Done():
		t.Error("nothing was registered")
	}
	time.Sleep(after)
	p.kill()
	running.Wait()
	return count
}

// checkKept opens the store of a gateway that is dead. What was not acknowledged may be there as well: one
// registration of each client.
func checkKept(t *testing.T, folder string, acknowledged map[string]*adminv1.Revision) {
	t.Helper()
	s, err := store.OpenFile(filepath.Join(folder, "registrations.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for backend, want := range acknowledged {
		got, err := s.Revision(t.Context(), backend, want.GetDigest())
		if err != nil || got.GetNumber() != want.GetNumber() {
			t.Errorf("acknowledged and lost: revision %d of %s: %v", want.GetNumber(), backend, err)
			continue
		}
		head, err := s.Head(t.Context(), backend)
		if err != nil || head.GetNumber() > want.GetNumber()+1 {
			t.Errorf("%s has revision %d, and %d was acknowledged: %v", backend, head.GetNumber(), want.GetNumber(), err)
		}
		if head.GetNumber() > want.GetNumber() {
			acknowledged[backend] = head // it is there to stay
		}
		if _, err := s.Descriptors(t.Context(), head); err != nil {
			t.Errorf("half applied: %v", err)
		}
	}
}
