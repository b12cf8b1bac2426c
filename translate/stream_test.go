package translate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/translate/transport"
)

// serve serves a handler over HTTP/1.1.
func serve(t *testing.T, h http.Handler) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

// startREST serves the library over HTTP/1.1, or over HTTP/2 and TLS.
func startREST(t *testing.T, h rpc.Handler, http2 bool) *httptest.Server {
	rest, problems := NewREST(library(t), h, RESTOptions{})
	allServed(t, problems)
	server := httptest.NewUnstartedServer(rest)
	if server.EnableHTTP2 = http2; http2 {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	return server
}

// TestDisconnect checks that a client's going away reaches the handler at once,
// also where the stream is silent and before it has said anything.
func TestDisconnect(t *testing.T) {
	requests := map[string]func(url string) *http.Request{
		"GET without a body": func(url string) *http.Request {
			return httptest.NewRequest(http.MethodGet, url+"/v1/shelves/1:watch", nil)
		},
		"GET with a body": func(url string) *http.Request {
			return httptest.NewRequest(http.MethodGet, url+"/v1/shelves/1:watch", strings.NewReader("ignored"))
		},
		"POST": func(url string) *http.Request {
			return httptest.NewRequest(http.MethodPost, url+"/lib.v1.Library/Watch", strings.NewReader("{}"))
		},
	}
	for name, request := range requests {
		for _, http2 := range []bool{false, true} {
			for _, messages := range []int{0, 1} {
				t.Run(name+map[bool]string{true: " h2", false: " h1"}[http2]+map[int]string{0: " silent", 1: " begun"}[messages], func(t *testing.T) {
					testDisconnect(t, request, http2, messages)
				})
			}
		}
	}
}

func testDisconnect(t *testing.T, request func(string) *http.Request, http2 bool, messages int) {
	started, cancelled := make(chan struct{}, 1), make(chan struct{}, 1)
	server := startREST(t, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		for range messages {
			if err := s.Send(nil); err != nil {
				return err
			}
		}
		started <- struct{}{}
		<-ctx.Done()
		cancelled <- struct{}{}
		return ctx.Err()
	}, http2)
	ctx, cancel := context.WithCancel(t.Context())
	r := request(server.URL).WithContext(ctx)
	r.RequestURI = ""
	answered := make(chan error, 1)
	go func() {
		res, err := server.Client().Do(r)
		if err == nil {
			_, err = io.Copy(io.Discard, res.Body)
			err = errors.Join(err, res.Body.Close())
		}
		answered <- err
	}()
	rpctest.Wait(t, started, "the call")
	cancel()
	rpctest.Wait(t, cancelled, "the cancellation")
	if err := rpctest.Wait(t, answered, "the client's end"); !errors.Is(err, context.Canceled) {
		t.Errorf("the client got %v", err)
	}
}

// TestFirstMessageAtOnce reads the first frame while the handler still waits.
func TestFirstMessageAtOnce(t *testing.T) {
	read := make(chan struct{})
	server := startREST(t, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		if err := s.Send(nil); err != nil {
			return err
		}
		select {
		case <-read:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}, false)
	res, err := server.Client().Get(server.URL + "/v1/shelves/1:watch")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	lines := bufio.NewReader(res.Body)
	if line, err := lines.ReadString('\n'); line != "{\"data\":{}}\n" {
		t.Errorf("got %q (%v)", line, err)
	}
	close(read)
	if rest, err := io.ReadAll(lines); string(rest) != "{\"end\":{}}\n" || err != nil {
		t.Errorf("got %q (%v)", rest, err)
	}
}

// TestSlowReader checks that a handler is never more than one message ahead of a
// client, over a connection without buffers.
func TestSlowReader(t *testing.T) {
	const messages = 20
	var sent atomic.Int32
	rest, _ := NewREST(library(t), func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		text := rpctest.Message(t, c.Method.Output.Descriptor(), `{"text":"`+strings.Repeat("x", 16<<10)+`"}`)
		for range messages {
			if err := s.Send(text); err != nil {
				return err
			}
			sent.Add(1)
		}
		return nil
	}, RESTOptions{})
	client, lines := pipeRequest(t, rest, "GET /v1/shelves/1:watch HTTP/1.1\r\nHost: x\r\n\r\n")
	defer client.Close()
	for i := range int32(messages) {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, `{"data":`) {
			t.Fatalf("line %d: %.20q (%v)", i, line, err)
		}
		if ahead := sent.Load() - i; ahead > 1 {
			t.Errorf("the handler is %d messages ahead at line %d", ahead, i)
		}
	}
}

