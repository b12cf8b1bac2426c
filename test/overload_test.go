package test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const worksService = `
syntax = "proto3";
package works.v1;
message Work {}
service Works {
  rpc Low(Work) returns (Work);
  rpc Normal(Work) returns (Work);
  rpc High(Work) returns (Work);
}
`

// What the backend of the overload carries: so many calls at once, each for so long. All others wait there. A call takes
// much longer there than a busy machine needs for it.
const (
	workers    = 8
	workTime   = 50 * time.Millisecond
	mostAtOnce = 100
)

// TestOverload gives a backend much more to do than it can. The adaptive limit finds what it carries, calls of low
// priority are refused rather than those of high priority, and once the load is over the limit grows again.
func TestOverload(t *testing.T) {
	w := startWorks(t)
	w.load(t, time.Second, map[string]int{"Normal": workers / 2}) // which shows how long a call takes
	calm := w.waiting()

	crowd := map[string]int{"Low": 2 * workers, "Normal": 2 * workers, "High": 2 * workers}
	w.load(t, 2*time.Second, crowd) // it learns
	during := w.load(t, 4*time.Second, crowd)
	crowded, limit := w.waiting(), w.limit(t)
	t.Logf("%d calls waited in the backend at most while it was calm, then %d, at the end %d; the limit came to %d of %d",
		calm.most, crowded.most, crowded.last, limit, mostAtOnce)
	for _, method := range []string{"High", "Normal", "Low"} {
		d := during[method]
		t.Logf("%-6s %5d answered, %5d refused: %2.0f %% answered", method, d.answered, d.refused, 100*d.share())
		if d.failed > 0 {
			t.Errorf("%s: %d calls failed otherwise", method, d.failed)
		}
	}
	if limit == 0 || limit > mostAtOnce/2 {
		t.Errorf("the limit is %d", limit)
	}
	if crowded.last > 4*workers { // of 6 that come
		t.Errorf("%d calls were in the backend at once at the end", crowded.last)
	}
	if low, normal, high := during["Low"].share(), during["Normal"].share(), during["High"].share(); high < 2*low || normal < low || high < normal {
		t.Errorf("answered were %.2f of those of low, %.2f of normal and %.2f of high priority", low, normal, high)
	}

	lowest := limit
	for range 20 {
		enough := limit/2 + 1 // calls at once: a limit that is not used does not grow
		w.load(t, 500*time.Millisecond, map[string]int{"Normal": max(workers, enough)})
		if limit = w.limit(t); limit > lowest {
			return
		}
		lowest = min(lowest, limit)
	}
	t.Errorf("the limit is %d, 10 s after the load was over", limit)
}

// works is a gateway before a backend that carries little.
type works struct {
	admin  adminv1.AdminServiceClient
	conn   *grpc.ClientConn
	inside atomic.Int64 // calls in the backend
	mu     sync.Mutex
	seen   []int64 // of those, with each call
}

func startWorks(t *testing.T) *works {
	t.Helper()
	w := new(works)
	places := make(chan struct{}, workers)
	work := func(s *rpctest.Stream) error {
		w.enter()
		defer w.inside.Add(-1)
		select {
		case places <- struct{}{}:
		case <-s.Context().Done():
			return s.Context().Err()
		}
		time.Sleep(workTime)
		<-places
		return rpctest.Answer(nil)(s)
	}
	snapshot := rpctest.Compile(t, map[string]string{"works.proto": worksService})
	handlers := make(map[string]rpctest.Handler)
	for path := range snapshot.Methods {
		handlers[path] = work
	}
	backend := rpctest.Start(t, handlers, rpctest.Reflect(snapshot.Backends[0]))
	rule := func(selector string, p policyv1.Concurrency_Priority) *configv1.PolicyRule {
		return &configv1.PolicyRule{Selector: proto.String(selector), Policy: &policyv1.Policy{
			Concurrency: &policyv1.Concurrency{MaxInFlight: proto.Uint32(mostAtOnce), Adaptive: proto.Bool(true), Priority: &p},
		}}
	}
	g, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("works", backend.Address)},
		Policies: []*configv1.PolicyRule{
			rule("*", policyv1.Concurrency_PRIORITY_NORMAL),
			rule("works.v1.Works.Low", policyv1.Concurrency_PRIORITY_LOW),
			rule("works.v1.Works.High", policyv1.Concurrency_PRIORITY_HIGH),
		},
	})
	t.Cleanup(stop)
	conn, err := grpc.NewClient(g.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w.conn, w.admin = conn, adminOf(t, g)
	return w
}

func (w *works) enter() {
	n := w.inside.Add(1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen = append(w.seen, n)
}

// crowd is how many calls were in the backend at once: at most, and on average over the last quarter of them.
type crowd struct{ most, last int64 }

// waiting returns that since it was last asked.
func (w *works) waiting() (c crowd) {
	w.mu.Lock()
	defer w.mu.Unlock()
	end := w.seen[len(w.seen)*3/4:]
	for _, n := range w.seen {
		c.most = max(c.most, n)
	}
	for _, n := range end {
		c.last += n
	}
	c.last /= int64(len(end))
	w.seen = nil
	return c
}

// limit is what the adaptive limit has come to.
func (w *works) limit(t *testing.T) int {
	t.Helper()
	states, err := w.admin.ListPolicyStates(t.Context(), &adminv1.ListPolicyStatesRequest{Kind: "concurrency"})
	if err != nil || len(states.GetStates()) != 1 {
		t.Fatalf("%v, %v", states, err)
	}
	return int(states.GetStates()[0].GetConcurrency().GetLimit())
}

// fate is what became of the calls of one method.
type fate struct{ answered, refused, failed int }

func (o fate) share() float64 { return float64(o.answered) / float64(o.answered+o.refused) }

// load has callers call methods one call after the other, and come again a little later where they are refused.
func (w *works) load(t *testing.T, span time.Duration, callers map[string]int) map[string]fate {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	fates := make(map[string]fate)
	var mu sync.Mutex
	var calling sync.WaitGroup
	start := time.Now()
	for method, n := range callers {
		for range n {
			calling.Go(func() {
				var o fate
				for time.Since(start) < span {
					switch err := w.conn.Invoke(ctx, "/works.v1.Works/"+method, &rawMessage{}, new(rawMessage), grpc.ForceCodec(rawCodec{})); status.Code(err) {
					case codes.OK:
						o.answered++
					case codes.ResourceExhausted:
						o.refused++
						time.Sleep(2 * workTime)
					default:
						o.failed++
					}
				}
				mu.Lock()
				defer mu.Unlock()
				all := fates[method]
				fates[method] = fate{all.answered + o.answered, all.refused + o.refused, all.failed + o.failed}
			})
		}
	}
	calling.Wait()
	return fates
}
