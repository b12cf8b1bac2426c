package rpc

import (
	"context"
	"sync"
	"time"
)

// deadlines ends the invocations of a backend when their time is over. They have one timer, which is set to the earliest
// deadline that there was, and not moved when a call ends: most calls end long before their deadline, and
// most deadlines are later than the one before. It looks through all calls when it rings, and therefore rings
// at most once in a deadlineStep. It is safe for concurrent use.
type deadlines struct {
	mu    sync.Mutex
	calls invocations
	timer *time.Timer // nil before the first call
	next  time.Time   // what the timer is set to; zero: it is not
	rang  time.Time   // when it was last looked through the calls
}

// deadlineStep is how much later than its deadline an invocation may end, and how exactly backends hear of it.
const deadlineStep = time.Millisecond

func (d *deadlines) add(i *invocation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls.add(&i.timed, i)
	if d.next.IsZero() || i.bound.at.Before(d.next) {
		d.set(i.bound.at)
	}
}

func (d *deadlines) remove(i *invocation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls.remove(&i.timed)
}

// set sets the timer. The caller holds d.mu.
func (d *deadlines) set(at time.Time) {
	if soonest := d.rang.Add(deadlineStep); at.Before(soonest) {
		at = soonest
	}
	d.next = at
	if d.timer == nil {
		d.timer = time.AfterFunc(time.Until(at), d.ring)
		return
	}
	d.timer.Reset(time.Until(at))
}

// ring ends what is late, and sets the timer for the rest.
func (d *deadlines) ring() {
	for _, i := range d.late(time.Now()) {
		i.end(context.DeadlineExceeded)
	}
}

func (d *deadlines) late(now time.Time) (late []*invocation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rang = now
	var next time.Time
	for p := d.calls.first; p != nil; {
		i := p.of
		p = p.next
		switch at := i.bound.at; {
		case !now.Before(at):
			late = append(late, i)
			d.calls.remove(&i.timed)
		case next.IsZero() || at.Before(next):
			next = at
		}
	}
	if d.next = next; !next.IsZero() {
		d.set(next)
	}
	return late
}

// stop ends the timer, once there are no calls any more.
func (d *deadlines) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
}
