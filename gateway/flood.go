package gateway

import (
	"fmt"
	"net/http"
	"time"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/translate"
)

// flooded refuses the requests of an address that sends too many, before anything else is
// looked at.
func flooded(c *configv1.Flood, next http.Handler) http.Handler {
	if c == nil {
		return next
	}
	flood := resilience.NewFlood(int(c.GetRequests()), int(c.GetBurst()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := flood.Wait(r.RemoteAddr); wait > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int64((wait+time.Second-1)/time.Second)))
			translate.Refuse(w, r, http.StatusTooManyRequests, "too many requests from this address; try again later")
			return
		}
		next.ServeHTTP(w, r)
	})
}
