package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// cors lets scripts of other origins call the doors, as the Fetch standard's
// CORS protocol says. The zero value allows no other origin.
type cors struct {
	origins     map[string]bool
	any         bool
	headers     string
	exposed     string
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

// exposedHeaders are what the doors themselves say beyond the safelisted headers.
var exposedHeaders = []string{
	"X-Request-Id", "Grpc-Status", "Grpc-Message", "Grpc-Status-Details-Bin", "Grpc-Encoding",
	"Connect-Content-Encoding", "Content-Encoding", "Retry-After", "RateLimit", "RateLimit-Policy",
	"ETag", "Allow", "Accept-Post", "WWW-Authenticate",
}

func newCORS(c *configv1.CORS, credentials []string) cors {
	policy := cors{
		origins:     make(map[string]bool),
		headers:     strings.Join(slices.Concat(doorHeaders, credentials, c.GetHeaders()), ", "),
		exposed:     strings.Join(slices.Concat(exposedHeaders, c.GetExposedHeaders()), ", "),
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

// granted lets scripts of the origins read the answers, refusals of the edge among them.
func (c cors) granted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Add("Vary", "Origin")
			if c.allows(origin) {
				c.allow(w.Header(), origin)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// preflight answers browsers that ask which requests scripts may send.
func (c cors) preflight(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodOptions || r.Header.Get("Origin") == "" || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		if h := w.Header(); c.allows(r.Header.Get("Origin")) {
			h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
			h.Set("Access-Control-Allow-Headers", c.headers)
			h.Set("Access-Control-Max-Age", c.maxAge)
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

func (c cors) allows(origin string) bool { return c.any || c.origins[strings.ToLower(origin)] }

// protected refuses requests with side effects that another origin's page made a
// browser send. Such a page can send some without asking first, whatever CORS says.
func (s settings) protected(next http.Handler) http.Handler {
	if s.cors.any {
		return next
	}
	protection := http.NewCrossOriginProtection()
	for origin := range s.cors.origins {
		// A configured origin that is none matches no request either.
		_ = protection.AddTrustedOrigin(origin)
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.refuse(w, r, http.StatusForbidden, "pages of this origin may not call; http.cors.origins names those that may")
	}))
	return protection.Handler(next)
}

func (c cors) allow(h http.Header, origin string) {
	h.Set("Access-Control-Expose-Headers", c.exposed)
	if c.any {
		h.Set("Access-Control-Allow-Origin", "*")
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if c.credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}
