package gateway

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// A client of HTTP/2 may take a request back as soon as it has made it (CVE-2023-44487),
// and net/http lets it do so without end. Whoever takes back more than others do loses
// the connection: there are resetBurst resets at once, and resetRate a second; each request
// that is answered makes good for one.
const (
	resetBurst = 1000
	resetRate  = 100 // a second
)

type clientKey struct{}

// client counts the resets of one connection.
type client struct {
	net.Conn

	mu      sync.Mutex
	allowed float64
	since   time.Time // when allowed was right
}

// withClient is [http.Server.ConnContext]: requests find their connection in the context.
func withClient(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, clientKey{}, &client{Conn: conn, allowed: resetBurst, since: time.Now()})
}

// patientWithResets closes connections that take back too many requests.
func patientWithResets(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor == 2 {
			defer closeWithResets(r.Context())
		}
		next.ServeHTTP(w, r)
	})
}

// closeWithResets counts a request that ends, and closes its connection if it is one reset too many.
func closeWithResets(ctx context.Context) {
	conn, ok := ctx.Value(clientKey{}).(*client)
	if ok && !conn.ended(ctx.Err() != nil, time.Now()) {
		_ = conn.Close() // it is closed either way
	}
}

// ended counts a request that is over, and reports whether the connection may live on.
func (c *client) ended(reset bool, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.allowed += resetRate * now.Sub(c.since).Seconds()
	c.since = now
	if reset {
		c.allowed--
	} else {
		c.allowed++
	}
	c.allowed = min(c.allowed, resetBurst)
	return c.allowed > 0
}
