package resilience

import (
	"context"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
)

// What may be waiting for one listener. Messages are shared, so listeners at the same place in
// a stream have them in memory once.
const (
	maxQueuedMessages = 256
	maxQueuedBytes    = 4 << 20
)

// patience is how long one listener may keep others waiting, all in all, before it has caught up again.
const patience = 250 * time.Millisecond

var errSlowListener = newBoundError(codes.ResourceExhausted, "the stream is shared, and this client reads too slowly; open another")

// broadcast is one stream of a backend that several listen to. Each reads at its own pace from a queue of its
// own. While a queue is full the backend is held back, as the one listener of an ordinary stream would hold it. That
// is not at others' cost: one that is full while somebody has read everything is soon dropped with an error.
type broadcast struct {
	cancel context.CancelFunc
	// progress has something in it after a listener has read, waits, or is gone.
	progress chan struct{}

	mu        sync.Mutex
	listeners map[*listener]struct{}
	header    metadata.MD // nil until there is one
	trailer   metadata.MD
	over      bool
	err       error // of the call, once it is over
}

// listener is one who listens. Its fields are guarded by broadcast.mu.
type listener struct {
	queue   []event
	bytes   int
	waiting bool          // has read everything
	dropped bool          // was too slow
	held    time.Duration // others had to wait for it, since it had caught up
	wake    chan struct{}
}

// event is a message or, where header is not nil, the header of the stream.
type event struct {
	message []byte
	header  metadata.MD
}

// broadcastKey names a stream of one chain. A reload makes another chain, which may lead to another
// address, and streams can last: those who come after it begin anew.
type broadcastKey struct {
	chain uint64
	call  callKey
}

func (p *Coalesce) newChain() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.chains++
	return p.chains
}

// listen carries out a server stream that others may share: what the backend says from now on is told to s.
func (p *Coalesce) listen(ctx context.Context, key broadcastKey, next rpc.Handler, c *rpc.Call, s rpc.Stream) error {
	b, l := p.tune(ctx, key, next, c)
	defer p.tuneOut(key, b, l)
	for {
		e, err := b.next(ctx, l)
		if err != nil {
			return b.end(err, s)
		}
		if e.header != nil {
			err = s.SendHeader(e.header.Copy())
		} else {
			err = s.Send(e.message)
		}
		if err != nil {
			return err
		}
	}
}

// tune adds a listener to the broadcast of a call, which begins where there is none.
func (p *Coalesce) tune(ctx context.Context, key broadcastKey, next rpc.Handler, c *rpc.Call) (*broadcast, *listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l := &listener{wake: make(chan struct{}, 1)}
	if b := p.broadcasts[key]; b != nil && b.add(l) {
		p.joined.Add(1)
		return b, l
	}
	if p.broadcasts == nil {
		p.broadcasts = make(map[broadcastKey]*broadcast)
	}
	// Each leaves when its own time is over, and the last one ends the call.
	shared, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &broadcast{cancel: cancel, progress: make(chan struct{}, 1), listeners: map[*listener]struct{}{l: {}}}
	p.broadcasts[key] = b
	p.calls.Add(1)
	go func() {
		defer cancel()
		b.finish(b.run(shared, next, c))
		p.forget(key, b)
	}()
	return b, l
}

// tuneOut takes a listener away. The last one ends the call; whoever comes then begins another.
func (p *Coalesce) tuneOut(key broadcastKey, b *broadcast, l *listener) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !b.remove(l) {
		return
	}
	b.cancel()
	if p.broadcasts[key] == b {
		delete(p.broadcasts, key)
	}
}

func (p *Coalesce) forget(key broadcastKey, b *broadcast) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broadcasts[key] == b {
		delete(p.broadcasts, key)
	}
}

// add takes a listener in, unless the stream is over. A header that was sent before is told to it.
func (b *broadcast) add(l *listener) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over {
		return false
	}
	if b.header != nil {
		l.queue = append(l.queue, event{header: b.header})
	}
	b.listeners[l] = struct{}{}
	return true
}

// remove reports whether nobody is left.
func (b *broadcast) remove(l *listener) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listeners, l)
	b.progressed()
	return len(b.listeners) == 0
}

// progressed lets the backend's side look again whether there is room.
func (b *broadcast) progressed() {
	select {
	case b.progress <- struct{}{}:
	default:
	}
}

// next returns what comes next for a listener. It blocks until there is something; an error is the end of
// the stream, io.EOF where that was well.
func (b *broadcast) next(ctx context.Context, l *listener) (event, error) {
	for {
		if e, ok, err := b.take(l); ok || err != nil {
			return e, err
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return event{}, rpc.ContextError(ctx)
		}
	}
}

