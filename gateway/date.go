package gateway

import (
	"net/http"
	"sync/atomic"
	"time"
)

// date is the Date of answers (RFC 9110, section 6.6.1) in one second. net/http would
// write it anew for each answer.
type date struct {
	second int64
	header []string // nobody writes to it
}

var lastDate atomic.Pointer[date]

// dateHeader returns the header's value for an answer at a time. It must not be changed.
func dateHeader(now time.Time) []string {
	second := now.Unix()
	if last := lastDate.Load(); last != nil && last.second == second {
		return last.header
	}
	d := &date{second, []string{now.UTC().Format(http.TimeFormat)}}
	lastDate.Store(d) // of two that come at once either will do
	return d.header
}
