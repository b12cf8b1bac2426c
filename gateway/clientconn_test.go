package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
)

const (
	patience = 30 * time.Second  // what no test takes
	slow     = 5 * lateWatch / 2 // longer than any request runs unwatched
)

// clientServers serve the same, by net/http alone and by connections that watch their clients late.
var clientServers = map[string]func(*http.Server, net.Listener) net.Listener{
	"net/http": func(_ *http.Server, l net.Listener) net.Listener { return l },
	"late":     watchClients,
}

// inBoth runs a test with both servers.
func inBoth(t *testing.T, test func(t *testing.T, wrap func(*http.Server, net.Listener) net.Listener)) {
	t.Helper()
	for name, wrap := range clientServers {
		t.Run(name, func(t *testing.T) { test(t, wrap) })
	}
}

// serveClients serves until the test ends and returns a client's connection.
func serveClients(t testing.TB, server *http.Server, wrap func(*http.Server, net.Listener) net.Listener) *net.TCPConn {
	t.Helper()
	return dialClient(t, serveAddress(t, server, wrap))
}

func serveAddress(t testing.TB, server *http.Server, wrap func(*http.Server, net.Listener) net.Listener) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go server.Serve(wrap(server, listener))
	t.Cleanup(func() { server.Close() })
	return listener.Addr().String()
}

func dialClient(t testing.TB, address string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

func say(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

func answer(t testing.TB, from *bufio.Reader) (status int, body string) {
	t.Helper()
	res, err := http.ReadResponse(from, nil)
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(content)
}

const simpleGet = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// TestClientLeaves waits for the end of a request's context.
func TestClientLeaves(t *testing.T) {
	ways := map[string]func(*net.TCPConn) error{
		"close": (*net.TCPConn).Close,
		"half":  (*net.TCPConn).CloseWrite,
		"reset": func(c *net.TCPConn) error { return errors.Join(c.SetLinger(0), c.Close()) },
	}
	requests := map[string]string{
		"get":    simpleGet,
		"stream": "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n",
		"post":   "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345",
	}
	inBoth(t, func(t *testing.T, wrap func(*http.Server, net.Listener) net.Listener) {
		for way, leave := range ways {
			for name, request := range requests {
				for _, after := range []time.Duration{0, 50 * time.Millisecond} {
					t.Run(fmt.Sprint(way, name, after), func(t *testing.T) {
						t.Parallel()
						began, left := make(chan bool, 1), make(chan error, 1)
						conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							_, _ = io.ReadAll(r.Body)
							if r.URL.Path == "/stream" {
								_ = http.NewResponseController(w).Flush()
							}
							began <- true
							left <- ended(r.Context())
						})}, wrap)
						say(t, conn, request)
						<-began
						time.Sleep(after)
						if err := leave(conn); err != nil {
							t.Fatal(err)
						}
						if err := <-left; err != nil {
							t.Error(err)
						}
					})
				}
			}
		}
	})
}

// ended waits for the end of a context.
func ended(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(patience):
		return errors.New("the context did not end")
	}
}

// TestKeepAlive has short and long requests on one connection, of which none is ended by what is left of another's watch.
func TestKeepAlive(t *testing.T) {
	var requests int
	conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if requests++; requests%25 == 0 {
			time.Sleep(slow)
		}
		fmt.Fprint(w, requests, r.Context().Err())
	})}, watchClients)
	from := bufio.NewReader(conn)
	for i := range 200 {
		if i%40 == 0 {
			time.Sleep(slow) // the timer finds no request
		}
		say(t, conn, simpleGet)
		if _, got := answer(t, from); got != fmt.Sprint(i+1, error(nil)) {
			t.Fatalf("request %d: got %s", i+1, got)
		}
	}
}

// reading counts the reads of its connections.
type reading struct {
	net.Listener
	reads atomic.Int64
}

type countedReads struct {
	*net.TCPConn
	reads *atomic.Int64
}

func (l *reading) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countedReads{conn.(*net.TCPConn), &l.reads}, nil
}

func (c countedReads) Read(p []byte) (int, error) {
	c.reads.Add(1)
	return c.TCPConn.Read(p)
}