// TestConversation checks that each message is answered before the next is sent, and before anything that stands
// behind it.
func TestConversation(t *testing.T) {
	forms := map[string]struct{ kind, begin, between, end string }{
		"lines":   {typeNDJSON, "", "\n", "\n"},
		"objects": {typeJSON, "", "", ""},
		"array":   {typeJSON, "[", ",", "]"},
	}
	echo := func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		for {
			msg, err := s.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.Send(msg); err != nil {
				return err
			}
		}
	}
	for _, http2 := range []bool{false, true} {
		server := startREST(t, echo, http2)
		for name, form := range forms {
			t.Run(fmt.Sprintf("%s, HTTP/2 %t", name, http2), func(t *testing.T) {
				body, write := io.Pipe()
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+"/v1/chat", body)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", form.kind)
				go func() { _, _ = io.WriteString(write, form.begin+`{"text":"0"}`) }()
				res, err := server.Client().Do(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				lines := bufio.NewReader(res.Body)
				for i := range 5 {
					if line, err := lines.ReadString('\n'); line != fmt.Sprintf("{\"data\":{\"text\":\"%d\"}}\n", i) {
						t.Errorf("got %q (%v)", line, err)
					}
					if _, err := fmt.Fprintf(write, `%s{"text":"%d"}`, form.between, i+1); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := io.WriteString(write, form.end); err != nil {
					t.Fatal(err)
				}
				write.Close()
				if rest, err := io.ReadAll(lines); string(rest) != "{\"data\":{\"text\":\"5\"}}\n{\"end\":{}}\n" || err != nil {
					t.Errorf("got %q (%v)", rest, err)
				}
			})
		}
	}
}

// TestSilentConversationEnds checks that a Recv comes back when the deadline
// passes or the client goes away, though the client neither sends nor ends its body.
func TestSilentConversationEnds(t *testing.T) {
	for name, timeout := range map[string]string{"deadline": "0.5", "client gone": "600"} {
		for _, http2 := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s http2=%t", name, http2), func(t *testing.T) {
				started, received := make(chan struct{}, 1), make(chan error, 1)
				server := startREST(t, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
					started <- struct{}{}
					_, err := s.Recv()
					received <- err
					return err
				}, http2)
				body, write := io.Pipe()
				defer write.Close()
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/chat", body)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("X-Request-Timeout", timeout)
				answered := make(chan int, 1)
				go func() {
					res, err := server.Client().Do(r)
					if err != nil {
						answered <- 0
						return
					}
					res.Body.Close()
					answered <- res.StatusCode
				}()
				rpctest.Wait(t, started, "the call")
				gone := name == "client gone"
				want := http.StatusGatewayTimeout
				if gone {
					cancel()
					want = 0
				}
				if err := rpctest.Wait(t, received, "the end of Recv"); err == nil || err == io.EOF {
					t.Errorf("Recv returned %v", err)
				}
				if gone {
					write.CloseWithError(io.ErrClosedPipe) // an HTTP/1 client waits for its body even then
				}
				if got := rpctest.Wait(t, answered, "the answer"); got != want {
					t.Errorf("got status %d, want %d", got, want)
				}
			})
		}
	}
}

// TestRecvOutlastsHandler checks that a Recv which is still under way when the
// call is over comes back, whether the client's body goes on or not.
func TestRecvOutlastsHandler(t *testing.T) {
	for _, first := range []bool{false, true} {
		received := make(chan error)
		server := startREST(t, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
			if first {
				if _, err := s.Recv(); err != nil {
					return err
				}
			}
			go func() {
				_, err := s.Recv()
				received <- err
			}()
			return s.Send(nil)
		}, false)
		body, write := io.Pipe()
		if first {
			go func() { _, _ = io.WriteString(write, "{}\n") }()
		}
		res, err := server.Client().Post(server.URL+"/v1/collect", typeNDJSON, body)
		if err != nil {
			t.Fatal(err)
		}
		if err := rpctest.Wait(t, received, "the late Recv"); err == nil || err == io.EOF {
			t.Errorf("the late Recv returned %v", err)
		}
		if text, err := io.ReadAll(res.Body); string(text) != "{}" || err != nil {
			t.Errorf("got %q (%v)", text, err)
		}
		res.Body.Close()
		write.Close()
	}
}

