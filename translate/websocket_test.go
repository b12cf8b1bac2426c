package translate

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gorilla/websocket"
	"github.com/rogpeppe/go-internal/txtar"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestWebSockets runs the conversations of testdata/websocket. In each, NAME.client is what
// a client does: the path and subprotocol on the first line, then a message a line: `binary
// HEX`, `close CODE`, or else text. NAME.answer is the script that the handler
// follows when it has received all; NAME.call what it sees; NAME.server what the client hears.
func TestWebSockets(t *testing.T) {
	files, err := filepath.Glob("testdata/websocket/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		out := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			name, isClient := strings.CutSuffix(f.Name, ".client")
			if !isClient {
				continue
			}
			t.Run(name, func(t *testing.T) {
				call, heard := converse(t, string(f.Data), section(archive, name+".answer"))
				out.Files = append(out.Files, f)
				for _, s := range []txtar.File{
					{Name: name + ".answer", Data: section(archive, name+".answer")},
					{Name: name + ".call", Data: call},
					{Name: name + ".server", Data: heard},
				} {
					if len(s.Data) > 0 {
						out.Files = append(out.Files, s)
					}
				}
				if !*update {
					same(t, "call", call, section(archive, name+".call"))
					same(t, "server", heard, section(archive, name+".server"))
				}
			})
		}
		if *update && !t.Failed() {
			if err := os.WriteFile(file, txtar.Format(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// converse carries out one conversation.
func converse(t *testing.T, client string, answer []byte) (call, heard []byte) {
	script := &script{t: t, answer: string(answer)}
	server := startREST(t, script.handle, false)
	first, rest, _ := strings.Cut(client, "\n")
	path, protocol, _ := strings.Cut(first, " ")
	conn, res := dialSocket(t, server, path, protocol)
	if conn == nil {
		return script.call, shownResponse(t, res)
	}
	for line := range strings.Lines(rest) {
		if err := say(conn, strings.TrimSuffix(line, "\n")); err != nil {
			t.Fatal(err)
		}
	}
	heard = listen(conn)
	server.Close() // waits for the handler, whose notes are read now
	return script.call, heard
}

// dialSocket returns the response where there is no socket.
func dialSocket(t *testing.T, server *httptest.Server, path, protocol string) (*websocket.Conn, *http.Response) {
	t.Helper()
	dialer := websocket.Dialer{}
	if protocol != "" {
		dialer.Subprotocols = []string{protocol}
	}
	conn, res, err := dialer.DialContext(t.Context(), "ws"+strings.TrimPrefix(server.URL, "http")+path, nil)
	if err != nil {
		if res == nil {
			t.Fatal(err)
		}
		return nil, res
	}
	t.Cleanup(func() { conn.Close() })
	return conn, nil
}

func say(conn *websocket.Conn, line string) error {
	if code, ok := strings.CutPrefix(line, "close "); ok {
		n, err := strconv.Atoi(code)
		return errors.Join(err, conn.WriteMessage(websocket.CloseMessage, websocket.FormatCloseMessage(n, "")))
	}
	if text, ok := strings.CutPrefix(line, "binary"); ok {
		content, err := hex.DecodeString(strings.TrimSpace(text))
		return errors.Join(err, conn.WriteMessage(websocket.BinaryMessage, content))
	}
	return conn.WriteMessage(websocket.TextMessage, []byte(line))
}

// listen notes all that the server says.
func listen(conn *websocket.Conn) (heard []byte) {
	for {
		kind, content, err := conn.ReadMessage()
		var closed *websocket.CloseError
		switch {
		case errors.As(err, &closed):
			return fmt.Appendf(heard, "close %d %s\n", closed.Code, closed.Text)
		case err != nil:
			return append(heard, "broken off\n"...)
		case kind == websocket.BinaryMessage:
			heard = fmt.Appendf(heard, "binary %x\n", content)
		default:
			heard = fmt.Appendf(heard, "%s\n", content)
		}
	}
}

// TestSocketConversation checks that each message is answered before the next is sent.
func TestSocketConversation(t *testing.T) {
	server := startREST(t, echo, false)
	conn, _ := dialSocket(t, server, "/v1/chat", "")
	for i := range 5 {
		text := fmt.Sprintf(`{"data":{"text":"%d"}}`, i)
		if err := say(conn, text); err != nil {
			t.Fatal(err)
		}
		if _, got, err := conn.ReadMessage(); string(got) != text {
			t.Fatalf("got %q, %v", got, err)
		}
	}
	if err := say(conn, `{"end":{}}`); err != nil {
		t.Fatal(err)
	}
	if got, want := string(listen(conn)), "{\"end\":{}}\nclose 1000 OK\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func echo(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
	for {
		msg, err := s.Recv()
		if errors.Is(err, io.EOF) {
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

// TestSocketGone checks that a client which goes away, closes or breaks the rules ends a
// call in which nothing is said, and leaves nothing behind.
func TestSocketGone(t *testing.T) {
	for name, leave := range map[string]func(*websocket.Conn){
		"closes":   func(c *websocket.Conn) { _ = say(c, "close 1000") },
		"is gone":  func(c *websocket.Conn) { _ = c.Close() },
		"too much": func(c *websocket.Conn) { _ = say(c, strings.Repeat(" ", 5<<20)) },
		"nonsense": func(c *websocket.Conn) { _ = say(c, "nonsense") },
	} {
		for _, path := range []string{"/v1/chat", "/v1/shelves/1:watch"} {
			t.Run(name+" "+path, func(t *testing.T) {
				ignore := goleak.IgnoreCurrent()
				started, cancelled := make(chan struct{}, 1), make(chan struct{}, 1)
				server := startREST(t, func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
					started <- struct{}{}
					<-ctx.Done()
					cancelled <- struct{}{}
					return rpc.ContextError(ctx)
				}, false)
				conn, _ := dialSocket(t, server, path, "")
				rpctest.Wait(t, started, "the call")
				leave(conn)
				rpctest.Wait(t, cancelled, "the cancellation")
				_ = conn.Close()
				server.Close()
				goleak.VerifyNone(t, ignore)
			})
		}
	}
}

// TestSocketBreaksTheRules checks what a client hears of a frame that has no place in a call
// which goes on.
func TestSocketBreaksTheRules(t *testing.T) {
	for _, c := range []struct{ name, path, frames, want string }{
		{"no message is taken", "/v1/shelves/1:watch", `{"data":{}}`, "lib.v1.Library.Watch takes no further message"},
		{"one message is taken", "/lib.v1.Library/Watch", "{\"data\":{}}\n{\"data\":{}}", "lib.v1.Library.Watch takes no further message"},
		{"behind the end", "/v1/chat", "{\"end\":{}}\n{\"end\":{}}", "there is a frame behind the end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := startREST(t, func(ctx context.Context, _ *rpc.Call, _ rpc.Stream) error {
				<-ctx.Done()
				return rpc.ContextError(ctx)
			}, false)
			conn, _ := dialSocket(t, server, c.path, "")
			for line := range strings.SplitSeq(c.frames, "\n") {
				if err := say(conn, line); err != nil {
					t.Fatal(err)
				}
			}
			want := fmt.Sprintf("{\"error\":{\"code\":3,\"message\":%q,\"details\":[]}}\nclose 4003 INVALID_ARGUMENT\n", c.want)
			if got := string(listen(conn)); got != want {
				t.Errorf("got %s want %s", got, want)
			}
		})
	}
}

// TestSocketBackPressure checks that a client is never read further than one message ahead of
// the handler, over a connection without buffers.
func TestSocketBackPressure(t *testing.T) {
	const messages = 20
	var sent, ahead atomic.Int32
	rest, _ := NewREST(library(t), func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		for taken := int32(0); ; taken++ {
			ahead.Store(max(ahead.Load(), sent.Load()-taken))
			if _, err := s.Recv(); errors.Is(err, io.EOF) {
				return nil
			} else if err != nil {
				return err
			}
		}
	}, RESTOptions{})
	client, conn := net.Pipe()
	server := &http.Server{Handler: rest}
	t.Cleanup(func() { server.Close() })
	go server.Serve(&oneConn{conn: conn, done: make(chan struct{})})
	dialer := websocket.Dialer{NetDialContext: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
	ws, _, err := dialer.DialContext(t.Context(), "ws://pipe/v1/chat", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for range messages {
		if err := say(ws, `{"data":{"text":"`+strings.Repeat("x", 16<<10)+`"}}`); err != nil {
			t.Fatal(err)
		}
		sent.Add(1)
	}
	if err := say(ws, `{"end":{}}`); err != nil {
		t.Fatal(err)
	}
	if got := string(listen(ws)); !strings.HasSuffix(got, "close 1000 OK\n") {
		t.Errorf("got %s", got)
	}
	// One waits with the reader, and of one more the last bytes may be in its buffer.
	if got := ahead.Load(); got > 2 {
		t.Errorf("the client was %d messages ahead", got)
	}
}

// TestSocketDeadlineFreesStuckClient checks that a client which reads nothing does not hold a
// call beyond its deadline.
func TestSocketDeadlineFreesStuckClient(t *testing.T) {
	ended := make(chan error, 1)
	server := startREST(t, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		msg := rpctest.Message(t, c.Method.Output.Descriptor(), `{"text":"`+strings.Repeat("x", 1<<20)+`"}`)
		for {
			if err := s.Send(msg); err != nil {
				ended <- err
				return err
			}
		}
	}, false)
	header := http.Header{"X-Request-Timeout": {"50ms"}}
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(server.URL, "http")+"/v1/shelves/1:watch", header)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := rpctest.Wait(t, ended, "the end"); status.Code(err) != codes.DeadlineExceeded {
		t.Errorf("got %v", err)
	}
}

// TestSocketOrigins checks that pages of other origins open no socket, unless they are allowed to.
func TestSocketOrigins(t *testing.T) {
	rest, _ := NewREST(library(t), echo, RESTOptions{Origins: []string{"https://friend.example"}})
	server := httptest.NewServer(rest)
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http") + "/v1/chat"
	for origin, want := range map[string]int{"https://friend.example": 101, "https://foe.example": 403, "": 101} {
		header := http.Header{}
		if origin != "" {
			header.Set("Origin", origin)
		}
		conn, res, err := websocket.DefaultDialer.Dial(url, header)
		if err == nil {
			conn.Close()
		}
		if res == nil || res.StatusCode != want {
			t.Errorf("%q: got %v, %v", origin, res, err)
		}
	}
}

// TestSocketReset checks that a broken connection ends a Recv.
func TestSocketReset(t *testing.T) {
	received := make(chan error, 1)
	server := startREST(t, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
		_, err := s.Recv()
		received <- err
		return err
	}, false)
	conn, _ := dialSocket(t, server, "/v1/chat", "")
	_ = conn.UnderlyingConn().(*net.TCPConn).SetLinger(0)
	_ = conn.Close()
	if err := rpctest.Wait(t, received, "the end of Recv"); status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
}

// FuzzSocketFrame compares cutFrame with a decoder of JSON: what it cuts off is a value
// exactly where the whole is an object with one member of that name.
func FuzzSocketFrame(f *testing.F) {
	for _, text := range []string{`{"data":{"a":1}}`, ` { "end" : { } } `, `{"data":1,"data":2}`, `{}`, `{"data"}`, `{"error":1}`, "{\"data\":1}x", `{"d\u0061ta":1}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		name, value, ok := cutFrame(text)
		ok = ok && json.Valid(value)
		wantName, want := plainFrame(text)
		if ok != (wantName != "") || ok && (name != wantName || !bytes.Equal(value, trimSpace(want))) {
			t.Errorf("%q: got %q %q %v, want %q %q", text, name, value, ok, wantName, want)
		}
		if got := isEmptyObject(value); ok && got != (string(compact(value)) == "{}") {
			t.Errorf("%q: empty %v", value, got)
		}
	})
}

// plainFrame reads the tokens of an object with one member.
func plainFrame(text []byte) (name string, value json.RawMessage) {
	if !json.Valid(text) || bytes.Contains(text, []byte(`\u`)) && !bytes.HasPrefix(compact(text), []byte(`{"data"`)) && !bytes.HasPrefix(compact(text), []byte(`{"end"`)) {
		return "", nil // a name with escapes is not cut
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return "", nil
	}
	key, err := decoder.Token()
	if err != nil || key != "data" && key != "end" {
		return "", nil
	}
	if decoder.Decode(&value) != nil || decoder.More() {
		return "", nil
	}
	return key.(string), value
}

func compact(text []byte) []byte {
	var b bytes.Buffer
	if json.Compact(&b, text) != nil {
		return nil
	}
	return b.Bytes()
}