// take returns what waits for a listener, if anything does.
func (b *broadcast) take(l *listener) (e event, ok bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	l.waiting = false
	switch {
	case len(l.queue) > 0:
		e = l.queue[0]
		l.queue[0] = event{}
		l.queue = l.queue[1:]
		l.bytes -= len(e.message)
		if len(l.queue) < maxQueuedMessages/2 && l.bytes < maxQueuedBytes/2 {
			l.held = 0
		}
		b.progressed()
		return e, true, nil
	case l.dropped:
		return e, false, errSlowListener
	case b.over && b.err == nil:
		return e, false, io.EOF
	case b.over:
		return e, false, b.err
	}
	l.waiting = true
	b.progressed()
	return e, false, nil
}

// end tells a listener how the stream ended.
func (b *broadcast) end(err error, s rpc.Stream) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.over && len(b.trailer) > 0 {
		s.SetTrailer(b.trailer.Copy())
	}
	if err == io.EOF { //nolint:errorlint // it is ours, as it is
		return nil
	}
	return err
}

// finish ends the stream for all who listen, once they have read what waits for them.
func (b *broadcast) finish(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.over, b.err = true, err
	for l := range b.listeners {
		l.wakeUp()
	}
}

func (l *listener) wakeUp() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

func (l *listener) push(e event) {
	l.queue = append(l.queue, e)
	l.bytes += len(e.message)
	l.wakeUp()
}

// full reports whether there is no room for a message. A single one always has room.
func (l *listener) full(size int) bool {
	return len(l.queue) >= maxQueuedMessages || len(l.queue) > 0 && l.bytes+size > maxQueuedBytes
}

// drop ends a listener that reads too slowly. What waits for it is not kept for its sake.
func (l *listener) drop() {
	l.queue, l.bytes, l.dropped = nil, 0, true
	l.wakeUp()
}

// offer gives a message to all who listen, unless that must wait for progress. Waited is how long it has waited while
// somebody had nothing to read. Left is how long it may still wait: forever, as long as nobody has nothing to read.
func (b *broadcast) offer(message []byte, waited time.Duration) (done, starving bool, left time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	full := false
	left = patience
	for l := range b.listeners {
		if !l.full(len(message)) {
			starving = starving || l.waiting && len(l.queue) == 0
			continue
		}
		if l.held += waited; l.held >= patience {
			l.drop()
			delete(b.listeners, l)
			continue
		}
		full = true
		left = min(left, patience-l.held)
	}
	if full {
		return false, starving, left
	}
	for l := range b.listeners {
		l.push(event{message: message})
	}
	return true, false, 0
}

// run makes the call. A panic is an error.
func (b *broadcast) run(ctx context.Context, next rpc.Handler, c *rpc.Call) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &rpc.PanicError{Value: v, Stack: debug.Stack()}
		}
	}()
	return next(ctx, c, &speaker{b, ctx})
}

// speaker is the backend's side of a broadcast.
type speaker struct {
	*broadcast
	ctx context.Context
}

var _ rpc.Stream = (*speaker)(nil)

// Recv: the request is in the call.
func (*speaker) Recv() ([]byte, error) { return nil, io.EOF }

func (s *speaker) SendHeader(md metadata.MD) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.header = md.Copy()
	if s.header == nil {
		s.header = metadata.MD{}
	}
	for l := range s.listeners {
		l.push(event{header: s.header})
	}
	return nil
}

// Send blocks while the one who listens, or all of them, have much to read.
func (s *speaker) Send(message []byte) error {
	if s.ctx.Err() != nil {
		return rpc.ContextError(s.ctx) // nobody is left
	}
	done, starving, left := s.offer(message, 0)
	for !done {
		waited, err := s.await(starving, left)
		if err != nil {
			return err
		}
		done, starving, left = s.offer(message, waited)
	}
	return nil
}

// await waits for progress, no longer than is left where somebody has nothing to read. It returns how
// long that one had to wait.
func (s *speaker) await(starving bool, left time.Duration) (waited time.Duration, err error) {
	var enough <-chan time.Time
	if starving {
		enough = time.After(left)
	}
	start := time.Now()
	select {
	case <-s.progress:
	case <-enough:
	case <-s.ctx.Done():
		return 0, rpc.ContextError(s.ctx)
	}
	if starving {
		waited = time.Since(start)
	}
	return waited, nil
}

func (s *speaker) SetTrailer(md metadata.MD) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trailer = metadata.Join(s.trailer, md)
}
