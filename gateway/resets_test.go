package gateway

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// h2Client speaks HTTP/2 frame by frame.
type h2Client struct {
	*http2.Framer
	conn    net.Conn
	next    uint32
	decoder *hpack.Decoder
	said    string // the last :status
}

// h2BodyIdle is how long clients of dialH2 may stall in the middle of a body.
const h2BodyIdle = 50 * time.Millisecond

// dialH2 serves a handler behind the edge and returns a client in plaintext HTTP/2.
func dialH2(t *testing.T, door http.HandlerFunc) *h2Client {
	t.Helper()
	return dialH2Server(t, door, func(*http.Server) {})
}

// dialH2Server is dialH2 with a change of the server.
func dialH2Server(t *testing.T, door http.HandlerFunc, change func(*http.Server)) *h2Client {
	t.Helper()
	s, err := settingsOf(&configv1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	server := s.server(patientWithResets(s.bounded(patient(h2BodyIdle, door))))
	change(server)
	conn := serveOne(t, server)
	c := &h2Client{Framer: http2.NewFramer(conn, conn), conn: conn, next: 1}
	c.decoder = hpack.NewDecoder(4096, func(f hpack.HeaderField) {
		if f.Name == ":status" {
			c.said = f.Value
		}
	})
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	if err := c.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return c
}

// request sends a request with further headers and returns its stream.
func (c *h2Client) request(further ...string) (stream uint32, err error) {
	return c.open(http2.HeadersFrameParam{BlockFragment: headerBlock("GET", further...), EndStream: true, EndHeaders: true})
}

// open sends headers on a new stream.
func (c *h2Client) open(p http2.HeadersFrameParam) (stream uint32, err error) {
	p.StreamID, c.next = c.next, c.next+2
	return p.StreamID, c.WriteHeaders(p)
}

// headerBlock are the headers of a request.
func headerBlock(method string, further ...string) []byte {
	var block bytes.Buffer
	encoder := hpack.NewEncoder(&block)
	fields := append([]string{":method", method, ":scheme", "http", ":authority", "x", ":path", "/"}, further...)
	for i := 0; i < len(fields); i += 2 {
		_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return block.Bytes()
}

// status reads until a stream is answered.
func (c *h2Client) status(t *testing.T, stream uint32) string {
	t.Helper()
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := frame.(*http2.HeadersFrame); ok {
			if _, err := c.decoder.Write(f.HeaderBlockFragment()); err != nil {
				t.Fatal(err)
			}
			if f.StreamID == stream {
				return c.said
			}
		}
	}
}

func TestResetFloodLosesItsConnection(t *testing.T) {
	c := dialH2(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	go func() {
		for range 150_000 {
			stream, err := c.request()
			if err != nil || c.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
				return
			}
		}
	}()
	_, err := io.Copy(io.Discard, c.conn) // io.EOF is no error of it
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection lives on")
	}
}

func TestSomeResetsAreFine(t *testing.T) {
	c := dialH2(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Wait") != "" {
			<-r.Context().Done()
		}
	})
	for range resetBurst / 2 {
		stream, err := c.request("wait", "1")
		if err != nil || c.WriteRSTStream(stream, http2.ErrCodeCancel) != nil {
			t.Fatal(err)
		}
	}
	stream, err := c.request()
	if err != nil {
		t.Fatal(err)
	}
	if got := c.status(t, stream); got != "200" {
		t.Errorf("got %s", got)
	}
}

func TestResetsAreMadeGood(t *testing.T) {
	now := time.Unix(0, 0)
	c := &client{allowed: resetBurst, since: now}
	for i := range 10 * resetBurst {
		if !c.ended(i%2 == 0, now) {
			t.Fatalf("closed after %d requests", i)
		}
	}
	for i := range 10 * resetBurst {
		now = now.Add(time.Second / resetRate)
		if !c.ended(true, now) {
			t.Fatalf("closed after %d slow resets", i)
		}
	}
	for i := range resetBurst + 1 {
		if !c.ended(true, now) {
			return
		}
		if i == resetBurst {
			t.Error("a flood is not noticed")
		}
	}
}

func TestConnectionHeadersInHTTP2(t *testing.T) {
	for _, test := range []struct {
		name, value, want string
	}{
		{"connection", "keep-alive", "400"},
		{"proxy-connection", "x", "400"},
		{"keep-alive", "1", "400"},
		{"transfer-encoding", "chunked", "400"},
		{"upgrade", "websocket", "400"},
		{"te", "gzip", "400"},
		{"te", "trailers", "200"},
		{"accept", "x", "200"},
	} {
		c := dialH2(t, func(http.ResponseWriter, *http.Request) {})
		stream, err := c.request(test.name, test.value)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.status(t, stream); got != test.want {
			t.Errorf("%s: %s: got %s, want %s", test.name, test.value, got, test.want)
		}
	}
}
