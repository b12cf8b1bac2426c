package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"
)

// serveWebSocket accepts sockets and hands each to handle, which runs on the
// server's goroutine. The test fails where it leaves a goroutine behind.
func serveWebSocket(t *testing.T, o WebSocketOptions, handle func(*WebSocket)) string {
	t.Helper()
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, before) })
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ws, err := AcceptWebSocket(w, r, o)
		if err != nil {
			return
		}
		defer ws.Close()
		handle(ws)
	}))
	t.Cleanup(server.Close)
	return "ws" + strings.TrimPrefix(server.URL, "http")
}

func dialWebSocket(t *testing.T, url string, protocols ...string) *websocket.Conn {
	t.Helper()
	dialer := websocket.Dialer{Subprotocols: protocols}
	conn, _, err := dialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func closeOf(t *testing.T, conn *websocket.Conn) (int, string) {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		var closed *websocket.CloseError
		if errors.As(err, &closed) {
			return closed.Code, closed.Text
		}
		if err != nil {
			t.Fatalf("the socket ends without a close frame: %v", err)
		}
	}
}

func TestMessagesGoBothWays(t *testing.T) {
	url := serveWebSocket(t, WebSocketOptions{Subprotocols: []string{"b", "a"}}, func(ws *WebSocket) {
		for {
			kind, data, err := ws.Read()
			if err != nil {
				return
			}
			if err := ws.Write(kind, append(data, "/"+ws.Subprotocol()...)); err != nil {
				return
			}
		}
	})
	conn := dialWebSocket(t, url, "a", "b")
	for _, kind := range []int{websocket.TextMessage, websocket.BinaryMessage} {
		if err := conn.WriteMessage(kind, []byte("x")); err != nil {
			t.Fatal(err)
		}
		if got, data, err := conn.ReadMessage(); err != nil || got != kind || string(data) != "x/b" {
			t.Errorf("got %d %q, %v", got, data, err)
		}
	}
}

func TestCloseWithReachesTheClient(t *testing.T) {
	cases := []struct {
		name         string
		code         int
		reason, want string
	}{
		{"plain", CloseNormal, "bye", "bye"},
		{"none", CloseGoingAway, "", ""},
		{"cut", 4400, strings.Repeat("x", 200), strings.Repeat("x", 123)},
		{"cut at a rune", 4400, strings.Repeat("ä", 100), strings.Repeat("ä", 61)},
		{"just fits", 4400, strings.Repeat("x", 123), strings.Repeat("x", 123)},
		{"not UTF-8", 4400, "a\xffb", "a?b"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			url := serveWebSocket(t, WebSocketOptions{}, func(ws *WebSocket) {
				ws.CloseWith(c.code, c.reason)
				ws.CloseWith(CloseInternalError, "only the first counts")
				if _, _, err := ws.Read(); err == nil {
					t.Error("Read goes on after CloseWith")
				}
				if err := ws.Write(TextMessage, []byte("late")); err == nil {
					t.Error("Write goes on after CloseWith")
				}
			})
			conn := dialWebSocket(t, url)
			// What the client has sent and nobody read must not take the goodbye along.
			if err := conn.WriteMessage(websocket.TextMessage, make([]byte, 100_000)); err != nil {
				t.Fatal(err)
			}
			if code, reason := closeOf(t, conn); code != c.code || reason != c.want {
				t.Errorf("got %d %q, want %d %q", code, reason, c.code, c.want)
			}
		})
	}
}

func TestCloseWithWakesTheReader(t *testing.T) {
	reading := make(chan *WebSocket)
	url := serveWebSocket(t, WebSocketOptions{}, func(ws *WebSocket) {
		reading <- ws
		if _, _, err := ws.Read(); err == nil {
			t.Error("Read returns no error")
		}
	})
	conn := dialWebSocket(t, url)
	(<-reading).CloseWith(CloseGoingAway, "Going away")
	if code, reason := closeOf(t, conn); code != CloseGoingAway || reason != "Going away" {
		t.Errorf("got %d %q", code, reason)
	}
}

