package gateway

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// patient bounds how long a client may stall in the middle of a body, so that a
// slow one does not hold a request for ever. That holds also for what a door does not read:
// over HTTP/1.1, net/http reads it before and after the answer, without a bound of its own. A door lifts
// the bound for a body that is a stream, by [transport.MayStall].
//
// It changes the body of the request, which must be a copy of the one that net/http has: that looks at the kind of its
// own to see whether a rest is to be read before the connection is closed.
func patient(idle time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody || r.ProtoMajor == 2 && boundsItself(r.Header) {
			next.ServeHTTP(w, r)
			return
		}
		p := &patientWriter{ResponseWriter: w, body: r.Body, controller: http.NewResponseController(w), idle: idle}
		r.Body = (*patientBody)(p)
		p.await()
		next.ServeHTTP(p, r)
		if r.ProtoMajor == 1 {
			p.leave()
		}
	})
}

// boundsItself reports whether a request is for a door that bounds what it reads itself, or does
// not read it: those of RPC. To tell HTTP/2 of deadlines takes time.
func boundsItself(h http.Header) bool {
	kind := h.Get("Content-Type")
	return isGRPC(kind) || isGRPCWeb(kind) ||
		strings.HasPrefix(kind, "application/connect+")
}

// patientWriter is the answer to a request whose client may not stall. Of the read deadlines that
// a door sets and the one of patience the earlier counts: a read that a call has interrupted stays so.
// It is safe for concurrent use.
type patientWriter struct {
	http.ResponseWriter
	body       io.ReadCloser
	controller *http.ResponseController // of ResponseWriter
	idle       time.Duration

	mu      sync.Mutex
	said    time.Time // the deadline of the door; zero: none
	renewed time.Time // when the client was last given all its time
	ended   bool      // there is no more to read
	endless bool      // the client may stall
}

// Unwrap is for [http.ResponseController].
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush is for those who do not look behind a writer, and so is Hijack.
func (w *patientWriter) Flush() { _ = w.controller.Flush() }

// Hijack is for the upgrade to a WebSocket.
func (w *patientWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.controller.Hijack() }

// SetReadDeadline is for [http.ResponseController].
func (w *patientWriter) SetReadDeadline(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = deadline
	return w.set(time.Now())
}

// set tells the connection of the deadline that counts from now on. The caller holds w.mu.
func (w *patientWriter) set(now time.Time) error {
	deadline := w.said
	if !w.ended && !w.endless {
		if patience := now.Add(w.idle); deadline.IsZero() || patience.Before(deadline) {
			deadline = patience
		}
	}
	return w.controller.SetReadDeadline(deadline) // a connection without deadlines has no slow clients that matter
}

// await begins to wait for the client. What is read at once costs no further deadline: a client that stalls right
// behind it has a sixteenth less of its time.
func (w *patientWriter) await() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if now := time.Now(); !w.endless && now.Sub(w.renewed) > w.idle/16 {
		w.renewed = now
		_ = w.set(now)
	}
}

// over says that there is no more to read, and gives the deadline back to the door.
func (w *patientWriter) over() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	_ = w.set(time.Now())
}

// leave bounds what net/http reads of the rest, once the door is done. It clears the deadline before the
// next request.
func (w *patientWriter) leave() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.endless = false; !w.ended {
		_ = w.set(time.Now())
	}
}

// patientBody is the body that belongs to the answer. It moves the read deadline before each read.
type patientBody patientWriter

func (b *patientBody) Read(p []byte) (int, error) {
	w := (*patientWriter)(b)
	w.await()
	n, err := w.body.Read(p)
	if err == io.EOF {
		w.over()
	}
	return n, err
}

func (b *patientBody) Close() error { return b.body.Close() }

// MayStall is for [transport.MayStall].
func (b *patientBody) MayStall() {
	w := (*patientWriter)(b)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.endless = true
	_ = w.set(time.Now())
}
