package resilience

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// watchCall is a call of a server stream that may be shared.
func watchCall(request string, md metadata.MD, change ...func(*policyv1.Coalesce)) *rpc.Call {
	policy := &policyv1.Coalesce{Streams: proto.Bool(true)}
	for _, f := range change {
		f(policy)
	}
	c := readCall(&policyv1.Policy{Coalesce: policy}, request, md)
	c.Method.ServerStreams = true
	return c
}

// audience is a client of a stream, which takes a message when it is allowed to.
type audience struct {
	pace chan struct{} // nil: at once

	mu              sync.Mutex
	header, trailer metadata.MD
	messages        []string
}

func (a *audience) Recv() ([]byte, error) { return nil, errors.New("nobody asks") }

func (a *audience) SendHeader(md metadata.MD) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.header = md
	return nil
}

func (a *audience) Send(m []byte) error {
	if a.pace != nil {
		<-a.pace
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.messages = append(a.messages, string(m))
	return nil
}

func (a *audience) SetTrailer(md metadata.MD) { a.trailer = md }

func (a *audience) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.messages)
}

// station is a backend that sends what the test says.
type station struct {
	say   chan string
	end   error
	calls atomic.Int64
	ended atomic.Int64
}

func newStation() *station { return &station{say: make(chan string)} }

func (s *station) handle(ctx context.Context, _ *rpc.Call, out rpc.Stream) error {
	s.calls.Add(1)
	defer s.ended.Add(1)
	if err := out.SendHeader(metadata.Pairs("station", "one")); err != nil {
		return err
	}
	for {
		select {
		case m, more := <-s.say:
			if !more {
				out.SetTrailer(metadata.Pairs("ended", "well"))
				return s.end
			}
			if err := out.Send([]byte(m)); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// listening is a client's call under way.
type listening struct {
	audience
	leave context.CancelFunc
	done  chan error
}

func listenTo(t *testing.T, h rpc.Handler, c *rpc.Call, pace chan struct{}) *listening {
	ctx, cancel := context.WithCancel(t.Context())
	l := &listening{audience: audience{pace: pace}, leave: cancel, done: make(chan error, 1)}
	go func() { l.done <- h(ctx, c, l) }()
	synctest.Wait()
	return l
}

// TestBroadcast lets several listen to one stream: each hears what comes after it did, with
// the stream's header, and how it ended.
func TestBroadcast(t *testing.T) {
	for _, end := range []error{nil, status.Error(codes.Aborted, "no more")} {
		t.Run(fmt.Sprint(end), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p Coalesce
				s := newStation()
				s.end = end
				h := p.Middleware(s.handle)
				first := listenTo(t, h, watchCall("r", metadata.Pairs("x-request-id", "1")), nil)
				s.say <- "a"
				synctest.Wait()
				second := listenTo(t, h, watchCall("r", metadata.Pairs("x-request-id", "2")), nil)
				s.say <- "b"
				synctest.Wait()
				third := listenTo(t, h, watchCall("r", nil), nil)
				close(s.say)
				for i, l := range []*listening{first, second, third} {
					if err := <-l.done; !errors.Is(err, end) {
						t.Errorf("listener %d ended with %v", i, err)
					}
					if l.header.Get("station") == nil || l.trailer.Get("ended") == nil {
						t.Errorf("listener %d: header %v, trailer %v", i, l.header, l.trailer)
					}
					if want := [][]string{{"a", "b"}, {"b"}, nil}[i]; !slices.Equal(l.heard(), want) {
						t.Errorf("listener %d heard %v, want %v", i, l.heard(), want)
					}
				}
				if p.State() != (CoalesceState{1, 2}) || len(p.broadcasts) != 0 {
					t.Errorf("%+v, %d are under way", p.State(), len(p.broadcasts))
				}
			})
		})
	}
}