func TestCloseWithEndsAWriteThatWaits(t *testing.T) {
	writing := make(chan *WebSocket, 1)
	ended := make(chan struct{})
	url := serveWebSocket(t, WebSocketOptions{WriteTimeout: time.Hour}, func(ws *WebSocket) {
		writing <- ws
		for ws.Write(BinaryMessage, make([]byte, 1<<20)) == nil {
		}
		close(ended)
	})
	dialWebSocket(t, url) // and never reads
	(<-writing).CloseWith(CloseGoingAway, "Going away")
	<-ended
}

func TestTheClientsCodeIsKnown(t *testing.T) {
	codes := make(chan int, 1)
	url := serveWebSocket(t, WebSocketOptions{}, func(ws *WebSocket) {
		_, _, err := ws.Read()
		var closed *websocket.CloseError
		if !errors.As(err, &closed) {
			t.Errorf("%v", err)
			closed = new(websocket.CloseError)
		}
		codes <- closed.Code
	})
	conn := dialWebSocket(t, url)
	frame := websocket.FormatCloseMessage(4321, "mine")
	if err := conn.WriteMessage(websocket.CloseMessage, frame); err != nil {
		t.Fatal(err)
	}
	if code := <-codes; code != 4321 {
		t.Errorf("got %d", code)
	}
}

// A client that reads only after it has written the whole message must receive the close code, too: many write a message
// at once and fail if the connection is reset meanwhile.
func TestTooLargeAMessageClosesTheSocket(t *testing.T) {
	url := serveWebSocket(t, WebSocketOptions{MaxMessage: 10}, func(ws *WebSocket) {
		if _, _, err := ws.Read(); err == nil {
			t.Error("the message was read")
		}
	})
	for _, size := range []int{11, 1 << 20, 32 << 20} {
		conn := dialWebSocket(t, url)
		// One write, as browsers do it: gorilla's client masks and writes 4 KiB at a time. The mask is zero.
		frame := append([]byte{0x81, 0xff}, binary.BigEndian.AppendUint64(nil, uint64(size))...)
		if _, err := conn.NetConn().Write(append(frame, make([]byte, 4+size)...)); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if code, _ := closeOf(t, conn); code != CloseTooBig {
			t.Errorf("%d bytes: got %d", size, code)
		}
	}
}

func TestAClientThatNeitherReadsNorAnswersIsGivenUp(t *testing.T) {
	cases := []struct {
		name   string
		give   WebSocketOptions
		handle func(*WebSocket) error
	}{
		{
			"it does not make room", WebSocketOptions{WriteTimeout: 20 * time.Millisecond},
			func(ws *WebSocket) (err error) {
				for err == nil {
					err = ws.Write(BinaryMessage, make([]byte, 1<<20))
				}
				if _, _, readErr := ws.Read(); readErr == nil {
					t.Error("Read goes on after a failed Write")
				}
				return err
			},
		},
		{
			"it does not answer pings", WebSocketOptions{PingInterval: 10 * time.Millisecond},
			func(ws *WebSocket) error {
				_, _, err := ws.Read()
				return err
			},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			gone := make(chan error, 1)
			url := serveWebSocket(t, c.give, func(ws *WebSocket) { gone <- c.handle(ws) })
			conn := dialWebSocket(t, url)
			if err := <-gone; err == nil {
				t.Error("the client is not given up")
			}
			_ = conn.Close()
		})
	}
}

func TestPongsKeepASilentSocketOpen(t *testing.T) {
	done := make(chan error, 1)
	url := serveWebSocket(t, WebSocketOptions{PingInterval: 300 * time.Millisecond}, func(ws *WebSocket) {
		_, _, err := ws.Read()
		done <- err
	})
	conn := dialWebSocket(t, url)
	pings := 0
	answer := conn.PingHandler()
	conn.SetPingHandler(func(data string) error {
		if pings++; pings == 3 {
			return conn.WriteMessage(websocket.TextMessage, []byte("still here"))
		}
		return answer(data)
	})
	go func() { _, _, _ = conn.ReadMessage() }() // answers pings
	if err := <-done; err != nil {
		t.Errorf("a socket whose client answers is given up: %v", err)
	}
}

