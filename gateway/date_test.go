package gateway

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// Answers have the date of their second, whichever came before.
func TestDateHeader(t *testing.T) {
	start := time.Date(2026, 11, 25, 23, 59, 58, 999, time.FixedZone("", 3600))
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for _, after := range []time.Duration{0, time.Second, 0, 1999 * time.Millisecond, 2 * time.Second, time.Hour} {
				now := start.Add(after)
				got, err := http.ParseTime(dateHeader(now)[0])
				if err != nil || !got.Equal(now.Truncate(time.Second)) {
					t.Errorf("%v at %v, %v", got, now, err)
				}
			}
		})
	}
	all.Wait()
}
