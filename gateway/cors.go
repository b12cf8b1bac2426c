package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/translate"
)

// cors lets scripts of other origins call the doors, as the Fetch standard's
// CORS protocol says. The zero value allows no other origin.
type cors struct {
	origins     map[string]bool
	any         bool
	headers     string
	credentials bool
	maxAge      string
}

// doorHeaders are what clients of the doors send beyond the safelisted headers.
var doorHeaders = []string{
	"Content-Type", "Accept", "Authorization", "X-Request-Id", "X-Request-Timeout",
	"Apollo-Require-Preflight", "X-Apollo-Operation-Name", "Graphql-Preflight", "X-GraphQL-Event-Stream-Token",
	"Connect-Protocol-Version", "Connect-Timeout-Ms", "Grpc-Timeout", "X-Grpc-Web", "X-User-Agent",
	"Traceparent", "Tracestate", "Baggage",
	"If-Match", "If-None-Match", "Last-Event-Id", "Content-Encoding",
}

const exposedHeaders = "X-Request-Id, Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin, Retry-After, ETag"

func newCORS(c *configv1.CORS, credentials []string) cors {
	policy := cors{
		origins:     make(map[string]bool),
		headers:     strings.Join(slices.Concat(doorHeaders, credentials, c.GetHeaders()), ", "),
		credentials: c.GetCredentials(),
		maxAge:      strconv.Itoa(int(orDefault(c.GetMaxAge(), 10*time.Minute).Seconds())),
	}
	for _, origin := range c.GetOrigins() {
		if origin == "*" {
			policy.any = true
		}
		policy.origins[strings.ToLower(origin)] = true
	}
	return policy
}

func (c cors) handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		origin := r.Header.Get("Origin")
		if origin == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Add("Vary", "Origin")
		allowed := c.any || c.origins[strings.ToLower(origin)]
		if allowed {
			c.allow(h, origin)
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if allowed {
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
			h.Set("Access-Control-Allow-Headers", c.headers)
			h.Set("Access-Control-Max-Age", c.maxAge)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// protect refuses requests with side effects that another origin's page made a
// browser send. Such a page can send some without asking first, whatever CORS says.
func (c cors) protect(next http.Handler) http.Handler {
	if c.any {
		return next
	}
	protection := http.NewCrossOriginProtection()
	for origin := range c.origins {
		// A configured origin that is none matches no request either.
		_ = protection.AddTrustedOrigin(origin)
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		translate.Refuse(w, r, http.StatusForbidden, "pages of this origin may not call; http.cors.origins names those that may")
	}))
	return protection.Handler(next)
}

func (c cors) allow(h http.Header, origin string) {
	h.Set("Access-Control-Expose-Headers", exposedHeaders)
	if c.any {
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}