func TestRefusedUpgrades(t *testing.T) {
	cases := []struct {
		name    string
		method  string
		headers map[string]string
		want    int
		text    string
	}{
		{"another method", http.MethodPost, nil, http.StatusMethodNotAllowed, "not a WebSocket handshake\n"},
		{"no version", http.MethodGet, map[string]string{"Sec-WebSocket-Version": "12"}, http.StatusBadRequest, "not a WebSocket handshake\n"},
		{"no key", http.MethodGet, map[string]string{"Sec-WebSocket-Key": "short"}, http.StatusBadRequest, "not a WebSocket handshake\n"},
		{"another origin", http.MethodGet, map[string]string{"Origin": "https://foe.example"}, http.StatusForbidden, "this origin may not open a WebSocket\n"},
		{"no connection to take over", http.MethodGet, nil, http.StatusNotImplemented, "WebSocket needs HTTP/1.1\n"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequestWithContext(t.Context(), c.method, "/", nil)
			for name, value := range map[string]string{
				"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			} {
				r.Header.Set(name, value)
			}
			for name, value := range c.headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			if _, err := AcceptWebSocket(w, r, WebSocketOptions{}); err == nil {
				t.Fatal("it was accepted")
			}
			if w.Code != c.want || w.Body.String() != c.text {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Body, c.want, c.text)
			}
		})
	}
}

// A client that breaks off is noticed by whoever waits for something else than a message.
func TestLeftWithoutARead(t *testing.T) {
	accepted := make(chan *WebSocket, 1)
	over := make(chan struct{})
	url := serveWebSocket(t, WebSocketOptions{PingInterval: 5 * time.Millisecond}, func(ws *WebSocket) {
		accepted <- ws
		<-over
	})
	conn := dialWebSocket(t, url)
	ws := <-accepted
	_ = conn.UnderlyingConn().(*net.TCPConn).SetLinger(0) // a reset, as of a machine that is gone
	_ = conn.Close()
	<-ws.Left()
	close(over)
}

// Messages of any length arrive whole and in order, with pongs between them.
func TestMessagesOfAnyLengthInABurst(t *testing.T) {
	lengths := []int{0, 1, 125, 126, 127, 1<<16 - 1, 1 << 16, outboxRoom, outboxRoom + 1, 5}
	const bursts = 20
	url := serveWebSocket(t, WebSocketOptions{}, func(ws *WebSocket) {
		var sending sync.WaitGroup
		sending.Go(func() {
			for range bursts {
				for i, n := range lengths {
					if err := ws.Write(BinaryMessage, bytes.Repeat([]byte{byte(i)}, n)); err != nil {
						t.Error(err)
						return
					}
				}
			}
			ws.CloseWith(CloseNormal, "")
		})
		for {
			if _, _, err := ws.Read(); err != nil {
				break
			}
		}
		sending.Wait()
	})
	conn := dialWebSocket(t, url)
	conn.SetPongHandler(func(data string) error {
		if data != "still there?" {
			t.Errorf("pong %q", data)
		}
		return nil
	})
	for burst := range bursts {
		if err := conn.WriteControl(websocket.PingMessage, []byte("still there?"), time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for i, n := range lengths {
			kind, data, err := conn.ReadMessage()
			if err != nil || kind != websocket.BinaryMessage || !bytes.Equal(data, bytes.Repeat([]byte{byte(i)}, n)) {
				t.Fatalf("message %d of burst %d: kind %d, %d bytes, %v; want %d", i, burst, kind, len(data), err, n)
			}
		}
	}
	if code, _ := closeOf(t, conn); code != CloseNormal {
		t.Errorf("closed with %d", code)
	}
}

// A ping is answered, and a client's goodbye too.
func TestPingsAndGoodbyesAreAnswered(t *testing.T) {
	url := serveWebSocket(t, WebSocketOptions{}, func(ws *WebSocket) { _, _, _ = ws.Read() })
	conn := dialWebSocket(t, url)
	pong := ""
	conn.SetPongHandler(func(data string) error {
		pong = data
		return nil
	})
	if err := conn.WriteControl(websocket.PingMessage, []byte("x"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(4321, "bye"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	if code, reason := closeOf(t, conn); code != 4321 || reason != "" || pong != "x" {
		t.Errorf("closed with %d %q, pong %q", code, reason, pong)
	}
}
