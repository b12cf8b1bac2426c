package gateway

import (
	"fmt"
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/resilience"
)

// floodOf returns the bound of requests of one address, or nil where there is none. What
// was counted before goes on while the bound stays the same.
func (s *setup) floodOf(before *setup) *resilience.Flood {
	c := s.config.GetHttp().GetFlood()
	switch {
	case c == nil:
		return nil
	case before != nil && proto.Equal(before.config.GetHttp().GetFlood(), c):
		return before.flood
	default:
		return resilience.NewFlood(int(c.GetRequests()), int(c.GetBurst()))
	}
}

// flooded refuses the requests of an address that sends too many, before anything else is
// looked at.
func (s settings) flooded(flood *resilience.Flood, next http.Handler) http.Handler {
	if flood == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if wait := flood.Wait(r.RemoteAddr); wait > 0 {
			w.Header().Set("Retry-After", fmt.Sprint(int64((wait+time.Second-1)/time.Second)))
			s.refuse(w, r, http.StatusTooManyRequests, "too many requests from this address; try again later")
			return
		}
		next.ServeHTTP(w, r)
	})
}
