package rpc_test

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/protean-gateway/protean/rpc"
)

// TestUnacknowledged has the system end a connection whose backend is gone without a word.
func TestUnacknowledged(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := rpc.Sockets(rpc.Endpoint{}).DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var limit, probes int
	if err := raw.Control(func(fd uintptr) {
		limit, err = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT)
		probes, _ = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_KEEPALIVE)
	}); err != nil {
		t.Fatal(err)
	}
	if err != nil || limit != 20_000 || probes != 1 {
		t.Errorf("bytes may be unacknowledged for %d ms (want 20000), probes are %d (want 1); %v", limit, probes, err)
	}
}