// TestDeadlineFreesStuckStream checks that a client which reads nothing does not
// hold a call for longer than its deadline and the time for a last frame.
func TestDeadlineFreesStuckStream(t *testing.T) {
	snap := library(t)
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan error, 1)
		rest, _ := NewREST(snap, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
			for {
				if err := s.Send(nil); err != nil {
					ended <- err
					return err
				}
			}
		}, RESTOptions{})
		began := time.Now()
		client, _ := pipeRequest(t, rest, "GET /v1/shelves/1:watch HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: 2\r\n\r\n")
		defer client.Close()
		if err := <-ended; status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("got %v", err)
		}
		if passed := time.Since(began); passed != 2*time.Second+lastFrameTime {
			t.Errorf("it took %v", passed)
		}
	})
}

// TestMethodsTimeoutFreesStuckStream checks the same for the method's own timeout, in
// every form of a stream, where the client would wait for ever.
func TestMethodsTimeoutFreesStuckStream(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"library.proto": libraryProto(t)})
	rpctest.Method(t, snap, "/lib.v1.Library/Watch").Timeout = 2 * time.Second
	for _, accept := range []string{typeNDJSON, typeJSON, typeEvents} {
		synctest.Test(t, func(t *testing.T) {
			ended := make(chan error, 1)
			rest, _ := NewREST(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
				for {
					if err := s.Send(nil); err != nil {
						ended <- err
						return err
					}
				}
			}, RESTOptions{})
			began := time.Now()
			client, _ := pipeRequest(t, rest, "GET /v1/shelves/1:watch HTTP/1.1\r\nHost: x\r\nAccept: "+accept+"\r\n\r\n")
			defer client.Close()
			if err := <-ended; status.Code(err) != codes.DeadlineExceeded {
				t.Errorf("%s: got %v", accept, err)
			}
			if passed := time.Since(began); passed != 2*time.Second+lastFrameTime {
				t.Errorf("%s: it took %v", accept, passed)
			}
		})
	}
}

// TestHeartbeats checks that a client of a silent event stream hears that it is open.
func TestHeartbeats(t *testing.T) {
	snap := library(t)
	synctest.Test(t, func(t *testing.T) {
		rest, _ := NewREST(snap, func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
			select {
			case <-time.After(3*transport.DefaultHeartbeat - time.Second):
				return status.Error(codes.NotFound, "no shelf")
			case <-ctx.Done():
				return ctx.Err()
			}
		}, RESTOptions{})
		client, body := pipeRequest(t, rest, "GET /v1/shelves/1:watch HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nConnection: close\r\n\r\n")
		defer client.Close()
		want := ":\n\n:\n\nevent: error\n" + `data: {"error":{"code":5,"message":"no shelf","details":[]}}` + "\n\n"
		if text, err := io.ReadAll(body); string(text) != want || err != nil {
			t.Errorf("got %q (%v)", text, err)
		}
	})
}

// TestConnectionOutlivesDeadline checks that the next request on a connection
// does not inherit the bound of a stream that ran into its deadline.
func TestConnectionOutlivesDeadline(t *testing.T) {
	snap := library(t)
	synctest.Test(t, func(t *testing.T) {
		rest, _ := NewREST(snap, func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
			if err := s.Send(nil); err != nil || !c.Method.ServerStreams {
				return err
			}
			<-ctx.Done()
			return ctx.Err()
		}, RESTOptions{})
		client, body := pipeRequest(t, rest, "GET /v1/shelves/1:watch HTTP/1.1\r\nHost: x\r\nX-Request-Timeout: 2\r\n\r\n")
		defer client.Close()
		text, err := io.ReadAll(body)
		want := "{\"data\":{}}\n" + `{"error":{"code":4,"message":"the deadline passed","details":[]}}` + "\n"
		if string(text) != want || err != nil {
			t.Errorf("got %q (%v)", text, err)
		}
		time.Sleep(2 * lastFrameTime)
		if _, err := io.WriteString(client, "GET /v1/isbn/1 HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(client), nil)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Errorf("got %v (%v)", res, err)
		}
	})
}

// pipeRequest serves one connection over net.Pipe and returns the body of the response.
func pipeRequest(t *testing.T, h http.Handler, request string) (net.Conn, *bufio.Reader) {
	client, conn := net.Pipe()
	server := &http.Server{Handler: h}
	t.Cleanup(func() { server.Close() })
	go server.Serve(&oneConn{conn: conn, done: make(chan struct{})})
	if _, err := io.WriteString(client, request); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(client), nil)
	if err != nil {
		t.Fatal(err)
	}
	return client, bufio.NewReader(res.Body)
}

// oneConn is a listener with one connection.
type oneConn struct {
	conn  net.Conn
	taken atomic.Bool
	done  chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	if !l.taken.Swap(true) {
		return l.conn, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *oneConn) Close() error   { close(l.done); return nil }
func (l *oneConn) Addr() net.Addr { return l.conn.LocalAddr() }