// TestBackgroundReadIsRecognised fails with a version of Go that watches clients in another way. Clientconn.go
// is to be looked at then; the connections work, but save nothing.
func TestBackgroundReadIsRecognised(t *testing.T) {
	const requests = 100
	var counted *reading
	conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}, func(s *http.Server, l net.Listener) net.Listener {
		counted = &reading{Listener: l}
		return watchClients(s, counted)
	})
	from := bufio.NewReader(conn)
	for range requests {
		say(t, conn, simpleGet)
		answer(t, from)
	}
	// A request that is late by chance is watched, as it should be.
	if got := counted.reads.Load(); got < requests || got > requests+requests/2 {
		t.Errorf("%d reads for %d requests", got, requests)
	}
}

// TestReadDeadlineOfHandler interrupts reads of a body.
func TestReadDeadlineOfHandler(t *testing.T) {
	inBoth(t, func(t *testing.T, wrap func(*http.Server, net.Listener) net.Listener) {
		for name, deadline := range map[string]func() time.Time{
			"past": func() time.Time { return time.Unix(1, 0) },
			"soon": func() time.Time { return time.Now().Add(slow) },
		} {
			for _, after := range []time.Duration{0, slow} {
				t.Run(fmt.Sprint(name, after), func(t *testing.T) {
					t.Parallel()
					read := make(chan error, 1)
					conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						control := http.NewResponseController(w)
						time.AfterFunc(after, func() { _ = control.SetReadDeadline(deadline()) })
						_, err := io.ReadAll(r.Body)
						read <- err
					})}, wrap)
					say(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n123")
					if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("got %v", err)
					}
				})
			}
		}
	})
}

// TestNoDeadlineForWatch has a handler set deadlines that pass while nothing but the watch reads. For net/http alone its
// client would have left, in this request and in all that follow.
func TestNoDeadlineForWatch(t *testing.T) {
	seen := make(chan error, 2)
	conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for _, deadline := range []time.Time{time.Unix(1, 0), time.Now().Add(slow), time.Unix(1, 0)} {
			_ = http.NewResponseController(w).SetReadDeadline(deadline)
			time.Sleep(2 * slow)
		}
		seen <- r.Context().Err()
		if r.URL.Path == "/last" {
			seen <- ended(r.Context())
		}
	})}, watchClients)
	from := bufio.NewReader(conn)
	say(t, conn, simpleGet)
	answer(t, from)
	say(t, conn, "GET /last HTTP/1.1\r\nHost: x\r\n\r\n")
	for range 2 {
		if err := <-seen; err != nil {
			t.Error(err)
		}
	}
	conn.Close()
	if err := <-seen; err != nil {
		t.Error(err)
	}
}

// TestTimeoutsOfServer has a server that waits only so long for requests and for heads. What it was told for one
// must not hold for the other, whether the request before was watched or not.
func TestTimeoutsOfServer(t *testing.T) {
	const short = time.Second // longer than a client here takes, while it is not silent on purpose
	inBoth(t, func(t *testing.T, wrap func(*http.Server, net.Listener) net.Listener) {
		for name, test := range map[string]struct {
			idle, head time.Duration
			between    time.Duration // that the client may stay silent
			last       string        // what it says before it falls silent for ever
		}{
			"idle": {idle: short, head: time.Hour},
			"head": {idle: time.Hour, head: short, between: short + slow, last: "GET / HTTP/1.1\r\nHo"},
		} {
			for _, takes := range []time.Duration{0, slow} {
				t.Run(fmt.Sprint(name, takes), func(t *testing.T) {
					t.Parallel()
					conn := serveClients(t, &http.Server{
						IdleTimeout: test.idle, ReadHeaderTimeout: test.head,
						Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(takes) }),
					}, wrap)
					from := bufio.NewReader(conn)
					for range 3 {
						say(t, conn, simpleGet)
						answer(t, from)
						time.Sleep(test.between)
					}
					say(t, conn, test.last)
					if _, err := io.Copy(io.Discard, from); errors.Is(err, os.ErrDeadlineExceeded) {
						t.Error("the connection lives on")
					}
				})
			}
		}
	})
}

// TestServerEndsWatches closes a server while requests run, some of them watched.
func TestServerEndsWatches(t *testing.T) {
	before := goleak.IgnoreCurrent()
	began, left := make(chan bool), make(chan error, 1)
	for _, after := range []time.Duration{0, lateWatch / 5, slow} {
		server := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			began <- true
			left <- ended(r.Context())
		})}
		conn := serveClients(t, server, watchClients)
		say(t, conn, simpleGet)
		<-began
		time.Sleep(after)
		server.Close()
		if err := <-left; err != nil {
			t.Error(err)
		}
	}
	goleak.VerifyNone(t, before)
}

