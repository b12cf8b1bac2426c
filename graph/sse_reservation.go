package graph

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/protean-gateway/protean/translate/transport"
)

// Bounds of one reserved event stream.
const (
	// reservationPatience is how long a stream may be reserved and not opened.
	reservationPatience = 30 * time.Second
	// maxWaiting and maxWaitingBytes bound the operations that wait for the stream
	// to be opened, and the requests that they came in.
	maxWaiting      = 10
	maxWaitingBytes = 1 << 20
	// maxOperationID bounds an operation's id, in bytes: each event repeats it.
	maxOperationID = 256
)

// reservations are the event streams of the single connection mode, by their tokens.
type reservations struct {
	mu      sync.Mutex
	byToken map[string]*reservation
}

// reserve makes a reservation. Once it is over it calls release.
func (rs *reservations) reserve(caller string, release func()) *reservation {
	r := &reservation{
		token:      rand.Text(),
		caller:     caller,
		operations: make(map[string]*reservedOperation),
	}
	r.forget = func() {
		rs.mu.Lock()
		defer rs.mu.Unlock()
		delete(rs.byToken, r.token)
		release()
	}
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.byToken == nil {
		rs.byToken = make(map[string]*reservation)
	}
	rs.byToken[r.token] = r
	r.patience = time.AfterFunc(reservationPatience, r.expire)
	return r
}

// find returns the reservation with a token. Nobody finds that of another caller.
func (rs *reservations) find(token, caller string) *reservation {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r := rs.byToken[token]; r != nil && r.caller == caller {
		return r
	}
	return nil
}

// reservation is one event stream that many operations write to, from the request that
// reserves it until the stream ends. It is safe for concurrent use.
type reservation struct {
	token    string
	caller   string
	patience *time.Timer
	forget   func()

	mu           sync.Mutex
	opened, over bool
	operations   map[string]*reservedOperation // by id
	waiting      []*reservedOperation          // until the stream is opened
	waitingBytes int
	events       *transport.EventStream
	cancel       context.CancelFunc // ends the stream once it is open
	running      sync.WaitGroup
}

// reservedOperation is an operation whose responses go to a reserved stream.
type reservedOperation struct {
	*operation
	id      string
	release func()
}

// expire ends a reservation that nobody came for.
func (r *reservation) expire() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.opened {
		return
	}
	r.finish()
	for _, op := range r.operations {
		op.close() // it has not begun
		op.release()
	}
}

// finish ends the reservation. The caller holds r.mu.
func (r *reservation) finish() {
	r.over = true
	r.forget()
	for _, op := range r.operations {
		op.cancel()
	}
}

// take marks the stream as opened. It reports false where it was before.
func (r *reservation) take() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := !r.opened && !r.over
	r.opened = true
	r.patience.Stop()
	return first
}

// serve runs the operations that have been waiting and those that are added, until ctx,
// which is cancel's, ends and all of them are over.
func (r *reservation) serve(ctx context.Context, cancel context.CancelFunc, events *transport.EventStream) {
	defer cancel()
	r.cancel = cancel
	r.begin(events)
	<-ctx.Done()
	r.end()
	r.running.Wait()
}

func (r *reservation) begin(events *transport.EventStream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = events
	for _, op := range r.waiting {
		r.start(op)
	}
	r.waiting = nil
}

func (r *reservation) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.finish()
}

// add gives the stream an operation, which came in so many bytes. With a fault the
// operation is still the caller's.
func (r *reservation) add(op *reservedOperation, size int) *httpFault {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.over:
		return noReservation()
	case r.operations[op.id] != nil:
		return inUse("the operationId is in use")
	case len(r.operations) >= MaxSubscriptions:
		return exhausted("the event stream has too many operations")
	case r.events == nil && (len(r.waiting) >= maxWaiting || r.waitingBytes+size > maxWaitingBytes):
		return exhausted("too many operations wait for the event stream to be opened")
	}
	r.operations[op.id] = op
	if r.events != nil {
		r.start(op)
		return nil
	}
	r.waiting = append(r.waiting, op)
	r.waitingBytes += size
	return nil
}

// stop ends an operation for a client that wants to hear no more of it.
func (r *reservation) stop(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if op := r.operations[id]; op != nil {
		op.cancel()
	}
}

// start runs an operation in a goroutine of its own. The caller holds r.mu.
func (r *reservation) start(op *reservedOperation) {
	r.running.Go(func() {
		defer r.drop(op)
		defer r.recover(op)
		defer op.close()
		r.run(op)
	})
}

func (r *reservation) drop(op *reservedOperation) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.operations, op.id)
	op.release()
}

// recover ends a stream in whose own code there was a panic; those of the executor
// are the operation's.
func (r *reservation) recover(op *reservedOperation) {
	if value := recover(); value != nil {
		op.door.report(op.ctx, value)
		r.cancel()
	}
}

// run sends the responses of an operation. A slow client holds it back, and with it
// all others of the stream.
func (r *reservation) run(op *reservedOperation) {
	head := appendMember([]byte("{"), "id", op.id)
	for response := op.next(); response != nil; response = op.next() {
		if r.next(head, response) != nil {
			return
		}
	}
	if late := op.lateness(); late != nil {
		_ = r.next(head, late)
	} else if op.cutShort() {
		return
	}
	_ = r.events.Send(transport.Event{Name: "complete", Data: append(head, '}')}) // nobody is left to tell
}

// next sends an event with a response. Its data begins with head, which stays as it is.
func (r *reservation) next(head []byte, response *graphql.Response) error {
	data := append(appendName(slices.Clone(head), "payload"), appendResponse(nil, response)...)
	return r.events.Send(transport.Event{Name: "next", Data: append(data, '}')})
}
