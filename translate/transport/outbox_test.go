package transport

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/protean-gateway/protean/rpc"
)

// written is a client that keeps what was delivered. Its buffer is read when the outbox is closed.
type written struct {
	bytes.Buffer
	deliveries int
	length     atomic.Int64
}

func (w *written) Deliver(p []byte) error {
	w.deliveries++
	w.Write(p)
	w.length.Add(int64(len(p)))
	return nil
}

// rest closes an outbox and adds what was left in it.
func (w *written) rest(t *testing.T, o *Outbox) {
	t.Helper()
	rest, err := o.Close(nil)
	if err != nil {
		t.Fatal(err)
	}
	w.Write(rest)
}

// awaitIdle waits until nobody delivers, nor will.
func awaitIdle(o *Outbox) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy || o.coming {
		o.wait()
	}
}

func send(t *testing.T, o *Outbox, head, content string) {
	t.Helper()
	if err := o.Send([]byte(head), []byte(content)); err != nil {
		t.Fatal(err)
	}
}

// Nothing waits for a further message: neither the first, nor one after a pause, nor the last.
func TestNoMessageWaitsForTheNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w written
		o := Outbox{To: &w}
		for _, burst := range []string{"a", "bcd", "e", "fghijk"} {
			before := w.String()
			for i, c := range burst {
				send(t, &o, "", string(c))
				if i == 0 && w.String() != before+string(c) {
					t.Errorf("the first of %q is not delivered when it was sent: %q", burst, w.String())
				}
			}
			synctest.Wait()
			if w.String() != before+burst {
				t.Errorf("%q is not delivered while the sender is silent: %q", burst, w.String())
			}
			time.Sleep(2 * outboxPause)
		}
		w.rest(t, &o)
	})
}

// What comes in a burst costs few deliveries. There is one processor, so that who delivers has
// its turn when the sender is preempted, and not before.
func TestABurstIsDeliveredTogether(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const messages = 1000
	var w written
	o := Outbox{To: &w}
	for range messages {
		send(t, &o, "head ", "content\n")
	}
	w.rest(t, &o)
	if w.String() != strings.Repeat("head content\n", messages) {
		t.Errorf("got %d bytes", w.Len())
	}
	if w.deliveries > messages/10 {
		t.Errorf("%d deliveries of %d messages", w.deliveries, messages)
	}
}

// Headers are delivered without a message, and with one that follows at once.
func TestFlushDeliversHeaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w written
		o := Outbox{To: &w}
		o.Flush()
		synctest.Wait()
		if w.deliveries != 1 || w.Len() != 0 {
			t.Errorf("%d deliveries of %q", w.deliveries, w.String())
		}
		send(t, &o, "", "x")
		if w.String() != "x" {
			t.Errorf("got %q", w.String())
		}
		w.rest(t, &o)
	})
}

// What waits is bounded, and messages of any size keep their order.
func TestOutboxIsBounded(t *testing.T) {
	var w written
	o := Outbox{To: &w}
	var want strings.Builder
	for i, size := range []int{1, outboxRoom - 5, outboxRoom, outboxRoom + 1, 3, 5 * outboxRoom, 0, outboxRoom / 2, outboxRoom} {
		content := strings.Repeat(string(rune('a'+i)), size)
		send(t, &o, "head ", content)
		want.WriteString("head " + content)
		if waiting := want.Len() - int(w.length.Load()); waiting > outboxRoom {
			t.Errorf("after %d bytes %d wait", want.Len(), waiting)
		}
	}
	w.rest(t, &o)
	if w.String() != want.String() {
		t.Errorf("%d bytes of %d, or in another order", w.Len(), want.Len())
	}
}

// stuck is a client that reads nothing until it is let go.
type stuck struct{ entered, letGo chan struct{} }

func (s *stuck) Deliver([]byte) error {
	s.entered <- struct{}{}
	<-s.letGo
	return nil
}

// A client that does not read holds the sender back, once there is no more room.
func TestASlowClientHoldsTheSenderBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &stuck{make(chan struct{}), make(chan struct{})}
		o := Outbox{To: w}
		const size, messages = 1 << 10, 100
		sent := 0
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range messages {
				send(t, &o, "", strings.Repeat("x", size))
				sent++
			}
			_, _ = o.Close(nil)
		}()
		<-w.entered
		synctest.Wait()
		if sent != 0 {
			t.Errorf("%d messages were taken while the first is on its way", sent)
		}
		w.letGo <- struct{}{}
		<-w.entered
		synctest.Wait()
		if room := outboxRoom / size; sent > 1+2*room {
			t.Errorf("%d messages were taken, and there is room for %d", sent, room)
		}
		for over := false; !over; {
			select {
			case w.letGo <- struct{}{}:
			case <-w.entered:
			case <-done:
				over = true
			}
		}
		if sent != messages {
			t.Errorf("%d messages were taken", sent)
		}
	})
}

var errGone = errors.New("gone")

type deliver func([]byte) error

func (d deliver) Deliver(p []byte) error { return d(p) }

// A failure is told to whoever sends next, and nothing is delivered any more.
func TestFailedDeliveryIsFinal(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	for name, c := range map[string]struct {
		deliver deliver
		is      func(error) bool
	}{
		"error": {func([]byte) error { return errGone }, func(err error) bool { return errors.Is(err, errGone) }},
		"panic": {func([]byte) error { panic("broken") }, func(err error) bool {
			p, ok := errors.AsType[*rpc.PanicError](err)
			return ok && p.Value == "broken"
		}},
	} {
		calls := 0
		o := Outbox{To: deliver(func(p []byte) error {
			calls++
			return c.deliver(p)
		})}
		o.Flush()
		awaitIdle(&o)
		if err := o.Send(nil, []byte("x")); !c.is(err) || calls != 1 {
			t.Errorf("%s: Send returns %v after %d deliveries", name, err, calls)
		}
		if rest, err := o.Close([]byte("dst")); !c.is(err) || string(rest) != "dst" {
			t.Errorf("%s: Close returns %q, %v", name, rest, err)
		}
	}
}

// After Close nobody delivers, and Send fails.
func TestClosedOutbox(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	var w written
	o := Outbox{To: &w}
	send(t, &o, "", "a")
	send(t, &o, "", "b")
	w.rest(t, &o)
	delivered := w.deliveries
	if err := o.Send(nil, []byte("late")); err == nil {
		t.Error("Send goes on")
	}
	awaitIdle(&o)
	if w.String() != "ab" || w.deliveries != delivered {
		t.Errorf("got %q in %d deliveries", w.String(), w.deliveries)
	}
}