// TestBroadcastEnds goes on without those who leave, whoever came first, and ends the backend's stream
// when nobody listens, also where it is silent. Who comes then has another.
func TestBroadcastEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Coalesce
		s := newStation()
		h := p.Middleware(s.handle)
		first, second := listenTo(t, h, watchCall("r", nil), nil), listenTo(t, h, watchCall("r", nil), nil)
		first.leave()
		if err := <-first.done; status.Code(err) != codes.Canceled {
			t.Errorf("who left got %v", err)
		}
		s.say <- "a"
		synctest.Wait()
		if got := second.heard(); len(got) != 1 || s.ended.Load() != 0 {
			t.Errorf("who stayed heard %v, %d calls ended", got, s.ended.Load())
		}
		second.leave()
		<-second.done
		synctest.Wait()
		if s.ended.Load() != 1 || len(p.broadcasts) != 0 {
			t.Errorf("%d calls ended, %d broadcasts", s.ended.Load(), len(p.broadcasts))
		}
		third := listenTo(t, h, watchCall("r", nil), nil)
		close(s.say)
		if err := <-third.done; err != nil || s.calls.Load() != 2 {
			t.Errorf("%v, %d calls", err, s.calls.Load())
		}
	})
}

// TestBroadcastDropsTheSlow: one that does not read holds nobody up, and hears that it was dropped.
func TestBroadcastDropsTheSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Coalesce
		s := newStation()
		h := p.Middleware(s.handle)
		pace := make(chan struct{})
		slow, quick := listenTo(t, h, watchCall("r", nil), pace), listenTo(t, h, watchCall("r", nil), nil)
		const n = 10 * maxQueuedMessages
		for i := range n {
			s.say <- strconv.Itoa(i)
		}
		synctest.Wait()
		if got := quick.heard(); len(got) != n || got[n-1] != strconv.Itoa(n-1) {
			t.Errorf("the quick one heard %d messages", len(got))
		}
		close(pace) // it reads on, and is told
		if err := <-slow.done; status.Code(err) != codes.ResourceExhausted {
			t.Errorf("the slow one got %v", err)
		}
		close(s.say)
		if err := <-quick.done; err != nil || s.calls.Load() != 1 {
			t.Errorf("%v, %d calls", err, s.calls.Load())
		}
	})
}

// TestBroadcastHoldsBack: where nobody waits for more, the backend waits, and nothing is lost.
func TestBroadcastHoldsBack(t *testing.T) {
	for _, size := range []int{1, maxQueuedBytes / 10} {
		for _, listeners := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d of %d bytes", listeners, size), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					var p Coalesce
					s := newStation()
					h := p.Middleware(s.handle)
					pace := make(chan struct{})
					var all []*listening
					for range listeners {
						all = append(all, listenTo(t, h, watchCall("r", nil), pace))
					}
					n := 4 * min(maxQueuedMessages, maxQueuedBytes/size)
					said := 0
					var saying sync.WaitGroup
					saying.Go(func() {
						for range n {
							s.say <- string(make([]byte, size))
							said++
						}
						close(s.say)
					})
					synctest.Wait()
					if most := min(maxQueuedMessages, maxQueuedBytes/size) + 2; said > most {
						t.Errorf("the backend said %d messages, which nobody had read", said)
					}
					close(pace)
					saying.Wait()
					for _, l := range all {
						if err := <-l.done; err != nil || len(l.heard()) != n {
							t.Errorf("%v after %d of %d messages", err, len(l.heard()), n)
						}
					}
				})
			})
		}
	}
}

