package gateway

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protean-gateway/protean/rpc/socket"
)

// Once net/http has the whole of an HTTP/1.1 request it starts a goroutine that reads one more byte from the
// connection, so that it hears of a client that leaves. A request that is answered at once has no use for it, but
// pays for a system call that finds nothing, a wait in the poller, and an interruption by deadlines.
//
// A [clientConn] answers that read at once, with nothing, and itself watches the client of a request that goes on
// after lateWatch: it reads the byte then. It keeps the byte for the next read, or ends the context of the
// connection, from which all those of its requests come. ([http.CloseNotifier], which is deprecated, does not hear of it.)

// lateWatch is how long a request runs unwatched: at least so long, and at most twice.
const lateWatch = 10 * time.Millisecond

// backgroundRead is net/http's function that watches the client.
const backgroundRead = "net/http.(*connReader).backgroundRead"

// watchClients prepares a server, and its listener without TLS, for connections that watch their clients late.
func watchClients(s *http.Server, l net.Listener) net.Listener {
	further, told := s.ConnContext, s.ConnState
	s.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		if c, ok := conn.(*clientConn); ok {
			ctx = c.context(ctx)
		}
		if further != nil {
			ctx = further(ctx, conn)
		}
		return ctx
	}
	s.ConnState = func(conn net.Conn, state http.ConnState) {
		if c, ok := conn.(*clientConn); ok {
			c.changed(state)
		}
		if told != nil {
			told(conn, state)
		}
	}
	return clientListener{socket.Listener{Listener: l}}
}

type clientListener struct{ net.Listener }

func (l clientListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if inner, ok := conn.(tcpConn); ok && err == nil {
		return newClientConn(inner), nil
	}
	return conn, err
}

// tcpConn is what net/http, and who hijacks, asks of a connection. Nothing may read past a [clientConn], hence it
// does not have all that [net.TCPConn] has.
type tcpConn interface {
	net.Conn
	CloseWrite() error
}

// clientConn is a connection without TLS, of any version of HTTP. It is a [net.Conn] in every respect, but for two:
// the background read of net/http reads nothing, and tcpConn is told of a deadline for reads
// only if somebody may wait too long. All of its methods are safe for concurrent use.
type clientConn struct {
	tcpConn
	leave   context.CancelFunc      // ends the context of the connection; never nil
	release func() bool             // undoes what is registered at the server's context; never nil
	current atomic.Pointer[request] // of HTTP/1.1; nil between requests

	mu         sync.Mutex
	want       time.Time // the deadline for reads; zero: none
	armed      time.Time // the one that tcpConn has, which may be earlier
	reads      int       // that go on in tcpConn
	background *byte     // what net/http reads its byte into, once that is known: it stays the same
	other      *byte     // what is known to be somebody else's
	hijacked   bool
	idle       bool // a request is over, and the next one has not been waited for

	running  bool        // a request runs, and net/http wanted its client watched
	seen     bool        // it already ran when the timer was set
	timer    *time.Timer // may be nil
	ticking  bool        // the timer is set
	watching bool        // a read of the watch goes on
	stopping bool        // it is to end
	ended    sync.Cond   // watching is over
	ahead    [1]byte     // what the watch has read
	kept     bool        // there is a byte in ahead
}

func newClientConn(inner tcpConn) *clientConn {
	c := &clientConn{tcpConn: inner, leave: func() {}, release: func() bool { return true }}
	c.ended.L = &c.mu
	return c
}

// context returns the context that those of the requests come from. It ends when the client leaves, when the
// connection is closed, and with its parent. But whoever hijacks a connection may close it without an end
// of the context, as with net/http. So it is no child of the parent, which would hold it for ever.
func (c *clientConn) context(parent context.Context) context.Context {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	c.leave, c.release = cancel, context.AfterFunc(parent, cancel)
	context.AfterFunc(ctx, func() {
		if x := c.current.Load(); x != nil {
			x.End()
		}
	})
	return ctx
}

// changed is told of the connection's state by net/http. The watch ends with the request: then net/http, or who
// hijacked the connection, reads again.
func (c *clientConn) changed(state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch state {
	case http.StateHijacked:
		c.hijacked = true
		c.endWatch()
	case http.StateIdle:
		c.idle = true
		c.endWatch()
	}
}

// Read reads for net/http and for hijackers, which do not while a request is watched.
func (c *clientConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	if len(p) == 1 && cap(p) == 1 && c.isBackground(&p[0]) {
		c.begin()
		c.mu.Unlock()
		return 0, nil // net/http does nothing then, and watches nobody
	}
	if c.kept && len(p) > 0 {
		p[0], c.kept = c.ahead[0], false
		c.mu.Unlock()
		return 1, nil
	}
	c.mu.Unlock()
	return c.read(p)
}

