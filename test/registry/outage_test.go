package registry

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// TestStoreOutage stops etcd, cuts one replica off it, and compacts what that one has not seen. No client
// notices; a replica that starts in the outage serves; afterwards all serve the newest.
func TestStoreOutage(t *testing.T) {
	requests := scaled(100_000, 6_000)
	etcd := startEtcd(t, 1)
	wire := startWire(t, etcd.nodes[0].client)
	cutOff := []string{"http://" + wire.address}
	states := t.TempDir()
	one := startReplica(t, etcd.endpoints(), filepath.Join(states, "one"))
	two := startReplica(t, cutOff, filepath.Join(states, "two"))
	servers := []string{answering(t, "0"), answering(t, "1"), answering(t, "2")}
	registerTurns(t, one, servers[0], 0)
	await(t, "the other replica", func() bool { return served(two) == "0" })

	traffic := startTraffic(t, one.Addr(), two.Addr())
	traffic.wait(t, requests/4)

	// Cut off, the second replica serves what it has, while the first goes on.
	wire.cut()
	registerTurns(t, one, servers[1], 1)
	for i := range 10 {
		registerTurns(t, one, servers[1], 2+i)
	}
	etcd.compact()
	traffic.wait(t, requests/4)
	if got := served(two); got != "0" {
		t.Errorf("the replica that is cut off serves %q", got)
	}
	wire.mend()
	healed := time.Now()
	await(t, "the replica that was cut off", func() bool { return served(two) == "1" })
	converged := time.Since(healed)

	// Without etcd everything stays served, and nothing is registered.
	etcd.stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	_, err := one.admin.Register(ctx, &adminv1.RegisterRequest{Backend: "turns", Address: servers[2], Descriptors: turnsDescriptors(20)})
	cancel()
	if status.Code(err) != codes.Unavailable {
		t.Errorf("a registration without etcd: %v", err)
	}
	traffic.wait(t, requests/4)
	begin := time.Now()
	cold := startProcess(t, "--state", copyOf(t, filepath.Join(states, "one")), "--config", etcdConfig(t, etcd))
	defer cold.kill()
	await(t, "the replica that starts in the outage", func() bool {
		server, err := restDoor(strings.TrimPrefix(cold.clients, "http://"))(t.Context())
		return err == nil && server == "1"
	})
	coldStart := time.Since(begin)

	etcd.restart()
	restarted := time.Now()
	await(t, "registrations after the outage", func() bool {
		_, err := one.admin.Register(t.Context(), &adminv1.RegisterRequest{Backend: "turns", Address: servers[2], Descriptors: turnsDescriptors(20)})
		return err == nil
	})
	await(t, "all replicas", func() bool {
		server, err := restDoor(strings.TrimPrefix(cold.clients, "http://"))(t.Context())
		return served(one) == "2" && served(two) == "2" && err == nil && server == "2"
	})
	afterRestart := time.Since(restarted)
	traffic.wait(t, requests/4)
	done := traffic.stop(t)
	if full {
		for what, took := range map[string]time.Duration{"cold start": coldStart, "converging after a cut": converged, "converging after a restart": afterRestart} {
			limit := 5 * time.Second
			if what == "cold start" {
				limit = 2 * time.Second
			}
			if took > limit {
				t.Errorf("%s took %v", what, took)
			}
		}
	}
	promise(t, "P4", "%d requests while etcd was cut off, compacted, stopped and restarted: 0 failed; cold start in the outage served after %v; "+
		"converged %v after the cut, %v after the restart", done, ms(coldStart), ms(converged), ms(afterRestart))
}

func ms(d time.Duration) time.Duration { return d.Round(time.Millisecond) }

func registerTurns(t *testing.T, r *replica, address string, n int) {
	t.Helper()
	if _, err := r.admin.Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "turns", Address: address, Descriptors: turnsDescriptors(n),
	}); err != nil {
		t.Fatal(err)
	}
}

// served returns which server answers through a replica, or nothing.
func served(r *replica) string {
	server, _ := restDoor(r.Addr())(context.Background())
	return server
}

// traffic calls replicas on all doors until it is stopped.
type traffic struct {
	cancel  context.CancelFunc
	running sync.WaitGroup
	done    atomic.Int64
	failed  atomic.Pointer[error]
}

func startTraffic(t *testing.T, addresses ...string) *traffic {
	ctx, cancel := context.WithCancel(t.Context())
	r := &traffic{cancel: cancel}
	for _, address := range addresses {
		for _, door := range []func(context.Context) (string, error){restDoor(address), graphDoor(address), grpcDoor(t, address), connectDoor(address)} {
			r.running.Go(func() {
				for ctx.Err() == nil {
					if _, err := door(ctx); err != nil && ctx.Err() == nil {
						r.failed.CompareAndSwap(nil, &err)
						return
					}
					r.done.Add(1)
				}
			})
		}
	}
	return r
}

// wait waits for so many more requests.
func (r *traffic) wait(t *testing.T, n int) {
	t.Helper()
	goal := r.done.Load() + int64(n)
	for start := time.Now(); r.done.Load() < goal; time.Sleep(10 * time.Millisecond) {
		if err := r.failed.Load(); err != nil {
			t.Fatalf("a request failed: %v", *err)
		}
		if time.Since(start) > 5*time.Minute {
			t.Fatal("the traffic stands still")
		}
	}
}

func (r *traffic) stop(t *testing.T) int64 {
	t.Helper()
	r.cancel()
	r.running.Wait()
	if err := r.failed.Load(); err != nil {
		t.Errorf("a request failed: %v", *err)
	}
	return r.done.Load()
}

// wire is a connection to etcd that can be cut.
type wire struct {
	address, to string
	mu          sync.Mutex
	isCut       bool
	open        map[net.Conn]bool
}

func startWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{address: l.Addr().String(), to: to, open: make(map[net.Conn]bool)}
	t.Cleanup(func() { l.Close(); w.cut() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go w.carry(conn)
		}
	}()
	return w
}

func (w *wire) carry(from net.Conn) {
	to, err := net.Dial("tcp", w.to)
	if err != nil {
		from.Close()
		return
	}
	w.mu.Lock()
	isCut := w.isCut
	w.open[from], w.open[to] = true, true
	w.mu.Unlock()
	if !isCut {
		go func() { _, _ = io.Copy(to, from); to.Close() }()
		_, _ = io.Copy(from, to)
	}
	from.Close()
	to.Close()
	w.mu.Lock()
	delete(w.open, from)
	delete(w.open, to)
	w.mu.Unlock()
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = true
	for conn := range w.open {
		conn.Close()
	}
}

func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.isCut = false
}

func etcdConfig(t *testing.T, c *cluster) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "protean.yaml")
	write := fmt.Sprintf("registry:\n  gate: GATE_WARN\n  etcd:\n    endpoints: [%q]\n", c.endpoints()[0])
	writeFile(t, path, write)
	return path
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// copyOf copies a state folder, as another machine would have it.
func copyOf(t *testing.T, folder string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	return to
}
