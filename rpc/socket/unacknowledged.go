//go:build !linux

package socket

import (
	"syscall"
	"time"
)

// LimitUnacknowledged does nothing: only Linux has this limit.
func LimitUnacknowledged(syscall.RawConn, time.Duration) error { return nil }
