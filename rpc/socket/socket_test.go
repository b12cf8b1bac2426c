package socket_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"github.com/protean-gateway/protean/rpc/socket"
)

// networks are those that connections are direct of.
var networks = []string{"tcp", "unix"}

// listen returns an address of its own.
func listen(t testing.TB, network string) net.Listener {
	t.Helper()
	address := "127.0.0.1:0"
	if network == "unix" {
		address = filepath.Join(t.TempDir(), "s")
	}
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// connect returns both ends of a connection, as they are.
func connect(t testing.TB, l net.Listener) (accepted, dialled net.Conn) {
	t.Helper()
	dialled, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close(); dialled.Close() })
	return accepted, dialled
}

// TestConn has a suite for connections of any kind look at them.
func TestConn(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			nettest.TestConn(t, func() (one, other net.Conn, stop func(), err error) {
				l := listen(t, network)
				accepted, dialled := connect(t, socket.Listener{Listener: l})
				return accepted, socket.Direct(dialled), func() { accepted.Close(); dialled.Close() }, nil
			})
		})
	}
}

// TestOthersStay leaves alone what has no socket, or reads in a way of its own.
func TestOthersStay(t *testing.T) {
	pipe, other := net.Pipe()
	defer pipe.Close()
	defer other.Close()
	accepted, _ := connect(t, listen(t, "tcp"))
	for _, conn := range []net.Conn{pipe, upperCase{accepted.(*net.TCPConn)}} {
		if socket.Direct(conn) != conn {
			t.Errorf("a %T is another connection now", conn)
		}
	}
}

type upperCase struct{ *net.TCPConn }

func (c upperCase) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	return copy(p, bytes.ToUpper(p[:n])), err
}

// endings are ways in which a read or a write ends.
var endings = []struct {
	name string
	run  func(conn, peer net.Conn) (int, error)
}{
	{"the peer has closed", func(conn, peer net.Conn) (int, error) {
		peer.Close()
		return conn.Read(make([]byte, 8))
	}},
	{"the peer has closed its side", func(conn, peer net.Conn) (int, error) {
		_ = peer.(interface{ CloseWrite() error }).CloseWrite()
		return conn.Read(make([]byte, 8))
	}},
	{"the last bytes", func(conn, peer net.Conn) (int, error) {
		_, _ = peer.Write([]byte("abc"))
		peer.Close()
		return conn.Read(make([]byte, 8))
	}},
	{"closed here, read", func(conn, _ net.Conn) (int, error) {
		conn.Close()
		return conn.Read(make([]byte, 8))
	}},
	{"closed here while it reads", func(conn, _ net.Conn) (int, error) {
		time.AfterFunc(10*time.Millisecond, func() { conn.Close() })
		return conn.Read(make([]byte, 8))
	}},
	{"closed here, write", func(conn, _ net.Conn) (int, error) {
		conn.Close()
		return conn.Write([]byte("abc"))
	}},
	{"our side is closed, write", func(conn, _ net.Conn) (int, error) {
		_ = conn.(interface{ CloseWrite() error }).CloseWrite()
		return conn.Write([]byte("abc"))
	}},
	{"no time to read", func(conn, _ net.Conn) (int, error) {
		_ = conn.SetReadDeadline(time.Now().Add(-time.Second))
		return conn.Read(make([]byte, 8))
	}},
	{"no more time to read", func(conn, _ net.Conn) (int, error) {
		_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		return conn.Read(make([]byte, 8))
	}},
	{"no time to write", func(conn, _ net.Conn) (int, error) {
		_ = conn.SetWriteDeadline(time.Now().Add(-time.Second))
		return conn.Write([]byte("abc"))
	}},
	{"nothing to read into", func(conn, _ net.Conn) (int, error) { return conn.Read(nil) }},
	{"nothing to write", func(conn, _ net.Conn) (int, error) { return conn.Write(nil) }},
	{"the peer has reset, read", func(conn, peer net.Conn) (int, error) {
		reset(conn, peer)
		return conn.Read(make([]byte, 8))
	}},
	{"the peer has reset, write", func(conn, peer net.Conn) (int, error) {
		reset(conn, peer)
		return conn.Write([]byte("abc"))
	}},
}

// reset has the peer close without having read.
func reset(conn, peer net.Conn) {
	_, _ = conn.Write([]byte("unread"))
	if tcp, ok := peer.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	peer.Close()
	time.Sleep(10 * time.Millisecond)
}

