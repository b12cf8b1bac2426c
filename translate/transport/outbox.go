package transport

import (
	"net"
	"runtime/debug"
	"sync"
	"time"

	"github.com/protean-gateway/protean/rpc"
)

// outboxRoom is how many bytes wait in an outbox, at most, beside those on their way.
const outboxRoom = 16 << 10

// outboxPause is the time without a message after which the next one leaves at once.
const outboxPause = 100 * time.Microsecond

// Deliverer takes what is in an outbox to the client.
type Deliverer interface {
	// Deliver writes p and whatever was written before, so that nothing of it stays in a
	// buffer. It blocks while the client is slow, and keeps nothing of p, which may be empty.
	// One call is made at a time.
	Deliver(p []byte) error
}

// Outbox is where the messages of a stream are on their way to the client. One that
// comes after a pause, as the first does, is delivered before Send returns. Those that come
// right behind it are delivered together, as soon as their sender has no more: a goroutine
// of its own does that, and has its turn when the sender waits for the backend's next
// message, or when a processor has nothing else to do. So a message never waits for another
// one, and what comes in a burst costs few writes.
//
// What waits is at most [outboxRoom]: then Send blocks, and a slow client holds the backend
// back. It is safe for concurrent use.
type Outbox struct {
	// To is set before the first use.
	To Deliverer

	mu      sync.Mutex
	changed sync.Cond // busy or coming went to false; made with the first wait
	waiting *[]byte   // of outboxBuffers; nil: nothing
	owed    bool      // a delivery, whether there are bytes for it or not
	busy    bool      // somebody delivers
	coming  bool      // a goroutine will deliver
	last    time.Duration
	failed  error // of a delivery, or the outbox is closed
}

// outboxBuffers are what outboxes keep waiting messages in. A silent stream has none.
var outboxBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, outboxRoom)
	return &b
}}

// clock counts from the start of the process, which is cheaper to ask for than the time is.
var clock = time.Now()

// Send takes a message, in two parts of which either may be empty, and keeps nothing of
// them. An error is that of a delivery, also of an earlier message, and final.
func (o *Outbox) Send(head, content []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(head)+len(content) > outboxRoom {
		o.sendLarge(head, content)
		return o.failed
	}
	for o.failed == nil && !o.hasRoom(len(head)+len(content)) {
		if o.busy {
			o.wait()
		} else {
			o.deliverWaiting()
		}
	}
	if o.failed != nil {
		return o.failed
	}
	o.add(head, content)
	now := time.Since(clock)
	rested := now-o.last > outboxPause || o.last == 0
	o.last = now
	switch {
	case o.busy: // who delivers goes on with it
	case rested:
		o.deliverWaiting()
		o.last = time.Since(clock)
	default:
		o.schedule()
	}
	return o.failed
}

// TrySend is Send for what need not be sent: it does nothing where Send would block because
// of what others sent.
func (o *Outbox) TrySend(head, content []byte) {
	o.mu.Lock()
	full := o.busy && !o.hasRoom(len(head)+len(content))
	o.mu.Unlock()
	if !full {
		_ = o.Send(head, content)
	}
}

// Flush delivers soon what was written to the client past the outbox, such as headers.
func (o *Outbox) Flush() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.owed = true
	o.schedule()
}

// Fail makes Send fail, also one that waits, and drops what was not delivered.
func (o *Outbox) Fail(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.failed == nil {
		o.failed = err
	}
	o.wake()
}

// Close ends the outbox and returns dst with what is still to be delivered appended to it,
// which is left to the caller; it is nothing after an error. On return nobody delivers any
// more, and Send fails.
func (o *Outbox) Close(dst []byte) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for o.busy {
		o.wait()
	}
	err := o.failed
	if o.waiting != nil && err == nil {
		dst = append(dst, *o.waiting...)
	}
	release(o.take())
	if err == nil {
		o.failed = net.ErrClosed
	}
	for o.coming {
		o.wait()
	}
	return dst, err
}

func (o *Outbox) hasRoom(n int) bool { return o.waiting == nil || len(*o.waiting)+n <= outboxRoom }

// add keeps a message for which there is room.
func (o *Outbox) add(head, content []byte) {
	if o.waiting == nil {
		o.waiting = outboxBuffers.Get().(*[]byte)
	}
	*o.waiting = append(append(*o.waiting, head...), content...)
}

// sendLarge delivers a message that is larger than the room, and what was sent before it.
func (o *Outbox) sendLarge(head, content []byte) {
	for o.busy {
		o.wait()
	}
	if o.waiting != nil && o.failed == nil {
		o.deliverWaiting()
	}
	for _, part := range [...][]byte{head, content} {
		if len(part) > 0 && o.failed == nil {
			o.deliver(part)
		}
	}
}

// deliverWaiting delivers what waits.
func (o *Outbox) deliverWaiting() {
	b := o.take()
	if b == nil {
		o.deliver(nil)
		return
	}
	o.deliver(*b)
	release(b)
}

// take returns what waits, which then does not wait any more.
func (o *Outbox) take() *[]byte {
	b := o.waiting
	o.waiting, o.owed = nil, false
	return b
}

// release gives a buffer back.
func release(b *[]byte) {
	if b != nil {
		*b = (*b)[:0]
		outboxBuffers.Put(b)
	}
}

// deliver delivers p. The caller holds o.mu, which is free meanwhile, and nobody is busy: until
// it returns nobody else gets to deliver.
func (o *Outbox) deliver(p []byte) {
	o.busy = true
	o.mu.Unlock()
	err := o.hand(p)
	o.mu.Lock()
	o.busy = false
	if err != nil {
		o.failed = err
	}
	if (o.waiting != nil || o.owed) && err == nil {
		o.schedule()
	}
	o.wake()
}

// hand is deliver without the lock. It survives a panic.
func (o *Outbox) hand(p []byte) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &rpc.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return o.To.Deliver(p)
}

// schedule has what waits delivered by a goroutine that ends with that. Close waits for it.
func (o *Outbox) schedule() {
	if !o.coming {
		o.coming = true
		go o.deliverSoon()
	}
}

func (o *Outbox) deliverSoon() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.coming = false
	if !o.busy && o.failed == nil && (o.waiting != nil || o.owed) {
		o.deliverWaiting()
		return
	}
	o.wake()
}

func (o *Outbox) wait() {
	if o.changed.L == nil {
		o.changed.L = &o.mu
	}
	o.changed.Wait()
}

func (o *Outbox) wake() {
	if o.changed.L != nil { // somebody has waited
		o.changed.Broadcast()
	}
}
