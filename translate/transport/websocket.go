package transport

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/gorilla/websocket"
)

// Close codes of RFC 6455, section 7.4.1. Protocols on top have their own from 4000.
const (
	CloseNormal        = websocket.CloseNormalClosure
	CloseGoingAway     = websocket.CloseGoingAway
	CloseTooBig        = websocket.CloseMessageTooBig
	CloseInternalError = websocket.CloseInternalServerErr
)

// maxCloseReason is what a control frame has room for beside the code, in bytes.
const maxCloseReason = 123

// Bounds of closing: the time to send the close frame, and then the time and the bytes until the client closes. The
// client may be in the middle of a message of any size. If the connection were closed while its bytes are unread, TCP
// would reset it, and clients that write when the reset arrives never read the close frame.
const (
	goodbyeTimeout = time.Second
	lingerTimeout  = time.Second
	lingerBytes    = 64 << 20
)

// MessageKind tells text from binary messages.
type MessageKind int

// The kinds of messages.
const (
	TextMessage   MessageKind = websocket.TextMessage
	BinaryMessage MessageKind = websocket.BinaryMessage
)

// WebSocketOptions say how a WebSocket is accepted and used.
type WebSocketOptions struct {
	// Subprotocols in order of preference. See [WebSocket.Subprotocol].
	Subprotocols []string
	// Origins are other origins whose pages may connect; see [OriginAllowed].
	Origins []string
	// MaxMessage is the largest message a client may send, in bytes; a larger one
	// closes the socket with 1009. 0 means 4 MiB.
	MaxMessage int64
	// WriteTimeout is how long the client may take to make room for one message
	// before the socket is given up. 0 means 30 s.
	WriteTimeout time.Duration
	// PingInterval is the time between two pings. A client that sent nothing, not
	// even a pong, for twice that long is given up. 0 means 20 s.
	PingInterval time.Duration
	// Refuse answers a request that is no handshake, or one from an origin that may not
	// connect, in the form of its door. Further headers are set. Nil: in plain text.
	Refuse func(httpStatus int, message string)
}

func (o WebSocketOptions) withDefaults() WebSocketOptions {
	if o.MaxMessage == 0 {
		o.MaxMessage = 4 << 20
	}
	if o.WriteTimeout == 0 {
		o.WriteTimeout = 30 * time.Second
	}
	if o.PingInterval == 0 {
		o.PingInterval = 20 * time.Second
	}
	return o
}

// WebSocket is one accepted connection (RFC 6455). One goroutine reads, and
// calls Close when it no longer does; any may write or say goodbye.
type WebSocket struct {
	conn    *websocket.Conn // all is read by it, and written past it
	options WebSocketOptions
	outbox  Outbox

	hurrying sync.Mutex
	hurried  bool // the deadline of writing stays as it is

	mu      sync.Mutex // held while a goodbye is sent
	leaving bool       // the read deadline stays in the past

	left    context.Context // done once Read fails
	leftNow context.CancelFunc
	pings   sync.WaitGroup
}

// writeBuffers keeps gorilla from giving each socket a buffer that it never writes from.
var writeBuffers sync.Pool

// IsWebSocketUpgrade reports whether the client asks for a WebSocket.
func IsWebSocketUpgrade(r *http.Request) bool { return websocket.IsWebSocketUpgrade(r) }

// AcceptWebSocket answers an upgrade request. Where it returns an error it has
// answered the request with an HTTP error. It needs a ResponseWriter with
// [http.Hijacker]; after it nothing else may use w, and the server no longer
// waits for the connection when it shuts down.
func AcceptWebSocket(w http.ResponseWriter, r *http.Request, o WebSocketOptions) (*WebSocket, error) {
	o = o.withDefaults()
	upgrader := websocket.Upgrader{
		Subprotocols:    o.Subprotocols,
		CheckOrigin:     func(r *http.Request) bool { return OriginAllowed(r, o.Origins) },
		Error:           o.refuseUpgrade,
		WriteBufferPool: &writeBuffers,
		WriteBufferSize: 4 << 10,
		// Compression is left out: it costs memory for each connection, and
		// mixes what is secret with what an attacker chose.
	}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return nil, err
	}
	ws := &WebSocket{conn: conn, options: o}
	ws.outbox.To = (*socketDelivery)(ws)
	conn.SetReadLimit(o.MaxMessage)
	conn.SetPingHandler(func(data string) error {
		ws.control(websocket.PongMessage, []byte(data))
		return nil
	})
	conn.SetPongHandler(func(string) error { return ws.extend() })
	conn.SetCloseHandler(func(code int, _ string) error {
		ws.CloseWith(code, "")
		return nil
	})
	_ = ws.extend() // where it fails, so does the first Read
	ws.left, ws.leftNow = context.WithCancel(context.Background())
	ws.pings.Go(ws.ping)
	return ws, nil
}

// refuseUpgrade says in our words why there is no WebSocket.
func (o WebSocketOptions) refuseUpgrade(w http.ResponseWriter, _ *http.Request, status int, _ error) {
	text := "not a WebSocket handshake"
	switch status {
	case http.StatusForbidden:
		text = "this origin may not open a WebSocket"
	case http.StatusMethodNotAllowed:
		w.Header().Set("Allow", http.MethodGet)
	case http.StatusInternalServerError:
		text = "WebSocket needs HTTP/1.1"
		status = http.StatusNotImplemented
	}
	w.Header().Set("Sec-WebSocket-Version", "13")
	if o.Refuse == nil {
		http.Error(w, text, status)
		return
	}
	o.Refuse(status, text)
}

