package test

import (
	"encoding/binary"
	"flag"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

var fullPromises = flag.Bool("promises", false, "prove the promises in full, with their figures; otherwise in small")

// promise prints the line of a promise that was kept in full.
func promise(t *testing.T, id, format string, figures ...any) {
	t.Helper()
	line := "PROMISE " + id + " "
	if !*fullPromises {
		line = id + " in small: "
	} else if !t.Failed() {
		line += "PASS "
	} else {
		line += "FAIL "
	}
	t.Logf(line+format, figures...)
}

const ledgerService = `
edition = "2023";
package ledger.v1;
service Ledger {
  rpc Read(Entry) returns (Entry) { option idempotency_level = NO_SIDE_EFFECTS; }
  rpc Put(Entry) returns (Entry) { option idempotency_level = IDEMPOTENT; }
  rpc Add(Entry) returns (Entry);
}
message Entry { fixed64 id = 1; }
`

func entry(id uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{0x09}, id) }

func entryID(message []byte) uint64 {
	if len(message) != 9 {
		return 0
	}
	return binary.LittleEndian.Uint64(message[1:])
}

// ledger counts how often each entry was carried out.
type ledger struct {
	came   atomic.Int64 // requests
	mu     sync.Mutex
	times  map[uint64]int // by id
	faults map[string]int
	next   int // fault, which go round
}

// faults are what happens to a request. Those that do not carry it out say so truthfully, in the
// way that lets grpc send it again.
var faults = []struct {
	name string
	do   func(l *ledger, s *rpctest.FrameStream)
}{
	{"refused", func(_ *ledger, s *rpctest.FrameStream) { s.Reset(http2.ErrCodeRefusedStream) }},
	{"reset", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Reset(http2.ErrCodeInternal)
	}},
	{"cancelled", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Reset(http2.ErrCodeCancel)
	}},
	{"reset after the head", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Begin()
		s.Reset(http2.ErrCodeProtocol)
	}},
	{"reset after the message", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Begin()
		s.Data(false, rpctest.Framed(s.Message))
		s.Reset(http2.ErrCodeInternal)
	}},
	{"unavailable", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Fail("14", "try again")
	}},
	{"hanging up", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Hangup()
	}},
	{"hanging up before", func(_ *ledger, s *rpctest.FrameStream) { s.Hangup() }},
	{"going away", func(l *ledger, s *rpctest.FrameStream) {
		s.GoAway(s.ID, http2.ErrCodeNo)
		if l.carryOut(s) {
			s.Answer(s.Message)
		}
	}},
	{"going away before", func(_ *ledger, s *rpctest.FrameStream) {
		s.GoAway(s.ID-2, http2.ErrCodeNo)
		time.Sleep(time.Millisecond)
		s.Hangup()
	}},
	{"silence", func(l *ledger, s *rpctest.FrameStream) { l.carryOut(s) }},
	{"no frames", func(l *ledger, s *rpctest.FrameStream) {
		l.carryOut(s)
		s.Raw([]byte("HTTP/1.1 500 Oh\r\n\r\n"))
	}},
}

func (l *ledger) carryOut(s *rpctest.FrameStream) (done bool) {
	return s.CarryOut(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.times[entryID(s.Message)]++
	})
}

// serve answers one request in twenty with a fault.
func (l *ledger) serve(s *rpctest.FrameStream) {
	l.came.Add(1)
	if rand.IntN(20) > 0 {
		if l.carryOut(s) {
			s.Answer(s.Message)
		}
		return
	}
	l.mu.Lock()
	fault := faults[l.next%len(faults)]
	l.next++
	l.faults[fault.name]++
	l.mu.Unlock()
	fault.do(l, s)
}

