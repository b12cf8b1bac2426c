// Package redis proves what is promised of rate limits and answers that several gateways share, on a real Redis and
// on gateways in processes of their own. PROOF=full runs it at full length, as `make proof` does.
package redis

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/resilience"
)

// The limit that all replicas have.
const (
	replicas = 3
	rate     = 300 // a second
	burst    = 50
)

var proteanBinary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "protean")
	if err != nil {
		panic(err)
	}
	proteanBinary = filepath.Join(folder, "protean")
	build := exec.Command("go", "build", "-o", proteanBinary, "./cmd/protean")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	install("redis-server", "redis-server")
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// install gets a tool from the distribution where it is missing.
func install(command, debian string) {
	if _, err := exec.LookPath(command); err == nil {
		return
	}
	if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", debian).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s is missing and cannot be installed: %v\n%s", command, err, out))
	}
}

// length is how long each part of the proof takes.
func length() time.Duration {
	if os.Getenv("PROOF") == "full" {
		return 20 * time.Second
	}
	return 4 * time.Second
}

// TestSharedLimit has three gateways share one limit: with Redis, without, and while it comes and goes.
func TestSharedLimit(t *testing.T) {
	shop, err := examples.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	address := freeAddress(t)
	server := startRedis(t, address)
	gateways := startGateways(t, shop, address)

	with := drive(gateways, length())
	with.check(t, "with Redis", 0.01)

	var during tally
	var calling sync.WaitGroup
	calling.Go(func() { during = drive(gateways, 2*time.Second) })
	time.Sleep(500 * time.Millisecond) // in the middle of calls
	kill(server)
	calling.Wait()
	if during.failed > 0 {
		t.Errorf("%d of %d calls failed while Redis was killed", during.failed, during.sent())
	}
	without := drive(gateways, length())
	without.check(t, "without Redis", 0.10)

	startRedis(t, address)
	back := time.Now()
	for _, g := range gateways {
		for !g.answering(t) {
			if time.Since(back) > 5*time.Second {
				t.Fatal("a gateway does not ask Redis again after 5 s")
			}
			drive(gateways, 50*time.Millisecond)
		}
	}
	again := time.Since(back).Round(time.Millisecond)
	added := addedByOutages(t, shop)
	if !t.Failed() {
		fmt.Printf("PROMISE P18 PASS %d replicas at %d a second: %s with Redis, %s without; %d of %d calls failed while it was killed; all ask it again after %v; with the default budget of %v, %s\n",
			replicas, rate, with, without, during.failed, during.sent(), again, resilience.DefaultBudget, added)
	}
}

// tally is what became of calls.
type tally struct {
	allowed, limited, failed int
	took                     time.Duration
}

func (r tally) sent() int { return r.allowed + r.limited + r.failed }

// overshoot is how much more was allowed than the limit, as a part of it. A burst may be saved up.
func (r tally) overshoot() float64 {
	limit := burst + rate*r.took.Seconds()
	return float64(r.allowed)/limit - 1
}

func (r tally) String() string {
	return fmt.Sprintf("%d of %d calls allowed in %v, overshoot %.2f %%", r.allowed, r.sent(), r.took.Round(time.Millisecond), 100*max(r.overshoot(), 0))
}

func (r tally) check(t *testing.T, when string, most float64) {
	t.Helper()
	t.Logf("%s: %s", when, r)
	switch {
	case r.failed > 0:
		t.Errorf("%s: %d calls failed", when, r.failed)
	case r.overshoot() > most:
		t.Errorf("%s: the limit is overshot by %.2f %%", when, 100*r.overshoot())
	case r.limited == 0 || float64(r.allowed) < 0.8*rate*r.took.Seconds():
		t.Errorf("%s: the limit was not reached: %s", when, r)
	}
}

// drive calls all gateways at once for a time, more often than the limit allows.
func drive(gateways []*process, span time.Duration) tally {
	var mu sync.Mutex
	var all tally
	var calling sync.WaitGroup
	start := time.Now()
	for _, g := range gateways {
		for range 2 {
			calling.Go(func() {
				var mine tally
				for time.Since(start) < span {
					mine.count(g.call())
					time.Sleep(2 * time.Millisecond) // bounds the load, well above the limit
				}
				mu.Lock()
				defer mu.Unlock()
				all.allowed += mine.allowed
				all.limited += mine.limited
				all.failed += mine.failed
			})
		}
	}
	calling.Wait()
	all.took = time.Since(start)
	return all
}

func (r *tally) count(status int) {
	switch status {
	case http.StatusOK:
		r.allowed++
	case http.StatusTooManyRequests:
		r.limited++
	default:
		r.failed++
	}
}

// process is a gateway.
type process struct{ address, admin string }

func (p *process) call() int {
	response, err := http.Get("http://" + p.address + "/v1/books/emma")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// answering reports whether the gateway had an answer of Redis when it last asked.
func (p *process) answering(t *testing.T) bool {
	return p.metric(t, "protean_redis_answering") == "protean_redis_answering 1\n"
}

// metric returns the lines of a metric.
func (p *process) metric(t *testing.T, name string) (found string) {
	t.Helper()
	response, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if strings.HasPrefix(line, name) {
			found += line
		}
	}
	return found
}

func startGateways(t *testing.T, shop *examples.Running, redis string) []*process {
	t.Helper()
	var config strings.Builder
	config.WriteString("backends:\n")
	for _, b := range shop.Backends {
		fmt.Fprintf(&config, "  - {name: %s, address: '%s'}\n", b.Name, b.Address)
	}
	fmt.Fprintf(&config, "policies:\n  - selector: '*'\n    policy: {rateLimit: {requests: %d, burst: %d, key: [ip]}}\n", rate, burst)
	fmt.Fprintf(&config, "redis: {address: '%s', replicas: %d, budget: 0.1s}\n", redis, replicas)
	file := filepath.Join(t.TempDir(), "protean.yaml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var gateways []*process
	for range replicas {
		gateways = append(gateways, startGateway(t, file))
	}
	return gateways
}

func startGateway(t *testing.T, config string) *process {
	t.Helper()
	p := &process{address: freeAddress(t), admin: freeAddress(t)}
	command := exec.Command(proteanBinary, "serve", "--config", config, "--listen", p.address, "--admin", p.admin)
	command.Stderr = os.Stderr
	run(t, command)
	await(t, "a gateway to be ready", func() bool {
		response, err := http.Get("http://" + p.admin + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
	return p
}

// startRedis starts a server that keeps nothing.
func startRedis(t *testing.T, address string) *exec.Cmd {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--appendonly", "no", "--dir", t.TempDir())
	run(t, command)
	await(t, "Redis to answer", func() bool { return pings(address) })
	return command
}

func pings(address string) bool {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	defer conn.Close()
	fmt.Fprint(conn, "PING\r\n")
	answer, err := bufio.NewReader(conn).ReadString('\n')
	return err == nil && answer == "+PONG\r\n"
}

func run(t *testing.T, command *exec.Cmd) {
	t.Helper()
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(command) })
}

func kill(command *exec.Cmd) {
	if command.ProcessState == nil {
		_ = command.Process.Kill()
		_ = command.Wait()
	}
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 600 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited 30 s for %s", what)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
