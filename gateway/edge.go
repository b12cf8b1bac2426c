package gateway

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/protean-gateway/protean/gateway/telemetry"
	"github.com/protean-gateway/protean/resilience"
)

// edge is what happens to every HTTP request before a door sees it, outermost
// first. It knows HTTP only; what depends on the method happens in the chain.
func (s settings) edge(o observer, flood *resilience.Flood, doors http.Handler) http.Handler {
	return s.proxies.handler(
		identified(s.requestIDHeader,
			patient(s.bodyIdleTimeout,
				s.observed(o,
					s.cors.granted(
						s.flooded(flood,
							s.bounded(
								s.cors.preflight(
									s.protected(doors)))))))))
}

// observer is told of requests.
type observer struct {
	log     *slog.Logger
	metrics *telemetry.Metrics
	limited func() bool // whether calls have rate limits, which answers tell of; nil: they have none
}

type requestIDKey struct{}

// requestID returns the id of the request that ctx belongs to.
func requestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(*string); ok {
		return *id
	}
	return ""
}

// identified takes a well-formed id from the client or makes one, and says it
// in the answer and to the backend.
func identified(header string, next http.Handler) http.Handler {
	header = http.CanonicalHeaderKey(header)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := &identifiedContext{Context: r.Context()}
		if id := r.Header[header]; len(id) > 0 && wellFormedID(id[0]) {
			ctx.id[0] = id[0]
		} else {
			ctx.id[0] = newID()
			r.Header[header] = ctx.id[:]
		}
		w.Header()[header] = ctx.id[:]
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// identifiedContext is the context of a request with an id, which is a header's value as well.
type identifiedContext struct {
	context.Context
	id [1]string // nobody writes to it
}

func (c *identifiedContext) Value(key any) any {
	if key == (requestIDKey{}) {
		return &c.id[0]
	}
	return c.Context.Value(key)
}

// newID names a request. It is no secret.
func newID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var id [26]byte
	var bits uint64
	for i := range id {
		if i%12 == 0 {
			bits = rand.Uint64() //nolint:gosec // names a request and guards nothing
		}
		id[i] = letters[bits&31]
		bits >>= 5
	}
	return string(id[:])
}

func wellFormedID(id string) bool {
	if len(id) == 0 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// observed recovers panics, measures a request, writes one line for it at level debug, and says
// in answers with status 401 which credentials are wanted, and in all, what is left of rate limits.
func (s settings) observed(o observer, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := &recorder{ResponseWriter: w, challenge: s.challenge}
		start := time.Now()
		if o.limited != nil && o.limited() {
			var ctx context.Context
			ctx, rec.report = resilience.WithReport(r.Context())
			r = r.WithContext(ctx)
		}
		o.metrics.RequestBegan()
		defer func() { o.metrics.RequestEnded(r.Method, rec.status, time.Since(start)) }()
		defer func() {
			if p := recover(); p != nil {
				if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares so, too
					panic(p)
				}
				o.log.ErrorContext(r.Context(), "a request panicked", "id", requestID(r.Context()), "panic", p, "stack", string(debug.Stack()))
				if rec.status != 0 {
					panic(http.ErrAbortHandler) // half an answer must not look like a whole one
				}
				s.refuse(rec, r, http.StatusInternalServerError, "internal error")
			}
			if o.log.Enabled(r.Context(), slog.LevelDebug) {
				o.log.LogAttrs(r.Context(), slog.LevelDebug, "request",
					slog.String("id", requestID(r.Context())),
					slog.String("method", r.Method),
					slog.String("path", r.URL.Path),
					slog.Int("status", rec.status),
					slog.Duration("took", time.Since(start)))
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

// recorder remembers the status. It keeps what [http.ResponseController] and
// the WebSocket upgrade look for.
type recorder struct {
	http.ResponseWriter
	status    int
	challenge string             // RFC 9110, section 11.6.1; may be empty
	report    *resilience.Report // what rate limits decided; may be nil
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 || r.status < 200 {
		r.begin(status)
	}
	if status == http.StatusUnauthorized && r.challenge != "" {
		r.Header().Set("WWW-Authenticate", r.challenge)
	}
	r.ResponseWriter.WriteHeader(status)
}

// begin notes the status and completes the headers. A door that wants no Date has it there as nil.
func (r *recorder) begin(status int) {
	r.status = status
	h := r.Header()
	r.report.SetHeaders(h)
	if _, said := h["Date"]; !said {
		h["Date"] = dateHeader(time.Now())
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.begin(http.StatusOK)
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := r.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, http.ErrNotSupported
	}
	r.status = http.StatusSwitchingProtocols
	return h.Hijack()
}

// bounded refuses requests that are too large to look at, and the method PRI,
// which is the rest of a broken HTTP/2 preface. Headers of HTTP/1 connections in HTTP/2 are
// refused by net/http itself.
func (s settings) bounded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "PRI":
			w.Header().Set("Connection", "close")
			w.WriteHeader(http.StatusBadRequest)
		case len(r.RequestURI) > s.urlBytes:
			s.refuse(w, r, http.StatusRequestURITooLong, fmt.Sprintf("the request target is longer than %d bytes", s.urlBytes))
		case countHeaders(r.Header) > maxHeaders:
			s.refuse(w, r, http.StatusRequestHeaderFieldsTooLarge, fmt.Sprintf("more than %d header fields", maxHeaders))
		default:
			next.ServeHTTP(w, r)
		}
	})
}

const maxHeaders = 100

func countHeaders(h http.Header) int {
	n := 0
	for _, values := range h {
		n += len(values)
	}
	return n
}