// TestPromiseP7 calls a backend that resets, goes away, hangs up, is silent and is killed, with
// a policy that retries all that may be retried, and counts at the backend how often each call ran.
func TestPromiseP7(t *testing.T) {
	calls := 3_000
	if *fullPromises {
		calls = 100_000
	}
	l := &ledger{times: make(map[uint64]int), faults: make(map[string]int)}
	backend := rpctest.StartFrames(t, l.serve)
	config := &configv1.Config{
		Backends: []*configv1.Backend{ledgerAt(t, "ledger", backend)},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{
			Retry: &policyv1.Retry{
				MaxAttempts: proto.Uint32(4),
				Codes:       []string{"UNAVAILABLE", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "ABORTED", "RESOURCE_EXHAUSTED"},
			},
			Timeout: &policyv1.Timeout{Attempt: durationpb.New(time.Second)},
			Breaker: &policyv1.Breaker{Disabled: proto.Bool(true)},
		}}},
	}
	g, stop := startGateway(t, config)
	defer stop()
	killed, endKills := killNowAndThen(backend, &l.came)
	kinds := []string{"Read", "Put", "Add", "Add"}
	var ok [4]atomic.Int64
	inParallel(64, calls, func(n int) {
		if status, _ := postEntry(t, g.Addr(), "ledger", kinds[n%len(kinds)], uint64(n+1)); status == http.StatusOK { //nolint:gosec // not negative
			ok[n%len(kinds)].Add(1)
		}
	})
	endKills()
	l.mu.Lock()
	defer l.mu.Unlock()
	twice, again := 0, 0
	for id, times := range l.times {
		switch write := kinds[(id-1)%uint64(len(kinds))] == "Add"; {
		case times > 1 && write:
			twice++
		case times > 1:
			again++
		}
	}
	if twice > 0 || again == 0 || len(l.faults) != len(faults) {
		t.Errorf("%d calls that are not idempotent ran twice; %d others did; faults %v", twice, again, l.faults)
	}
	injected := 0
	for _, n := range l.faults {
		injected += n
	}
	promise(t, "P7", "%d calls, %d faults of %d kinds, %d kills: %d duplicates of %d calls that are not idempotent; "+
		"%d others ran again; answered well: %d of %d reads and idempotent, %d of %d writes",
		calls, injected, len(faults), killed.Load(), twice, calls/2, again,
		ok[0].Load()+ok[1].Load(), calls/2, ok[2].Load()+ok[3].Load(), calls/2)
}

// killNowAndThen kills a backend and lets it come back, until end is called: not before it has served for
// a while, and a number of requests of those that came to it.
func killNowAndThen(backend *rpctest.Frames, came *atomic.Int64) (killed *atomic.Int64, end func()) {
	const serves, requests = 300 * time.Millisecond, 150
	killed = new(atomic.Int64)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for last := came.Load(); ; {
			select {
			case <-time.After(serves):
			case <-stop:
				return
			}
			if came.Load()-last < requests {
				continue
			}
			backend.Kill()
			time.Sleep(5 * time.Millisecond)
			backend.Restart()
			killed.Add(1)
			last = came.Load()
		}
	}()
	return killed, func() {
		close(stop)
		<-ended
	}
}

// inParallel does n things with so many workers.
func inParallel(workers, n int, do func(int)) {
	var next atomic.Int64
	var working sync.WaitGroup
	for range workers {
		working.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				do(int(i))
			}
		})
	}
	working.Wait()
}

// entries keeps connections to the gateway open.
var entries = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}}

// postEntry calls a method of a ledger by Connect and returns what came, and how long it took.
func postEntry(t *testing.T, address, backend, method string, id uint64) (status int, took time.Duration) {
	t.Helper()
	start := time.Now()
	resp, err := entries.Post("http://"+address+"/"+backend+".v1.Ledger/"+method, "application/proto", strings.NewReader(string(entry(id))))
	if err != nil {
		t.Errorf("the gateway failed: %v", err)
		return 0, 0
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode == http.StatusOK && entryID(body) != id {
		t.Errorf("%s(%d) = %x, %v", method, id, body, err)
	}
	return resp.StatusCode, time.Since(start)
}

// TestPromiseP8 has a backend fail altogether, and counts what reaches it: with the
// breaker off, as calls and retries; with the breaker on, as probes.
func TestPromiseP8(t *testing.T) {
	length, openFor := 3*time.Second, 300*time.Millisecond
	if *fullPromises {
		length, openFor = time.Minute, 2*time.Second
	}
	var arrived atomic.Int64
	backend := rpctest.StartFrames(t, func(s *rpctest.FrameStream) {
		arrived.Add(1)
		s.Fail("14", "down")
	})
	run := func(breaker *policyv1.Breaker) (calls, attempts, opened int, took time.Duration) {
		config := &configv1.Config{
			Backends: []*configv1.Backend{ledgerAt(t, "ledger", backend)},
			Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{
				Retry: &policyv1.Retry{MaxAttempts: proto.Uint32(5)}, Breaker: breaker,
			}}},
		}
		g, stop := startGateway(t, config)
		defer stop()
		arrived.Store(0)
		var count atomic.Int64
		begin := time.Now()
		inParallel(64, 64, func(int) {
			for time.Since(begin) < length {
				count.Add(1)
				if status, _ := postEntry(t, g.Addr(), "ledger", "Read", 1); status != http.StatusServiceUnavailable {
					t.Errorf("status %d", status)
				}
			}
		})
		took = time.Since(begin)
		states, err := adminOf(t, g).ListPolicyStates(t.Context(), &adminv1.ListPolicyStatesRequest{Kind: "breaker"})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states.GetStates() {
			opened += int(s.GetBreaker().GetOpened()) //nolint:gosec // a few
		}
		return int(count.Load()), int(arrived.Load()), opened, took
	}
	calls, attempts, _, took := run(&policyv1.Breaker{Disabled: proto.Bool(true)})
	ratio := float64(attempts) / float64(calls)
	if allowed := 1.2*float64(calls) + 10*(took.Seconds()+10); float64(attempts) > allowed || *fullPromises && ratio > 1.21 {
		t.Errorf("%d attempts of %d calls", attempts, calls)
	}
	const (
		probes = 5   // that one half-open breaker lets through
		closed = 100 // what arrives before it opens first: it takes 20 failures, while 64 call
	)
	guarded, arrivals, opened, took := run(&policyv1.Breaker{OpenFor: durationpb.New(openFor)})
	if opened < 3 || opened > int(took/openFor)+1 || *fullPromises && opened < int(length/openFor)/2 {
		t.Errorf("it opened %d times in %v", opened, took)
	}
	if arrivals > closed+probes*opened {
		t.Errorf("%d attempts arrived, while it opened %d times", arrivals, opened)
	}
	promise(t, "P8", "a backend that fails for %v: %d calls, %.3f attempts a call with the breaker off; "+
		"%d calls, %d attempts with it on, which opened %d times", length, calls, ratio, guarded, arrivals, opened)
}

