//go:build linux && !386 && !s390x

package socket

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Direct returns a connection that reads from and writes to conn directly, and is conn in every other respect;
// nobody may use conn itself any more. Where that cannot be done, for other
// connections than those of TCP and of Unix sockets or on other systems, it returns conn.
// As with conn, all methods are safe for concurrent use, and no bytes are kept.
func Direct(conn net.Conn) net.Conn {
	switch conn := conn.(type) { // what has one of them within may read and write in a way of its own
	case *net.TCPConn:
		return open(conn)
	case *net.UnixConn:
		return open(conn)
	default:
		return conn
	}
}

// system is a connection that has a socket.
type system interface {
	stream
	syscall.Conn
}

func open(conn system) net.Conn {
	raw, err := conn.SyscallConn()
	if err != nil {
		return conn // it is none, which the next call tells
	}
	d := &direct{stream: conn, raw: raw}
	d.reading.step, d.writing.step = d.reading.receive, d.writing.send
	return d
}

type direct struct {
	stream
	raw              syscall.RawConn // waits in the poller, and knows of deadlines and of Close
	reading, writing transfer
}

// Read is part of [net.Conn].
func (d *direct) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, err := d.reading.carry(p, d.raw.Read)
	if err != nil {
		return n, d.failed("read", err)
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Write is part of [net.Conn].
func (d *direct) Write(p []byte) (int, error) {
	n, err := d.writing.carry(p, d.raw.Write)
	if err != nil {
		return n, d.failed("write", err)
	}
	return n, nil
}

// failed returns an error in the form that package net gives it.
func (d *direct) failed(op string, err error) error {
	if raw, ok := errors.AsType[*net.OpError](err); ok {
		err = raw.Err // it tells of a "raw-read", and of addresses the wrong way round
	}
	return &net.OpError{Op: op, Net: d.LocalAddr().Network(), Source: d.LocalAddr(), Addr: d.RemoteAddr(), Err: err}
}

// transfer is one direction of a connection, which does one thing at a time.
type transfer struct {
	step func(fd uintptr) (over bool) // is made once; else each call would allocate it

	mu   sync.Mutex
	rest []byte // what is to be read into, or written
	n    int    // how many bytes were
	err  error
}

// carry moves bytes. Run is a function of [syscall.RawConn]: it calls step once
// the socket may be ready, until it is over.
func (t *transfer) carry(p []byte, run func(func(uintptr) bool) error) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rest, t.n, t.err = p, 0, nil
	err := run(t.step)
	t.rest = nil
	if err == nil {
		err = t.err
	}
	return t.n, err
}

// receive reads what there is, once.
func (t *transfer) receive(fd uintptr) (over bool) {
	n, err := call(syscall.SYS_RECVFROM, fd, t.rest, syscall.MSG_DONTWAIT)
	if err == syscall.EAGAIN {
		return false
	}
	if err != 0 {
		t.err = os.NewSyscallError("recvfrom", err)
		return true
	}
	happensAfter(fd)
	t.n = n
	return true
}

// send writes all of it.
func (t *transfer) send(fd uintptr) (over bool) {
	happensBefore()
	for len(t.rest) > 0 {
		n, err := call(syscall.SYS_SENDTO, fd, t.rest, syscall.MSG_DONTWAIT|syscall.MSG_NOSIGNAL)
		if err == syscall.EAGAIN {
			return false
		}
		if err != 0 {
			t.err = os.NewSyscallError("sendto", err)
			return true
		}
		t.n += n
		t.rest = t.rest[n:]
	}
	return true
}

// call makes a system call that does not wait, with a piece of p.
func call(number, fd uintptr, p []byte, flags uintptr) (n int, err syscall.Errno) {
	for {
		done, _, err := syscall.RawSyscall6(number, fd,
			uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(min(len(p), piece)), flags, 0, 0) //nolint:gosec // the bytes live, they are p's
		if err != syscall.EINTR {
			return int(done), err //nolint:gosec // it is at most a piece, or -1 with an error
		}
	}
}