// TestEndings compares with package net: the same bytes, the same kind of error with the same words.
func TestEndings(t *testing.T) {
	for _, network := range networks {
		for _, ending := range endings {
			t.Run(network+"/"+ending.name, func(t *testing.T) {
				l := listen(t, network)
				conn, peer := connect(t, l)
				wantN, want := ending.run(conn, peer)
				conn, peer = connect(t, socket.Listener{Listener: l})
				n, err := ending.run(conn, peer)
				if n != wantN || kind(err) != kind(want) {
					t.Errorf("%d %v, net has %d %v", n, err, wantN, want)
				}
			})
		}
	}
}

// told is what callers look at of an error.
type told struct {
	is, op, network  string
	of               reflect.Type
	timeout, noOther bool
}

func kind(err error) told {
	k := told{of: reflect.TypeOf(err), noOther: err == nil}
	for _, known := range []error{io.EOF, net.ErrClosed, os.ErrDeadlineExceeded, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, known) {
			k.is += known.Error()
		}
	}
	if e, ok := errors.AsType[net.Error](err); ok {
		k.timeout = e.Timeout()
	}
	if e, ok := errors.AsType[*net.OpError](err); ok {
		k.op, k.network = e.Op, e.Net
	}
	return k
}

// TestSlowPeer writes more than the system takes, to a peer that reads late, and to one that stops.
func TestSlowPeer(t *testing.T) {
	sent := make([]byte, 16<<20+5)
	_, _ = rand.Read(sent)
	for _, network := range networks {
		l := listen(t, network)
		conn, peer := connect(t, socket.Listener{Listener: l})
		var got []byte
		var reading sync.WaitGroup
		reading.Go(func() {
			time.Sleep(20 * time.Millisecond)
			got, _ = io.ReadAll(peer)
		})
		if n, err := conn.Write(sent); n != len(sent) || err != nil {
			t.Errorf("%s: %d of %d written: %v", network, n, len(sent), err)
		}
		conn.Close()
		reading.Wait()
		if !bytes.Equal(got, sent) {
			t.Errorf("%s: other bytes arrived", network)
		}

		conn, peer = connect(t, socket.Listener{Listener: l})
		var first error
		reading.Go(func() {
			_, first = io.ReadFull(peer, make([]byte, 1))
			_ = conn.SetWriteDeadline(time.Now())
		})
		n, err := conn.Write(sent)
		reading.Wait()
		if first != nil || n == 0 || n == len(sent) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %d of %d written to a peer that reads one byte (%v): %v", network, n, len(sent), first, err)
		}
	}
}

// TestManyAtOnce writes from several goroutines, whose bytes must not mix, and reads in several.
func TestManyAtOnce(t *testing.T) {
	const writers, each, size = 8, 50, 3000
	conn, other := connect(t, socket.Listener{Listener: listen(t, "tcp")})
	peer := socket.Direct(other)
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for range each {
				_, _ = conn.Write(bytes.Repeat([]byte{byte(w)}, size))
			}
		})
	}
	var mu sync.Mutex
	counts := make([]int, writers)
	for range 3 {
		reading.Go(func() {
			buffer := make([]byte, size)
			for {
				n, err := peer.Read(buffer)
				mu.Lock()
				for _, w := range buffer[:n] {
					counts[w]++
				}
				mu.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	writing.Wait()
	conn.Close()
	reading.Wait()
	for w, n := range counts {
		if n != each*size {
			t.Errorf("%d bytes of writer %d, want %d", n, w, each*size)
		}
	}
}

func TestAcceptFails(t *testing.T) {
	l := listen(t, "tcp")
	l.Close()
	if conn, err := (socket.Listener{Listener: l}).Accept(); conn != nil || !errors.Is(err, net.ErrClosed) {
		t.Error(conn, err)
	}
}

// BenchmarkEcho sends 100 bytes forth and back. The processor time that is saved shows in a process with
// many connections; this shows that nothing is allocated.
func BenchmarkEcho(b *testing.B) {
	for name, prepare := range map[string]func(net.Conn) net.Conn{
		"net":    func(c net.Conn) net.Conn { return c },
		"direct": socket.Direct,
	} {
		b.Run(name, func(b *testing.B) {
			one, other := connect(b, listen(b, "tcp"))
			one, other = prepare(one), prepare(other)
			ctx, stop := context.WithCancel(b.Context())
			defer stop()
			context.AfterFunc(ctx, func() { one.Close() })
			go func() { _, _ = io.CopyBuffer(struct{ io.Writer }{one}, struct{ io.Reader }{one}, make([]byte, 100)) }()
			message := make([]byte, 100)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := other.Write(message); err != nil {
					b.Fatal(err)
				}
				if _, err := io.ReadFull(other, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
