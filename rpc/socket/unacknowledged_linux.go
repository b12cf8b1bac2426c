package socket

import (
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// LimitUnacknowledged has the system take a connection of TCP for broken, before or after it is made, once bytes that
// were sent have not been acknowledged for so long (TCP_USER_TIMEOUT, RFC 5482), to the millisecond. On other systems than
// Linux it does nothing.
func LimitUnacknowledged(raw syscall.RawConn, limit time.Duration) error {
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(limit.Milliseconds())) //nolint:gosec // a descriptor fits
	})
	if err == nil {
		err = failed
	}
	return err
}