// TestBroadcastTellsApart shares nothing that may differ or have effects.
func TestBroadcastTellsApart(t *testing.T) {
	as := func(subject string) context.Context {
		return rpc.WithPrincipal(context.Background(), &rpc.Principal{Subject: subject})
	}
	shared := func(c *policyv1.Coalesce) { c.Shared = proto.Bool(true) }
	off := func(c *policyv1.Coalesce) { c.Streams, c.Enabled = nil, proto.Bool(true) }
	for name, test := range map[string]struct {
		call   func() *rpc.Call
		other  func(*rpc.Call)
		second string // the principal
		calls  int64
	}{
		"the same":           {func() *rpc.Call { return watchCall("r", nil) }, func(*rpc.Call) {}, "a", 1},
		"principals":         {func() *rpc.Call { return watchCall("r", nil) }, func(*rpc.Call) {}, "b", 2},
		"shared principals":  {func() *rpc.Call { return watchCall("r", nil, shared) }, func(*rpc.Call) {}, "b", 1},
		"requests":           {func() *rpc.Call { return watchCall("r", nil) }, func(c *rpc.Call) { c.Request = []byte("s") }, "a", 2},
		"metadata":           {func() *rpc.Call { return watchCall("r", nil) }, func(c *rpc.Call) { c.Metadata = metadata.Pairs("tenant", "b") }, "a", 2},
		"side effects":       {func() *rpc.Call { c := watchCall("r", nil); c.Method.NoSideEffects = false; return c }, func(*rpc.Call) {}, "a", 2},
		"client streams":     {func() *rpc.Call { c := watchCall("r", nil); c.Method.ClientStreams = true; return c }, func(*rpc.Call) {}, "a", 2},
		"collected":          {func() *rpc.Call { c := watchCall("r", nil); c.Method.Operation = schema.Query; return c }, func(*rpc.Call) {}, "a", 2},
		"without the option": {func() *rpc.Call { return watchCall("r", nil, off) }, func(*rpc.Call) {}, "a", 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var p Coalesce
				s := newStation()
				h := p.Middleware(s.handle)
				second := test.call()
				test.other(second)
				var waiting sync.WaitGroup
				waiting.Go(func() { _ = h(as("a"), test.call(), &audience{}) })
				waiting.Go(func() { _ = h(as(test.second), second, &audience{}) })
				synctest.Wait()
				close(s.say)
				waiting.Wait()
				if s.calls.Load() != test.calls {
					t.Errorf("%d calls, want %d", s.calls.Load(), test.calls)
				}
			})
		})
	}
}

// TestBroadcastOfAChain: who comes after a reload does not join a stream of before it.
func TestBroadcastOfAChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p Coalesce
		s := newStation()
		before, after := p.Middleware(s.handle), p.Middleware(s.handle)
		all := []*listening{
			listenTo(t, before, watchCall("r", nil), nil),
			listenTo(t, after, watchCall("r", nil), nil),
			listenTo(t, after, watchCall("r", nil), nil),
		}
		if s.calls.Load() != 2 {
			t.Errorf("%d calls", s.calls.Load())
		}
		close(s.say)
		for _, l := range all {
			if err := <-l.done; err != nil {
				t.Error(err)
			}
		}
	})
}

func TestBroadcastPanics(t *testing.T) {
	var p Coalesce
	err := p.Middleware(func(context.Context, *rpc.Call, rpc.Stream) error { panic("no") })(t.Context(), watchCall("r", nil), &audience{})
	if _, ok := errors.AsType[*rpc.PanicError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// TestBroadcastTogether comes and goes at random while a stream runs: whoever stays hears all that was
// said since it came, in order, and every stream ends.
func TestBroadcastTogether(t *testing.T) {
	var p Coalesce
	var ended atomic.Uint64
	h := p.Middleware(func(_ context.Context, _ *rpc.Call, out rpc.Stream) error {
		defer ended.Add(1)
		for i := 0; ; i++ {
			if err := out.Send([]byte(strconv.Itoa(i))); err != nil {
				return err
			}
		}
	})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for round := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				l := &counter{enough: 50 + 10*i + round, stop: cancel}
				err := h(ctx, watchCall("r", nil), l)
				cancel()
				if c := status.Code(err); c != codes.Canceled && c != codes.ResourceExhausted {
					t.Errorf("ended with %v", err)
				}
				if l.gap {
					t.Error("a message is missing")
				}
			}
		})
	}
	all.Wait()
	for begin := time.Now(); ended.Load() != p.State().Calls; time.Sleep(time.Millisecond) {
		if time.Since(begin) > rpctest.Patience {
			t.Fatalf("%d of %d streams ended", ended.Load(), p.State().Calls)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.broadcasts) != 0 {
		t.Errorf("%d are under way", len(p.broadcasts))
	}
}

// counter listens to numbers, and leaves when it has heard enough of them.
type counter struct {
	discard
	enough, heard, last int
	gap                 bool
	stop                context.CancelFunc
}

func (c *counter) Send(m []byte) error {
	n, err := strconv.Atoi(string(m))
	c.gap = c.gap || err != nil || c.heard > 0 && n != c.last+1
	c.last = n
	if c.heard++; c.heard == c.enough {
		c.stop()
	}
	return nil
}
