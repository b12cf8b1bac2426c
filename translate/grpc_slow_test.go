package translate_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// The one request of a server stream must come in time, though the stream has no deadline.
func TestGRPCSlowRequestOfStream(t *testing.T) {
	snap := notes(t)
	synctest.Test(t, func(t *testing.T) {
		called := false
		door := translate.NewGRPC(translate.NewMethods(snap, func(context.Context, *rpc.Call, rpc.Stream) error {
			called = true
			return nil
		}, nil, translate.ReflectionOptions{}))
		near, far := net.Pipe()
		server := &http.Server{Handler: door, Protocols: new(http.Protocols)}
		server.Protocols.SetUnencryptedHTTP2(true)
		go server.Serve(&oneConn{conns: make(chan net.Conn, 1), first: far})
		defer server.Close()

		transport := &http.Transport{Protocols: server.Protocols, DialContext: func(context.Context, string, string) (net.Conn, error) {
			return near, nil
		}}
		defer transport.CloseIdleConnections()
		body, write := io.Pipe()
		defer write.Close()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://gateway"+watch, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/grpc")
		go write.Write([]byte{0, 0, 0, 0, 9, 'x'})
		start := time.Now()
		res, err := transport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if got := grpcStatus(res); got != "4" || called || time.Since(start) != schema.DefaultTimeout {
			t.Errorf("status %s after %v, called: %v", got, time.Since(start), called)
		}
	})
}

// oneConn is a listener that accepts one connection.
type oneConn struct {
	first net.Conn
	conns chan net.Conn
}

func (l *oneConn) Accept() (net.Conn, error) {
	if c := l.first; c != nil {
		l.first = nil
		return c, nil
	}
	<-l.conns
	return nil, errors.New("closed")
}

func (l *oneConn) Close() error {
	close(l.conns)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.UnixAddr{} }