// isBackground reports whether it is net/http's background read that reads into b. Others read single bytes as well,
// and would not expect to get none. A pointer that is kept belongs to nobody else later. The caller is Read, and holds c.mu.
func (c *clientConn) isBackground(b *byte) bool {
	if c.background != nil || c.other == b {
		return c.background == b
	}
	var callers [1]uintptr
	runtime.Callers(3, callers[:]) // of Read
	if frame, _ := runtime.CallersFrames(callers[:]).Next(); frame.Function == backgroundRead {
		c.background = b
	} else {
		c.other = b
	}
	return c.background == b
}

// read reads from the client until the deadline.
func (c *clientConn) read(p []byte) (int, error) {
	c.mu.Lock()
	c.reads++
	c.arm()
	idle := c.idle
	c.idle = false
	c.mu.Unlock()
	if idle {
		runtime.Gosched() // while others are served the next request may come; else the system is asked twice
	}
	n, err := c.tcpConn.Read(p)
	for err != nil && errors.Is(err, os.ErrDeadlineExceeded) && c.extend() {
		n, err = c.tcpConn.Read(p)
	}
	c.mu.Lock()
	c.reads--
	c.mu.Unlock()
	return n, err
}

// SetReadDeadline also holds for reads that go on. What is wrong with the connection the next read tells.
func (c *clientConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.want = t
	if c.reads > 0 {
		c.arm()
	}
	return nil
}

func (c *clientConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // it has no errors
	return c.SetWriteDeadline(t)
}

// arm sees to it that no read goes on after the deadline. One that ends before goes on by extend: net/http moves
// the deadline five times a request, mostly to later. The caller holds c.mu.
func (c *clientConn) arm() {
	if !c.want.IsZero() && (c.armed.IsZero() || c.want.Before(c.armed)) {
		c.tell(c.want)
	}
}

// extend reports whether a read that has timed out is to go on.
func (c *clientConn) extend() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.want.IsZero() && !time.Now().Before(c.want) {
		return false
	}
	c.tell(c.want)
	return true
}

// tell tells tcpConn of a deadline. The caller holds c.mu.
func (c *clientConn) tell(deadline time.Time) {
	c.armed = deadline
	_ = c.tcpConn.SetReadDeadline(deadline) // it fails only where reads do
}

// begin notes that a request runs, whose client is not watched yet. Behind a byte that was read ahead nothing can
// be watched. One timer serves many short requests: it stays set when they end. The caller holds c.mu.
func (c *clientConn) begin() {
	if c.kept {
		return
	}
	c.running, c.seen = true, false
	if !c.ticking {
		c.tick()
	}
}

// tick sets the timer. The caller holds c.mu.
func (c *clientConn) tick() {
	c.ticking, c.seen = true, true
	if c.timer == nil {
		c.timer = time.AfterFunc(lateWatch, c.watch)
		return
	}
	c.timer.Reset(lateWatch)
}

// watch is what the timer calls. It watches the client of a request that has become late. No deadline is for it: net/http
// ends a background read of which it does not know yet that it is over by one, and those of handlers are for bodies.
func (c *clientConn) watch() {
	if !c.late() {
		return
	}
	n, err := c.tcpConn.Read(c.ahead[:])
	c.mu.Lock()
	left := err != nil && !c.stopping
	c.kept = n == 1
	c.watching = false
	c.ended.Broadcast()
	c.mu.Unlock()
	if left {
		c.leave()
	}
}

// late reports whether the watch is to begin.
func (c *clientConn) late() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ticking = false
	if !c.running {
		return false
	}
	if !c.seen {
		c.tick()
		return false
	}
	c.watching = true
	c.tell(time.Time{})
	return true
}

// endWatch says that no request runs. It interrupts a watch and waits for its end; the next read
// extends the deadline. The caller holds c.mu.
func (c *clientConn) endWatch() {
	c.running = false
	if !c.watching {
		return
	}
	c.stopping = true
	c.tell(time.Unix(1, 0))
	for c.watching {
		c.ended.Wait()
	}
	c.stopping = false
}

// Close also ends the context of the connection, unless that is a hijacker's.
func (c *clientConn) Close() error {
	c.mu.Lock()
	c.running = false
	if c.timer != nil {
		c.timer.Stop()
	}
	hijacked := c.hijacked
	c.mu.Unlock()
	err := c.tcpConn.Close()
	c.release()
	if !hijacked {
		c.leave()
	}
	return err
}
