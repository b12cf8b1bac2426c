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
// slow one does not hold a request for ever. Bodies that are streams may be
// silent for as long as their call lives, and are left alone.
func patient(idle time.Duration, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.Body != http.NoBody && !streamsBody(r.Header) {
			p := &patientWriter{ResponseWriter: w, body: r.Body, controller: http.NewResponseController(w), idle: idle}
			w, r.Body = p, (*patientBody)(p)
		}
		next.ServeHTTP(w, r)
	})
}

func streamsBody(h http.Header) bool {
	contentType := h.Get("Content-Type")
	for _, prefix := range [...]string{"application/grpc", "application/connect", "application/x-ndjson"} {
		if strings.HasPrefix(contentType, prefix) {
			return true
		}
	}
	return false
}

// patientWriter is the answer to a request whose client may not stall. Of the read deadlines that
// a door sets and the one of patience the earlier counts: a read that a call has interrupted stays so.
// It is safe for concurrent use.
type patientWriter struct {
	http.ResponseWriter
	body       io.ReadCloser
	controller *http.ResponseController // of ResponseWriter
	idle       time.Duration

	mu   sync.Mutex
	said time.Time // the deadline of the door; zero: none
}

// Unwrap is for [http.ResponseController].
func (w *patientWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack is for the upgrade to a WebSocket, which does not look behind a writer.
func (w *patientWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) { return w.controller.Hijack() }

// SetReadDeadline is for [http.ResponseController].
func (w *patientWriter) SetReadDeadline(deadline time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = deadline
	return w.controller.SetReadDeadline(deadline)
}

// await sets the deadline of a read that begins.
func (w *patientWriter) await() {
	w.mu.Lock()
	defer w.mu.Unlock()
	deadline := time.Now().Add(w.idle)
	if !w.said.IsZero() && w.said.Before(deadline) {
		deadline = w.said
	}
	// A connection without deadlines has no slow clients that matter.
	_ = w.controller.SetReadDeadline(deadline)
}

// over gives the deadline back to the door.
func (w *patientWriter) over() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.controller.SetReadDeadline(w.said)
}

// patientBody is the body that belongs to the answer. It moves the read deadline before each read.
type patientBody patientWriter

func (b *patientBody) Read(p []byte) (int, error) {
	w := (*patientWriter)(b)
	w.await()
	n, err := w.body.Read(p)
	if err != nil {
		w.over()
	}
	return n, err
}

func (b *patientBody) Close() error { return b.body.Close() }
