package gateway

import (
	"bufio"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
)

// TestHTTP2Floods sends frames without end and reads nothing. Whoever does so loses the
// connection: at once, or when it does not answer a PING, which it is sent soon here.
func TestHTTP2Floods(t *testing.T) {
	for _, flood := range []struct {
		name  string
		begin func(*h2Client) error
		frame func(*h2Client) error
	}{
		{name: "PING", frame: func(c *h2Client) error { return c.WritePing(false, [8]byte{}) }},
		{
			name: "CONTINUATION",
			begin: func(c *h2Client) error {
				_, err := c.open(http2.HeadersFrameParam{BlockFragment: headerBlock("GET")})
				return err
			},
			frame: func(c *h2Client) error {
				return c.WriteContinuation(1, false, headerBlock("GET", "x-"+strings.Repeat("y", 1000), "z")[4:])
			},
		},
		{
			name: "empty CONTINUATION",
			begin: func(c *h2Client) error {
				_, err := c.open(http2.HeadersFrameParam{BlockFragment: headerBlock("GET")})
				return err
			},
			frame: func(c *h2Client) error { return c.WriteContinuation(1, false, nil) },
		},
		{
			name: "DATA behind the end",
			begin: func(c *h2Client) error {
				_, err := c.request()
				return err
			},
			frame: func(c *h2Client) error { return c.WriteData(1, false, []byte("x")) },
		},
		{
			name: "requests that the server resets",
			frame: func(c *h2Client) error {
				stream, err := c.request()
				if err != nil {
					return err
				}
				return c.WriteRawFrame(http2.FrameWindowUpdate, 0, stream, []byte{0, 0, 0, 0}) // which breaks the rules
			},
		},
	} {
		t.Run(flood.name, func(t *testing.T) {
			door := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
			closed := make(chan struct{})
			c := dialH2Server(t, door, func(s *http.Server) {
				s.HTTP2.SendPingTimeout, s.HTTP2.PingTimeout = 300*time.Millisecond, 300*time.Millisecond
				s.ErrorLog = log.New(io.Discard, "", 0)
				s.ConnState = func(_ net.Conn, state http.ConnState) {
					if state == http.StateClosed {
						close(closed)
					}
				}
			})
			if err := c.conn.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
				t.Fatal(err)
			}
			c.Framer = http2.NewFramer(bufio.NewWriterSize(c.conn, 64<<10), c.conn)
			if flood.begin != nil {
				if err := flood.begin(c); err != nil {
					t.Fatal(err)
				}
			}
			var flooding sync.WaitGroup
			flooding.Go(func() {
				for flood.frame(c) == nil { // the end of the connection may be hidden behind what was not read
				}
			})
			select {
			case <-closed:
			case <-time.After(time.Minute):
				t.Error("the connection lives on")
			}
			_ = c.conn.Close() // or it is closed already
			flooding.Wait()
		})
	}
}

// TestHTTP2CheapFrames sends many frames for which nothing is kept; of SETTINGS, several are
// acknowledged at once. The connection goes on.
func TestHTTP2CheapFrames(t *testing.T) {
	c := dialH2(t, func(http.ResponseWriter, *http.Request) {})
	for range 10_000 {
		if err := errors.Join(c.WriteSettings(), c.WritePriority(1, http2.PriorityParam{StreamDep: 3}), c.WriteWindowUpdate(0, 1)); err != nil {
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

// TestHTTP2HeaderBomb names one long header of the compression table over and over: a few
// bytes that come to more than headers may have.
func TestHTTP2HeaderBomb(t *testing.T) {
	c := dialH2(t, func(http.ResponseWriter, *http.Request) { t.Error("a door saw it") })
	block := headerBlock("GET", "x-bomb", strings.Repeat("x", 3000))
	const newest = 0x80 | 62 // an indexed field, the first of the dynamic table
	block = append(block, slices.Repeat([]byte{newest}, 1000)...)
	stream, err := c.open(http2.HeadersFrameParam{BlockFragment: block, EndStream: true, EndHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.status(t, stream); got != "431" {
		t.Errorf("got %s", got)
	}
}

// TestHTTP2SlowBody sends a part of a body, and then nothing, or frames with nothing in them.
func TestHTTP2SlowBody(t *testing.T) {
	for _, empty := range []bool{false, true} {
		read := make(chan error, 1)
		c := dialH2(t, func(_ http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			read <- err
		})
		stream, err := c.open(http2.HeadersFrameParam{BlockFragment: headerBlock("POST", "content-type", "application/json"), EndHeaders: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.WriteData(stream, false, []byte(`{"`)); err != nil {
			t.Fatal(err)
		}
		for over := false; !over; {
			select {
			case err := <-read:
				if over = true; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			case <-time.After(h2BodyIdle / 10):
				if empty {
					_ = c.WriteData(stream, false, nil) // a stream that is over takes none
				}
			}
		}
	}
}

// TestHTTP2Preface has the method of the preface as that of a request.
func TestHTTP2Preface(t *testing.T) {
	c := dialH2(t, func(http.ResponseWriter, *http.Request) { t.Error("a door saw it") })
	stream, err := c.open(http2.HeadersFrameParam{BlockFragment: headerBlock("PRI"), EndStream: true, EndHeaders: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.status(t, stream); got != "400" {
		t.Errorf("got %s", got)
	}
}

// TestHTTP2ManyStreams opens more streams than one connection may have: those beyond are refused, and
// the others go on.
func TestHTTP2ManyStreams(t *testing.T) {
	free := make(chan struct{})
	c := dialH2(t, func(http.ResponseWriter, *http.Request) { <-free })
	if err := c.WriteSettingsAck(); err != nil { // so that the server may hold us to its settings
		t.Fatal(err)
	}
	refused := 0
	for range streamsPerTCP + 50 {
		if _, err := c.request(); err != nil {
			t.Fatal(err)
		}
	}
	for refused < 50 {
		frame, err := c.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if f, ok := frame.(*http2.RSTStreamFrame); ok {
			if refused++; f.StreamID <= 2*streamsPerTCP {
				t.Fatalf("stream %d was refused", f.StreamID)
			}
		}
	}
	close(free)
	if got := c.status(t, 1); got != "200" {
		t.Errorf("got %s", got)
	}
}