// TestPromiseP9 measures calls of a backend beside calls of a neighbour: in turns of one that
// is well and of one that is dead, which is silent at first and then not there at all.
func TestPromiseP9(t *testing.T) {
	turns, length := 2, 200*time.Millisecond
	if *fullPromises {
		turns, length = 16, 1500*time.Millisecond
	}
	answer := func(s *rpctest.FrameStream) { s.Answer(s.Message) }
	dead := rpctest.StartFrames(t, func(*rpctest.FrameStream) {})
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{
			ledgerAt(t, "ledger", rpctest.StartFrames(t, answer)),
			ledgerAt(t, "well", rpctest.StartFrames(t, answer)),
			ledgerAt(t, "dead", dead),
		},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("dead.v1.*"), Policy: &policyv1.Policy{
			Timeout: &policyv1.Timeout{Call: durationpb.New(deadCallTimeout)},
			Breaker: &policyv1.Breaker{OpenFor: durationpb.New(time.Hour)},
		}}},
	})
	defer stop()
	beside(t, g.Addr(), "well", length) // warm
	var well, dying, failures []time.Duration
	for turn := range turns {
		if turn == turns/2 {
			dead.Kill()
		}
		times, failed := beside(t, g.Addr(), "well", length)
		if len(failed) > 0 {
			t.Errorf("%d calls of a neighbour that is well failed", len(failed))
		}
		well = append(well, times...)
		times, failed = beside(t, g.Addr(), "dead", length)
		dying, failures = append(dying, times...), append(failures, failed...)
	}
	slow := 0 // until its breaker opens, a silent backend takes the time of the deadline
	for _, took := range failures {
		if took >= deadCallTimeout {
			slow++
		}
	}
	if slow > 100 {
		t.Errorf("%d calls waited for the dead backend", slow)
	}
	w, d, fast := percentile(well, 99), percentile(dying, 99), percentile(failures, 99)
	if *fullPromises && (float64(d) > 1.5*float64(w) || fast > 20*time.Millisecond) {
		t.Errorf("p99 %v and %v; failures %v", w, d, fast)
	}
	promise(t, "P9", "neighbours' p99 %v beside a backend that is well, %v (%.2f times) beside a dead one, of %d and %d calls; "+
		"%d failures with a p99 of %v, %d of them waited for the deadline",
		w, d, float64(d)/float64(w), len(well), len(dying), len(failures), fast, slow)
}

const deadCallTimeout = 200 * time.Millisecond

// beside calls the ledger in half of the workers and a neighbour in the others, at the
// same pace whether that fails at once or not. It returns how long the calls of the ledger took, and the
// failures of the neighbour.
func beside(t *testing.T, address, neighbour string, length time.Duration) (times, failures []time.Duration) {
	t.Helper()
	var mu sync.Mutex
	end := time.Now().Add(length)
	inParallel(16, 16, func(worker int) {
		for time.Now().Before(end) {
			if worker%2 == 0 {
				status, took := postEntry(t, address, "ledger", "Read", 1)
				if status != http.StatusOK {
					t.Errorf("the backend that is well answers %d", status)
				}
				mu.Lock()
				times = append(times, took)
				mu.Unlock()
				continue
			}
			if status, took := postEntry(t, address, neighbour, "Read", 1); status != http.StatusOK {
				mu.Lock()
				failures = append(failures, took)
				mu.Unlock()
			}
			time.Sleep(time.Millisecond)
		}
	})
	return times, failures
}

// ledgerAt is a backend that serves the ledger's methods in a package of its own.
func ledgerAt(t *testing.T, name string, backend *rpctest.Frames) *configv1.Backend {
	t.Helper()
	source := strings.ReplaceAll(ledgerService, "ledger.v1", name+".v1")
	return &configv1.Backend{
		Name: &name, Address: &backend.Address,
		Source: &configv1.Backend_Proto{Proto: protoFolder(t, source)},
	}
}

func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)*p/100]
}
