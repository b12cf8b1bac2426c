//go:build race && linux && !386 && !s390x

package socket

import "syscall"

// The race detector takes what was written to any socket for having happened before what is read from any, but
// learns of package syscall's reads and writes alone. These are of no bytes; the write is to no socket, as it would take
// the error that waits in one.

func happensBefore() { _, _ = syscall.Write(-1, nil) }

func happensAfter(fd uintptr) { _, _ = syscall.Read(int(fd), nil) }
