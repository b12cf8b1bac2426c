package gateway

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/translate/transport"
)

// TestSlowBodyIsGivenUp sends the head of a request and a part of its body. Who may stall has all the time.
func TestSlowBodyIsGivenUp(t *testing.T) {
	for _, endless := range []bool{false, true} {
		read := make(chan error, 1)
		server := &http.Server{Handler: patient(20*time.Millisecond, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if endless {
				transport.MayStall(r.Body)
			}
			_, err := io.ReadAll(r.Body)
			read <- err
		}))}
		conn := serveOne(t, server)
		if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345"); err != nil {
			t.Fatal(err)
		}
		if endless {
			time.Sleep(100 * time.Millisecond)
			if _, err := io.WriteString(conn, "67890"); err != nil {
				t.Fatal(err)
			}
		}
		if err := <-read; errors.Is(err, os.ErrDeadlineExceeded) == endless || endless && err != nil {
			t.Errorf("%v: got %v", endless, err)
		}
	}
}

// TestInterruptStays interrupts the reading of a body whose client may take its time: reads that
// begin later come back, too.
func TestInterruptStays(t *testing.T) {
	read := make(chan error, 3)
	door := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		for _, deadline := range []time.Time{time.Unix(1, 0), time.Now().Add(20 * time.Millisecond)} {
			if err := control.SetReadDeadline(deadline); err != nil {
				t.Error(err)
			}
			for range 2 {
				_, err := io.ReadAll(r.Body)
				read <- err
			}
		}
	})
	conn := serveOne(t, &http.Server{Handler: patient(time.Hour, door)})
	if _, err := io.WriteString(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n12345"); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		select {
		case err := <-read:
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		case <-time.After(30 * time.Second):
			t.Fatal("the read was not interrupted")
		}
	}
}

// TestDeadlineIsGivenBack reads a body to its end, behind which the door's deadline holds again.
func TestDeadlineIsGivenBack(t *testing.T) {
	w := &deadlines{ResponseWriter: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	own := time.Now().Add(2 * time.Hour)
	patient(time.Hour, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(own)
		_, _ = io.ReadAll(r.Body)
	})).ServeHTTP(w, r)
	if n := len(w.set); n < 3 || !w.set[n-1].Equal(own) || !w.set[1].Before(own) {
		t.Errorf("got %v", w.set)
	}
}

// deadlines keeps the read deadlines that were set.
type deadlines struct {
	http.ResponseWriter
	set []time.Time
}

func (d *deadlines) SetReadDeadline(t time.Time) error {
	d.set = append(d.set, t)
	return nil
}

// TestIncompletePreface sends a preface of HTTP/2 that is none, which net/http takes for a
// request with the method PRI.
func TestIncompletePreface(t *testing.T) {
	s := settings{urlBytes: 100}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	conn := serveOne(t, &http.Server{
		Protocols: &protocols,
		Handler:   s.bounded(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a door saw it") })),
	})
	if _, err := io.WriteString(conn, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err == nil && (res.StatusCode != http.StatusBadRequest || !res.Close) {
		t.Errorf("got %s", res.Status)
	}
}

// TestSlowHeaders sends half of a head, a byte of it at a time: the client loses the connection.
func TestSlowHeaders(t *testing.T) {
	s, err := settingsOf(&configv1.Config{Http: &configv1.HTTP{HeaderTimeout: durationpb.New(50 * time.Millisecond)}})
	if err != nil {
		t.Fatal(err)
	}
	conn := serveOne(t, s.server(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a door saw it") })))
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: ")
	for err == nil {
		time.Sleep(10 * time.Millisecond)
		_, err = io.WriteString(conn, "x")
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection lives on")
	}
}

// TestHeaderBytes sends headers up to the limit, with the room that net/http leaves, and beyond it.
func TestHeaderBytes(t *testing.T) {
	s, err := settingsOf(&configv1.Config{})
	if err != nil {
		t.Fatal(err)
	}
	for size, want := range map[int]int{s.headerBytes - 1<<10: http.StatusOK, s.headerBytes + 8<<10: http.StatusRequestHeaderFieldsTooLarge} {
		conn := serveOne(t, s.server(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
		if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", size)+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != want {
			t.Errorf("%d bytes: got %s", size, res.Status)
		}
	}
}

// serveOne serves as the gateway does without TLS, until the test ends, and returns a connection.
func serveOne(t *testing.T, server *http.Server) net.Conn {
	t.Helper()
	return serveClients(t, server, watchClients)
}