// Subprotocol returns the protocol agreed on, or nothing where the client
// offered none that we speak. The connection is open all the same; it is for
// the caller to close it then.
func (ws *WebSocket) Subprotocol() string { return ws.conn.Subprotocol() }

// Read returns the next message, which the caller owns. An error is final: the
// client closed, was silent for too long, sent too much, or somebody called CloseWith.
func (ws *WebSocket) Read() (MessageKind, []byte, error) {
	if err := ws.extend(); err != nil { // the caller may have taken its time
		return 0, nil, err
	}
	kind, data, err := ws.conn.ReadMessage()
	if err != nil {
		ws.leave()
		ws.outbox.Fail(net.ErrClosed) // behind a goodbye, which gorilla may have said, nothing follows
		return 0, nil, err
	}
	return MessageKind(kind), data, ws.extend()
}

// Left is closed once Read fails, also while nobody reads: a client that is gone is
// noticed by the pings that it does not take.
func (ws *WebSocket) Left() <-chan struct{} { return ws.left.Done() }

// Write sends one message; see [Outbox]. It blocks while the client is slow to read; whoever
// waits in it holds back what he sends. After an error, all writes fail, and so does Read.
func (ws *WebSocket) Write(kind MessageKind, data []byte) error {
	var head [maxFrameHead]byte
	return ws.outbox.Send(appendFrameHead(head[:0], byte(kind), len(data)), data)
}

// control sends a ping or pong, unless messages are in its way.
func (ws *WebSocket) control(kind byte, data []byte) {
	var head [maxFrameHead]byte
	ws.outbox.TrySend(appendFrameHead(head[:0], kind, len(data)), data)
}

// maxFrameHead is what the head of a server's frame takes, at most, in bytes.
const maxFrameHead = 10

// appendFrameHead appends the head of a frame that is a whole message and not masked, as those
// of servers are (RFC 6455, section 5.2).
func appendFrameHead(dst []byte, kind byte, length int) []byte {
	const final, short, long = 1 << 7, 126, 127
	dst = append(dst, final|kind)
	switch {
	case length < short:
		return append(dst, byte(length))
	case length <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, short), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, long), uint64(length))
	}
}

// socketDelivery is the socket as its outbox sees it.
type socketDelivery WebSocket

// Deliver implements [Deliverer]. A client that does not make room in time is given up.
func (d *socketDelivery) Deliver(p []byte) error {
	ws := (*WebSocket)(d)
	conn := ws.conn.NetConn()
	ws.hurrying.Lock()
	if !ws.hurried {
		_ = conn.SetWriteDeadline(time.Now().Add(ws.options.WriteTimeout))
	}
	ws.hurrying.Unlock()
	_, err := conn.Write(p)
	if err != nil {
		ws.leftNow()
		_ = conn.Close()
	}
	return err
}

// hurry leaves no more than a moment for what is written.
func (ws *WebSocket) hurry() {
	ws.hurrying.Lock()
	defer ws.hurrying.Unlock()
	if !ws.hurried {
		ws.hurried = true
		_ = ws.conn.NetConn().SetWriteDeadline(time.Now().Add(goodbyeTimeout))
	}
}

// CloseWith says goodbye with a code and a reason, of which the client gets as
// much as 123 bytes hold. Read and Write fail from then on, also those that are
// waiting. Only the first call counts.
func (ws *WebSocket) CloseWith(code int, reason string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.leaving {
		return
	}
	ws.hurry()
	content := websocket.FormatCloseMessage(code, cutReason(reason))
	last, err := ws.outbox.Close(nil)
	if err == nil {
		last = appendFrameHead(last, websocket.CloseMessage, len(content))
		_, err = ws.conn.NetConn().Write(append(last, content...))
	}
	if err != nil {
		_ = ws.conn.Close() // a message that the client makes no room for is in the way
	}
	ws.wakeReader()
}

// Close ends the connection. A goodbye gets a moment to be read: a connection
// that is closed while the client's bytes wait unread would take it along.
func (ws *WebSocket) Close() {
	ws.hurry()
	if last, err := ws.outbox.Close(nil); err == nil && len(last) > 0 {
		_, _ = ws.conn.NetConn().Write(last)
	}
	ws.leave()
	ws.pings.Wait()
	conn := ws.conn.NetConn()
	if half, ok := conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = conn.SetReadDeadline(time.Now().Add(lingerTimeout))
		_, _ = io.CopyN(io.Discard, conn, lingerBytes)
	}
	_ = conn.Close()
}

// leave makes Read fail, once a goodbye that is on its way has been sent.
func (ws *WebSocket) leave() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.wakeReader()
}

// wakeReader makes Read fail. The caller holds ws.mu.
func (ws *WebSocket) wakeReader() {
	ws.leaving = true
	ws.leftNow()
	_ = ws.conn.NetConn().SetReadDeadline(time.Unix(1, 0))
}

// extend gives the client time anew to say something.
func (ws *WebSocket) extend() error {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.leaving {
		return net.ErrClosed
	}
	return ws.conn.SetReadDeadline(time.Now().Add(2 * ws.options.PingInterval))
}

// ping asks for a sign of life until the connection ends. A ping that finds no room is not
// sent: the read deadline decides, not the ping.
func (ws *WebSocket) ping() {
	ticker := time.NewTicker(ws.options.PingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ws.left.Done():
			return
		case <-ticker.C:
			ws.control(websocket.PingMessage, nil)
		}
	}
}

// cutReason shortens a reason at the end of a rune.
func cutReason(reason string) string {
	reason = strings.ToValidUTF8(reason, "?")
	if len(reason) <= maxCloseReason {
		return reason
	}
	end := maxCloseReason
	for !utf8.RuneStart(reason[end]) {
		end--
	}
	return reason[:end]
}
