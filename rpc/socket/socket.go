// Package socket reads and writes connections without telling Go's scheduler.
//
// A system call may block its thread, so Go's scheduler takes note of each, and has a thread of its own look, thousands
// of times a second while there are any, for one that goes on for so long that others should go on without it. But
// reads and writes of sockets never block here: where nothing is to be read the system says so, and the goroutine
// waits in Go's poller. With all of them done directly the scheduler's thread sleeps, which saves a gateway of
// small calls a tenth of its processor time.
//
// The price: for the time that the system copies bytes, no other goroutine runs on the processor that is used for it,
// as if it were Go's own code that copies. Hence no single system call is for more than [piece] bytes.
package socket

import "net"

// piece is how many bytes one system call copies at most: some ten microseconds' work.
const piece = 64 << 10

// stream is what [net.TCPConn] and [net.UnixConn] have in common here. It has no way to read or write past
// who holds it.
type stream interface {
	net.Conn
	CloseWrite() error
}

// Listener accepts connections that are [Direct].
type Listener struct{ net.Listener }

// Accept is part of [net.Listener].
func (l Listener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return Direct(conn), nil
}
