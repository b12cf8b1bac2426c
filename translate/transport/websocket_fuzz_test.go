package transport

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"
)

// socketMessage is what a client sent.
type socketMessage struct {
	kind MessageKind
	data string
}

// FuzzWebSocket compares the messages that are read from the bytes of a client with those of a plain
// decoder of RFC 6455, section 5.
func FuzzWebSocket(f *testing.F) {
	const limit = 200
	frame := func(head byte, content string, extended ...byte) []byte {
		if extended == nil {
			extended = []byte{0x80 | byte(len(content))}
		}
		masked := append(append([]byte{head}, extended...), 1, 2, 3, 4)
		for i := range len(content) {
			masked = append(masked, content[i]^byte(i%4+1))
		}
		return masked
	}
	f.Add(frame(0x81, `{"data":1}`))
	f.Add(slices.Concat(frame(0x01, "in "), frame(0x89, "ping"), frame(0x80, "parts"), frame(0x82, "\x00")))
	f.Add(slices.Concat(frame(0x81, "a"), frame(0x88, "\x03\xe8bye"), frame(0x81, "b")))
	f.Add(frame(0x81, "non-minimal", 0xfe, 0, 11))
	f.Add(frame(0x81, "long", 0xff, 0, 0, 0, 0, 0, 0, 0, 4))
	f.Add(frame(0x81, "negative", 0xff, 0x80, 0, 0, 0, 0, 0, 0, 8))
	f.Add(frame(0x82, string(make([]byte, limit+1)), 0xfe, 0, limit+1))
	f.Add(slices.Concat(frame(0x02, string(make([]byte, 100))), frame(0x80, string(make([]byte, 101)))))
	f.Add([]byte("\x81\x01a"))          // without a mask
	f.Add(frame(0xc1, "compressed"))    // as nobody agreed
	f.Add(frame(0x80, "of nothing"))    // a continuation
	f.Add(frame(0x88, "\x03"))          // half a close code
	f.Add(frame(0x88, "\x03\xed"))      // one that is never sent
	f.Add(frame(0x88, "\x03\xe8\xff"))  // a reason that is no UTF-8
	f.Add(frame(0x09, "split control")) // which never is
	f.Add(frame(0x8b, "reserved"))
	f.Fuzz(func(t *testing.T, input []byte) {
		got := readSocket(t, input, limit)
		if want := plainSocket(input, limit); !slices.Equal(got, want) {
			t.Errorf("%x: got %+v, want %+v", input, got, want)
		}
	})
}

// readSocket returns the messages that a WebSocket reads.
func readSocket(t *testing.T, input []byte, limit int64) (messages []socketMessage) {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header = http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="},
	}
	ws, err := AcceptWebSocket(&hijacked{ResponseRecorder: httptest.NewRecorder(), in: bytes.NewReader(input)}, r, WebSocketOptions{MaxMessage: limit})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	for {
		kind, data, err := ws.Read()
		if err != nil {
			return messages
		}
		messages = append(messages, socketMessage{kind, string(data)})
	}
}

// plainSocket reads frames as the specification has them.
func plainSocket(b []byte, limit int) (messages []socketMessage) {
	var open *socketMessage // of which there are more frames to come
	for {
		f, rest, ok := plainSocketFrame(b)
		if !ok {
			return messages
		}
		b = rest
		if f.code >= 8 {
			if f.code == 8 || !f.last || len(f.content) > 125 || f.code > 10 {
				return messages
			}
			continue
		}
		switch {
		case f.code == 0 && open == nil, f.code != 0 && open != nil, f.code > 2:
			return messages
		case f.code != 0:
			open = &socketMessage{kind: MessageKind(f.code)}
		}
		if open.data += f.content; len(open.data) > limit {
			return messages
		}
		if f.last {
			messages = append(messages, *open)
			open = nil
		}
	}
}

type plainFrameOfSocket struct {
	last    bool
	code    int
	content string
}

func plainSocketFrame(b []byte) (f plainFrameOfSocket, rest []byte, ok bool) {
	if len(b) < 2 || b[0]&0x70 != 0 || b[1]&0x80 == 0 {
		return f, nil, false
	}
	f.last, f.code = b[0]&0x80 != 0, int(b[0]&0xf)
	length, b := uint64(b[1]&0x7f), b[2:]
	switch {
	case length == 126 && len(b) >= 2:
		length, b = uint64(binary.BigEndian.Uint16(b)), b[2:]
	case length == 127 && len(b) >= 8:
		length, b = binary.BigEndian.Uint64(b), b[8:]
	case length > 125:
		return f, nil, false
	}
	if len(b) < 4 || uint64(len(b)-4) < length {
		return f, nil, false
	}
	content := slices.Clone(b[4 : 4+length])
	for i := range content {
		content[i] ^= b[i%4]
	}
	f.content = string(content)
	return f, b[4+length:], true
}

// hijacked gives away a connection on which a client has sent all that it will.
type hijacked struct {
	*httptest.ResponseRecorder
	in io.Reader
}

func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h, bufio.NewReadWriter(bufio.NewReader(h), bufio.NewWriter(h)), nil
}

func (h *hijacked) Read(p []byte) (int, error)       { return h.in.Read(p) }
func (h *hijacked) Write(p []byte) (int, error)      { return len(p), nil }
func (*hijacked) Close() error                       { return nil }
func (*hijacked) LocalAddr() net.Addr                { return &net.TCPAddr{} }
func (*hijacked) RemoteAddr() net.Addr               { return &net.TCPAddr{} }
func (*hijacked) SetDeadline(time.Time) error        { return nil }
func (*hijacked) SetReadDeadline(time.Time) error    { return nil }
func (*hijacked) SetWriteDeadline(_ time.Time) error { return nil }
