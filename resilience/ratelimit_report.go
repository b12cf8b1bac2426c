package resilience

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/protean-gateway/protean/schema"
)

// Report collects what rate limits decided about the calls of one HTTP request, for the headers
// of its answer. It is safe for concurrent use.
type Report struct {
	mu     sync.Mutex
	limit  *schema.RateLimit // of the call with the fewest remaining; nil: none was limited
	lowest decision
}

// ReportKey is the key of a context's *Report. Calls report to it.
type ReportKey struct{}

// reportTo keeps the decision that tells a client most: a refusal, or the fewest calls left.
func reportTo(ctx context.Context, l *schema.RateLimit, d decision) {
	r, _ := ctx.Value(ReportKey{}).(*Report)
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.limit == nil || tellsMore(d, r.lowest) {
		r.limit, r.lowest = l, d
	}
}

func tellsMore(d, than decision) bool {
	switch {
	case d.allowed != than.allowed:
		return !d.allowed
	case !d.allowed:
		return d.after > than.after
	default:
		return d.remaining < than.remaining
	}
}

// SetHeaders sets RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-11), and
// Retry-After (RFC 9110, section 10.2.3) where a call was refused. Without limits it sets nothing. A nil
// report has none.
func (r *Report) SetHeaders(h http.Header) {
	if r == nil {
		return
	}
	r.mu.Lock()
	l, d := r.limit, r.lowest
	r.mu.Unlock()
	if l == nil {
		return
	}
	name := quoted(l.Scope)
	h.Set("RateLimit-Policy", fmt.Sprintf("%s;q=%d;w=%d", name, l.Requests, wholeSeconds(l.Per)))
	h.Set("RateLimit", fmt.Sprintf("%s;r=%d;t=%d", name, d.remaining, wholeSeconds(d.reset)))
	if !d.allowed {
		h.Set("Retry-After", fmt.Sprint(max(wholeSeconds(d.after), 1)))
	}
}

// wholeSeconds rounds up, so that nobody comes too early.
func wholeSeconds(d time.Duration) int64 { return int64((d + time.Second - 1) / time.Second) }
