package rpctest

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Frames is a backend of HTTP/2 frames, for what no gRPC server does: it answers each
// request with just the frames that a script writes. It is safe for concurrent use.
type Frames struct {
	// Address is what an [rpc.Endpoint] has for it.
	Address string

	script   func(*FrameStream)
	settings []http2.Setting
	test     testing.TB

	mu       sync.Mutex
	listener net.Listener // nil: it is killed
	conns    map[net.Conn]struct{}
	serving  sync.WaitGroup
}

// StartFrames serves until the test ends. The script runs for each request once all of
// it came, each in a goroutine of its own.
func StartFrames(t testing.TB, script func(*FrameStream), settings ...http2.Setting) *Frames {
	t.Helper()
	f := &Frames{script: script, settings: settings, test: t, Address: "127.0.0.1:0", conns: make(map[net.Conn]struct{})}
	f.Restart()
	t.Cleanup(func() {
		f.Kill()
		f.serving.Wait()
	})
	return f
}

// Kill closes the listener and all connections, as a process that is killed does.
func (f *Frames) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listener != nil {
		_ = f.listener.Close()
		f.listener = nil
	}
	for conn := range f.conns {
		_ = conn.Close()
	}
}

// keep takes note of a connection, which a Kill that came first closes as well.
func (f *Frames) keep(conn net.Conn, from net.Listener) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[conn] = struct{}{}
	if f.listener != from {
		_ = conn.Close()
	}
}

func (f *Frames) forget(conn net.Conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, conn)
}

// Restart listens again, at the same address.
func (f *Frames) Restart() {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", f.Address)
	if err != nil {
		f.test.Error(err)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.listener, f.Address = listener, listener.Addr().String()
	f.serving.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			f.keep(conn, listener)
			f.serving.Go(func() { f.serve(conn) })
		}
	})
}

// frameConn is one connection.
type frameConn struct {
	conn net.Conn
	over chan struct{} // is closed when nothing more comes
	mu   sync.Mutex    // held while a frame is written
	*http2.Framer
	fields  bytes.Buffer
	coder   *hpack.Encoder
	gone    bool // GOAWAY was sent
	last    uint32
	highest uint32 // of the streams that were carried out
}

// FrameStream is one request. What it writes is not checked, and may be anything.
type FrameStream struct {
	ID      uint32
	Path    string
	Message []byte // of the request, without its head
	conn    *frameConn
}

func (f *Frames) serve(conn net.Conn) {
	defer f.forget(conn)
	defer conn.Close()
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(conn, preface); err != nil {
		return
	}
	c := &frameConn{conn: conn, over: make(chan struct{}), Framer: http2.NewFramer(conn, conn)}
	c.coder = hpack.NewEncoder(&c.fields)
	c.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	defer close(c.over)
	c.write(func() error { return c.WriteSettings(f.settings...) })
	f.read(c)
}

// read reads frames until the connection ends.
func (f *Frames) read(c *frameConn) {
	streams := make(map[uint32]*FrameStream)
	for {
		frame, err := c.ReadFrame()
		if err != nil {
			return
		}
		id := frame.Header().StreamID
		ended := false
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				c.write(c.WriteSettingsAck)
			}
		case *http2.PingFrame:
			if !frame.IsAck() {
				c.write(func() error { return c.WritePing(true, frame.Data) })
			}
		case *http2.RSTStreamFrame:
			delete(streams, id)
		case *http2.MetaHeadersFrame:
			streams[id] = &FrameStream{ID: id, Path: frame.PseudoValue("path"), conn: c}
			ended = frame.StreamEnded()
		case *http2.DataFrame:
			s := streams[id]
			if s == nil {
				continue
			}
			s.Message = append(s.Message, frame.Data()...)
			c.giveWindow(id, frame.Length)
			ended = frame.StreamEnded()
		}
		if s := streams[id]; ended && s != nil {
			delete(streams, id)
			s.Message = s.Message[min(5, len(s.Message)):]
			f.serving.Go(func() { f.script(s) })
		}
	}
}

func (c *frameConn) giveWindow(stream, n uint32) {
	if n == 0 {
		return
	}
	c.write(func() error { return c.WriteWindowUpdate(0, n) })
	c.write(func() error { return c.WriteWindowUpdate(stream, n) })
}

// write writes a frame. A client that is gone is no failure here.
func (c *frameConn) write(frame func() error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = frame()
}

// Headers writes header fields, given as names and values in turn.
func (s *FrameStream) Headers(end bool, fields ...string) {
	c := s.conn
	c.write(func() error {
		c.fields.Reset()
		for i := 0; i+1 < len(fields); i += 2 {
			_ = c.coder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		return c.WriteHeaders(http2.HeadersFrameParam{
			StreamID: s.ID, BlockFragment: c.fields.Bytes(), EndHeaders: true, EndStream: end,
		})
	})
}

// Begin writes the head of an answer in gRPC.
func (s *FrameStream) Begin() {
	s.Headers(false, ":status", "200", "content-type", "application/grpc")
}

// End writes trailers with a status.
func (s *FrameStream) End(code, message string) {
	s.Headers(true, "grpc-status", code, "grpc-message", message)
}

// Data writes bytes.
func (s *FrameStream) Data(end bool, data []byte) {
	s.conn.write(func() error { return s.conn.WriteData(s.ID, end, data) })
}

// Framed is a message with its head.
func Framed(message []byte) []byte {
	head := make([]byte, 5, 5+len(message))
	binary.BigEndian.PutUint32(head[1:], uint32(len(message))) //nolint:gosec // a test's message
	return append(head, message...)
}

// Answer writes a whole answer that is well.
func (s *FrameStream) Answer(message []byte) {
	s.Begin()
	s.Data(false, Framed(message))
	s.End("0", "")
}

// Fail writes an answer of a status alone.
func (s *FrameStream) Fail(code, message string) {
	s.Headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", code, "grpc-message", message)
}

// Reset resets the stream.
func (s *FrameStream) Reset(code http2.ErrCode) {
	s.conn.write(func() error { return s.conn.WriteRSTStream(s.ID, code) })
}

// GoAway says that no stream after the last one is or will be answered on this
// connection. It denies none that was carried out by [FrameStream.CarryOut].
func (s *FrameStream) GoAway(last uint32, code http2.ErrCode) {
	s.conn.write(func() error {
		last = max(last, s.conn.highest)
		if s.conn.gone {
			last = min(last, s.conn.last) // what was denied once stays denied
		}
		s.conn.gone, s.conn.last = true, last
		return s.conn.WriteGoAway(last, code, nil)
	})
}

// CarryOut calls do, unless a GOAWAY told the client that the request is not carried out.
func (s *FrameStream) CarryOut(do func()) bool {
	s.conn.mu.Lock()
	defer s.conn.mu.Unlock()
	if s.conn.gone && s.ID > s.conn.last {
		return false
	}
	s.conn.highest = max(s.conn.highest, s.ID)
	do()
	return true
}

// Raw writes bytes that need be no frame.
func (s *FrameStream) Raw(data []byte) {
	s.conn.write(func() error {
		_, err := s.conn.conn.Write(data)
		return err
	})
}

// Over is closed when the client has closed the connection, or it was closed here.
func (s *FrameStream) Over() <-chan struct{} { return s.conn.over }

// Hangup closes the connection.
func (s *FrameStream) Hangup() { _ = s.conn.conn.Close() }