// TestContextOfServer ends the context that those of connections come from.
func TestContextOfServer(t *testing.T) {
	base, cancel := context.WithCancel(t.Context())
	began, left := make(chan bool), make(chan error, 1)
	server := &http.Server{
		BaseContext: func(net.Listener) context.Context { return base },
		Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			began <- true
			left <- ended(r.Context())
		}),
	}
	conn := serveClients(t, server, watchClients)
	say(t, conn, simpleGet)
	<-began
	cancel()
	if err := <-left; err != nil {
		t.Error(err)
	}
}

// TestHijackerReadsSingleBytes, each into memory of its own. It closes the connection, which does not end the context.
func TestHijackerReadsSingleBytes(t *testing.T) {
	inBoth(t, func(t *testing.T, wrap func(*http.Server, net.Listener) net.Listener) {
		got := make(chan string, 1)
		conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(slow) // it is watched
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			if err := conn.SetReadDeadline(time.Unix(1, 0)); err != nil { // no end of the request, as it would be before
				t.Error(err)
			}
			time.Sleep(slow)
			if err := conn.SetDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
			fmt.Fprint(conn, "go on")
			var text []byte
			for len(text) < 100 {
				var b [1]byte
				if _, err := io.ReadFull(conn, b[:]); err != nil {
					t.Error(err)
					break
				}
				text = append(text, b[0])
			}
			conn.Close()
			got <- string(text)
			if r.Context().Err() != nil {
				t.Error("the context ended")
			}
		})}, wrap)
		say(t, conn, simpleGet)
		if _, err := io.ReadFull(conn, make([]byte, len("go on"))); err != nil {
			t.Fatal(err)
		}
		want := strings.Repeat("0123456789", 10)
		for i := range want {
			say(t, conn, want[i:i+1])
		}
		if text := <-got; text != want {
			t.Errorf("got %s", text)
		}
	})
}

// TestSingleByteFrame has an HTTP/2 client whose first payload is one byte, for which the server has no buffer yet.
func TestSingleByteFrame(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	conn := serveClients(t, &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%q", body)
	})}, watchClients)
	framer := http2.NewFramer(conn, conn)
	say(t, conn, http2.ClientPreface)
	for _, err := range []error{
		framer.WriteSettings(),
		framer.WriteRawFrame(0xbb, 0, 0, []byte{1}),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headerBlock("POST"), EndHeaders: true}),
		framer.WriteData(1, false, []byte("x")),
		framer.WriteData(1, true, []byte("y")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if data, ok := frame.(*http2.DataFrame); ok {
			if got := string(data.Data()); got != `"xy"` {
				t.Errorf("got %s", got)
			}
			return
		}
	}
}

// TestLingeringClose has a client that sends more than anybody reads, and still gets its answer: net/http
// closes for writing first.
func TestLingeringClose(t *testing.T) {
	inBoth(t, func(t *testing.T, wrap func(*http.Server, net.Listener) net.Listener) {
		conn := serveClients(t, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, "enough")
		})}, wrap)
		began := time.Now()
		say(t, conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 300<<10))
		from := bufio.NewReader(conn)
		if _, got := answer(t, from); got != "enough" {
			t.Errorf("got %s", got)
		}
		if _, err := from.ReadByte(); err != io.EOF {
			t.Errorf("got %v after %v", err, time.Since(began))
		}
	})
}

// BenchmarkClientConn sends short requests on connections that are kept. Of the processor's time the clients have their part.
func BenchmarkClientConn(b *testing.B) {
	for _, name := range []string{"net/http", "late"} {
		b.Run(name, func(b *testing.B) {
			handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
				done := make(chan bool)
				go close(done)
				<-done // as one that calls a backend
			})
			address := serveAddress(b, &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}, clientServers[name])
			b.SetParallelism(16)
			b.ReportAllocs()
			before := processorTime(b)
			b.RunParallel(func(clients *testing.PB) {
				conn := dialClient(b, address)
				buffer := make([]byte, 1<<10)
				for clients.Next() {
					say(b, conn, simpleGet)
					if _, err := conn.Read(buffer); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(processorTime(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
