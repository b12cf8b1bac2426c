package redis

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// outages are the ways in which a Redis fails, and how it recovers.
var outages = []struct {
	name  string
	begin func(*testing.T, *failing)
	end   func(*testing.T, *failing)
}{
	{"hung", func(t *testing.T, f *failing) { f.signal(t, syscall.SIGSTOP) }, func(t *testing.T, f *failing) { f.signal(t, syscall.SIGCONT) }},
	{"slow", func(_ *testing.T, f *failing) { f.delay.Store(int64(50 * time.Millisecond)) }, func(_ *testing.T, f *failing) { f.delay.Store(0) }},
	{"killed", func(_ *testing.T, f *failing) { kill(f.server) }, func(t *testing.T, f *failing) { f.server = startRedis(t, f.address) }},
}

// addedByOutages measures how long a call waits for a Redis with the default budget, and how long a whole request takes,
// while it does well and in each kind of outage. No request fails, and each outage adds no more than the budget.
func addedByOutages(t *testing.T, shop *examples.Running) string {
	t.Helper()
	f := startFailing(t)
	limit, client := newLimit(t, f)
	gateway := startGateway(t, outageConfig(t, shop, f.proxy))
	waiting := func() percentiles { return sample(func() bool { return limit() == nil }) }
	whole := func() percentiles {
		p := sample(func() bool { return gateway.call() == 200 })
		if p.failed > 0 {
			t.Errorf("%d of %d requests failed", p.failed, p.calls)
		}
		return p
	}
	answering := func() {
		await(t, "Redis to be asked again", func() bool {
			_ = limit()
			return client.Answering() && gateway.call() == 200 && gateway.answering(t)
		})
	}
	answering()
	healthy, healthyWhole := waiting(), whole()
	told := []string{fmt.Sprintf("a call waits %s for a Redis that does well", healthy)}
	for _, o := range outages {
		o.begin(t, f)
		waits, addedWhole := waiting(), whole().less(healthyWhole)
		for again := 0; again < 2 && waits.less(healthy).p99 > resilience.DefaultBudget; again++ { // others use the processors, too
			waits = waiting()
		}
		added := waits.less(healthy)
		if client.Answering() || gateway.answering(t) {
			t.Errorf("%s: Redis is said to answer", o.name)
		}
		if added.p50 > resilience.DefaultBudget || added.p99 > resilience.DefaultBudget {
			t.Errorf("%s: a call waits %s, before it was %s", o.name, waits, healthy)
		}
		told = append(told, fmt.Sprintf("for one that is %s %s (%s more; whole requests take %s more)", o.name, waits, added.middle(), addedWhole.middle()))
		o.end(t, f)
		back := time.Now()
		answering()
		if took := time.Since(back); took > 5*time.Second {
			t.Errorf("%s: Redis is asked again after %v", o.name, took)
		}
	}
	return strings.Join(told, "; ")
}

// percentiles are of how long calls took.
type percentiles struct {
	p50, p99, most time.Duration
	calls, failed  int
}

func (p percentiles) less(than percentiles) percentiles {
	return percentiles{p50: p.p50 - than.p50, p99: p.p99 - than.p99, calls: p.calls, failed: p.failed}
}

func (p percentiles) middle() string {
	return "p50 " + milliseconds(p.p50) + ", p99 " + milliseconds(p.p99)
}

func (p percentiles) String() string {
	return p.middle() + ", at most " + milliseconds(p.most)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
}

// sample calls for a time from several goroutines.
func sample(call func() bool) (p percentiles) {
	var mu sync.Mutex
	var all []time.Duration
	var calling sync.WaitGroup
	start := time.Now()
	for range 4 {
		calling.Go(func() {
			for time.Since(start) < length()/2 {
				began := time.Now()
				good := call()
				took := time.Since(began)
				mu.Lock()
				all = append(all, took)
				if !good {
					p.failed++
				}
				mu.Unlock()
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	calling.Wait()
	slices.Sort(all)
	p.calls, p.p50, p.p99, p.most = len(all), all[len(all)/2], all[len(all)*99/100], all[len(all)-1]
	return p
}

// newLimit is the limiter alone, which never refuses: what it takes is what it waits.
func newLimit(t *testing.T, f *failing) (limit func() error, client *resilience.Redis) {
	t.Helper()
	client = resilience.NewRedis(resilience.RedisOptions{Address: f.proxy, Prefix: "alone:"})
	t.Cleanup(func() { _ = client.Close() })
	var p resilience.RateLimit
	p.Share(client)
	h := p.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { return nil })
	m := &schema.Method{RateLimit: &schema.RateLimit{Scope: "*", Requests: 1_000_000, Per: time.Second, Burst: 1_000_000}}
	return func() error { return h(context.Background(), &rpc.Call{Method: m, Peer: "192.0.2.1:1"}, nil) }, client
}

func outageConfig(t *testing.T, shop *examples.Running, redis string) string {
	t.Helper()
	var config strings.Builder
	config.WriteString("backends:\n")
	for _, b := range shop.Backends {
		fmt.Fprintf(&config, "  - {name: %s, address: '%s'}\n", b.Name, b.Address)
	}
	fmt.Fprintf(&config, "policies: [{selector: '*', policy: {rateLimit: {requests: 1000000, burst: 1000000}}}]\nredis: {address: '%s'}\n", redis)
	file := filepath.Join(t.TempDir(), "protean.yaml")
	if err := os.WriteFile(file, []byte(config.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// failing is a Redis behind a proxy that can hold its answers up.
type failing struct {
	address, proxy string
	server         *exec.Cmd
	delay          atomic.Int64 // of each answer
}

func startFailing(t *testing.T) *failing {
	t.Helper()
	f := &failing{address: freeAddress(t)}
	f.server = startRedis(t, f.address)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f.proxy = l.Addr().String()
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { f.pass(client) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		kill(f.server) // ends the connections
		serving.Wait()
	})
	return f
}

// pass is one connection.
func (f *failing) pass(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", f.address)
	if err != nil {
		return
	}
	var asking sync.WaitGroup
	asking.Go(func() {
		_, _ = io.Copy(server, client)
		server.Close()
	})
	answer := make([]byte, 64<<10)
	for {
		n, err := server.Read(answer)
		time.Sleep(time.Duration(f.delay.Load()))
		if n > 0 {
			if _, err := client.Write(answer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	client.Close()
	server.Close()
	asking.Wait()
}

func (f *failing) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := f.server.Process.Signal(s); err != nil {
		t.Error(err)
	}
}
