package gateway

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/protean-gateway/protean/gateway/telemetry"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/translate/transport"
)

// edge is what happens to every HTTP request before a door sees it, outermost
// first. It knows HTTP only; what depends on the method happens in the chain.
func (s settings) edge(o observer, flood *resilience.Flood, doors http.Handler) http.Handler {
	return s.proxies.handler(
		s.observed(o,
			patient(s.bodyIdleTimeout,
				s.cors.granted(
					s.flooded(flood,
						s.bounded(
							s.cors.preflight(
								s.addressed(
									s.protected(doors)))))))))
}

// addressed rejects requests for other hosts if only the loopback address protects the backends.
func (s settings) addressed(next http.Handler) http.Handler {
	if !s.loopbackAlone {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !transport.IsOwnHost(r.Host, s.hosts) {
			s.refuse(w, r, http.StatusMisdirectedRequest, "a gateway without authentication does not answer to this host name; http.hosts lists further ones")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// observer is told of requests.
type observer struct {
	log     *slog.Logger
	metrics *telemetry.Metrics
	limited func() bool // whether calls have rate limits, which answers tell of; nil: they have none
}

// observed gives a request its context and its id, recovers panics, measures it, writes one line for it at level
// debug, and says in answers with status 401 which credentials are wanted, and in all, what is left of rate limits.
func (s settings) observed(o observer, next http.Handler) http.Handler {
	idHeader := http.CanonicalHeaderKey(s.requestIDHeader)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		x := &request{Context: r.Context(), answer: recorder{ResponseWriter: w, challenge: s.challenge}}
		x.identify(idHeader, r.Header, w.Header())
		if o.limited != nil && o.limited() {
			x.answer.report = new(resilience.Report)
		}
		x.begin(r)
		r = r.WithContext(x)
		o.metrics.RequestBegan()
		defer func() { s.conclude(o, x, r, start, recover()) }()
		next.ServeHTTP(&x.answer, r)
	})
}

// conclude ends a request after its answer, or after a panic.
func (s *settings) conclude(o observer, x *request, r *http.Request, start time.Time, p any) {
	abort := p == http.ErrAbortHandler //nolint:errorlint // net/http compares so, too
	if p != nil && !abort {
		o.log.ErrorContext(x, "a request panicked", "id", x.id[0], "panic", p, "stack", string(debug.Stack()))
		abort = x.answer.status != 0 // half an answer must not look like a whole one
		if !abort {
			s.refuse(&x.answer, r, http.StatusInternalServerError, "internal error")
		}
	}
	x.end()
	logs := o.log.Enabled(x, slog.LevelDebug)
	if logs || o.metrics != nil {
		took := time.Since(start)
		o.metrics.RequestEnded(r.Method, x.answer.status, took)
		if logs {
			o.log.LogAttrs(x, slog.LevelDebug, "request",
				slog.String("id", x.id[0]),
				slog.String("method", r.Method),
				slog.String("path", r.URL.Path),
				slog.Int("status", x.answer.status),
				slog.Duration("took", took))
		}
	}
	if abort {
		panic(http.ErrAbortHandler)
	}
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
