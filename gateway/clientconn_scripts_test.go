package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// scriptCount is how many scripts are made up.
const scriptCount = 60

// TestClientScripts lets clients that do the same at random call a server of net/http alone and one whose connections
// watch their clients late. The clients have to hear the same, and so have the handlers.
func TestClientScripts(t *testing.T) {
	for seed := range uint64(scriptCount) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			want, wantSeen := playScript(t, seed, "net/http")
			got, gotSeen := playScript(t, seed, "late")
			if got != want {
				t.Errorf("the client heard\n%s\nand not\n%s", got, want)
			}
			if gotSeen != wantSeen {
				t.Errorf("the handlers saw\n%s\nand not\n%s", gotSeen, wantSeen)
			}
		})
	}
}

// scriptServer notes what its handlers see.
type scriptServer struct {
	mu      sync.Mutex
	seen    bytes.Buffer
	running sync.WaitGroup
	waiting chan bool // a handler waits for its client to leave
}

func (s *scriptServer) note(r *http.Request, what ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fmt.Fprintln(&s.seen, append([]any{r.Method, r.URL.Path}, what...)...)
}

func (s *scriptServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.running.Add(1)
	defer s.running.Done()
	w.Header()["Date"] = nil
	if strings.Contains(r.URL.Path, "slow") {
		time.Sleep(slow)
	}
	switch {
	case strings.HasPrefix(r.URL.Path, "/wait"):
		_ = http.NewResponseController(w).Flush()
		s.waiting <- true
		s.note(r, ended(r.Context()))
		return
	case strings.HasPrefix(r.URL.Path, "/hijack"):
		s.note(r, hijackAndEcho(w, strings.HasSuffix(r.URL.Path, "bytes")))
		return
	case !strings.HasPrefix(r.URL.Path, "/unread"):
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %q", r.Method, r.URL.Path, body)
		s.note(r, len(body), err)
	}
	if strings.Contains(r.URL.Path, "stream") && r.Method != http.MethodHead { // its answer would be whole before the handler is done
		_ = http.NewResponseController(w).Flush()
		time.Sleep(slow)
		fmt.Fprint(w, "the rest")
	}
	s.note(r, r.Context().Err())
}

// hijackAndEcho says everything again until the client says no more.
func hijackAndEcho(w http.ResponseWriter, singly bool) error {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\n"); err != nil {
		return err
	}
	size := 100
	if singly {
		size = 1
	}
	for {
		b := make([]byte, size)
		n, err := buffered.Read(b)
		if err != nil {
			return err
		}
		if _, err := conn.Write(b[:n]); err != nil {
			return err
		}
	}
}

// scriptClient plays one script. All that is up to chance comes from its generator, in an order that does not
// depend on the server.
type scriptClient struct {
	*rand.Rand
	conn  *net.TCPConn
	from  *bufio.Reader
	heard bytes.Buffer
	sent  []string // methods of requests without an answer yet
	ahead bytes.Buffer
}

// playScript returns what a client heard and what the handlers saw.
func playScript(t *testing.T, seed uint64, server string) (heard, seen string) {
	t.Helper()
	s := &scriptServer{waiting: make(chan bool, 1)}
	httpServer := &http.Server{Handler: s, IdleTimeout: time.Minute, ReadHeaderTimeout: 10 * time.Second}
	c := &scriptClient{Rand: rand.New(rand.NewPCG(seed, 0)), conn: serveClients(t, httpServer, clientServers[server])}
	c.from = bufio.NewReader(io.TeeReader(c.conn, &c.heard))
	pipelined := c.IntN(3) == 0
	for range c.IntN(6) {
		if err := c.request(pipelined); err != nil {
			t.Fatalf("%v, after %s", err, c.heard.String())
		}
	}
	if err := c.leave(s.waiting); err != nil {
		t.Fatalf("%v, after %s", err, c.heard.String())
	}
	s.running.Wait()
	return c.heard.String(), s.seen.String()
}

func (c *scriptClient) pick(from ...string) string { return from[c.IntN(len(from))] }

// pause is none, short, or longer than a request runs unwatched.
func (c *scriptClient) pause() {
	switch c.IntN(8) {
	case 0:
		time.Sleep(slow)
	case 1, 2:
		time.Sleep(time.Duration(c.Int64N(int64(3 * time.Millisecond))))
	}
}

// say sends what was held back and a text: in one piece, in pieces, byte by byte, or later.
func (c *scriptClient) say(text string, mayWait bool) error {
	c.ahead.WriteString(text)
	how := c.IntN(4)
	if how == 0 && mayWait {
		return nil
	}
	for c.ahead.Len() > 0 {
		size := c.ahead.Len()
		switch how {
		case 1:
			size = 1
		case 2:
			size = 1 + c.IntN(size)
			c.pause()
		}
		if _, err := c.conn.Write(c.ahead.Next(size)); err != nil {
			return err
		}
	}
	return nil
}

// request makes a request, and hears the answer unless those may come together later.
func (c *scriptClient) request(pipelined bool) error {
	c.pause()
	how := c.pick("", "-slow", "-stream", "-slow-stream")
	body := strings.Repeat("x", 1+c.IntN(3000))
	head := " HTTP/1.1\r\nHost: x\r\n"
	method, text := "POST", ""
	switch c.IntN(6) {
	case 0, 1:
		method = c.pick("GET", "HEAD", "DELETE")
		text = "/short" + how + head + "\r\n"
	case 2:
		text = c.pick("/short", "/unread") + how + head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(body), body)
	case 3:
		text = "/chunks" + how + head + fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n1\r\ny\r\n0\r\nTrailer: x\r\n\r\n", len(body), body)
	case 4:
		text = "/one" + how + head + "Content-Length: 1\r\n\r\n1"
	case 5:
		text = "/expect" + how + head + fmt.Sprintf("Expect: 100-continue\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	c.sent = append(c.sent, method)
	if err := c.say(method+" "+text, pipelined); err != nil || pipelined {
		return err
	}
	return c.answers()
}

// answers hears what is to come.
func (c *scriptClient) answers() error {
	for len(c.sent) > 0 {
		res, err := http.ReadResponse(c.from, &http.Request{Method: c.sent[0]})
		if err != nil {
			return err
		}
		if res.StatusCode == http.StatusContinue {
			continue
		}
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			return err
		}
		c.sent = c.sent[1:]
	}
	return nil
}

// leave ends the connection in one of several ways.
func (c *scriptClient) leave(waiting <-chan bool) error {
	const head = " HTTP/1.1\r\nHost: x\r\n"
	switch c.IntN(5) {
	case 0: // the server is to close it
		if err := c.say("GET /last"+c.pick("", "-slow")+head+"Connection: close\r\n\r\n", false); err != nil {
			return err
		}
		return c.rest()
	case 1: // the server does not understand
		if err := c.say("", false); err != nil {
			return err
		}
		if err := c.answers(); err != nil {
			return err
		}
		if _, err := io.WriteString(c.conn, "\x00\r\n\r\n"); err != nil {
			return err
		}
		return c.rest()
	case 2:
		return c.upgrade()
	case 3: // between requests
		if err := c.say("", false); err != nil {
			return err
		}
		if err := c.answers(); err != nil {
			return err
		}
		c.pause()
		return c.end()
	default: // while one runs
		if err := c.say("GET /wait"+c.pick("", "-slow")+head+"\r\n", false); err != nil {
			return err
		}
		c.sent = append(c.sent, "GET")
		<-waiting
		c.pause()
		return c.end()
	}
}

// upgrade says something to a hijacker, some of it early.
func (c *scriptClient) upgrade() error {
	text := strings.Repeat("0123456789", 1+c.IntN(20))
	early := c.IntN(len(text))
	request := "GET /hijack" + c.pick("", "-slow") + c.pick("", "-bytes") + " HTTP/1.1\r\nHost: x\r\n\r\n"
	if err := c.say(request+text[:early], false); err != nil {
		return err
	}
	if err := c.answers(); err != nil { // of requests before: they would notice the end
		return err
	}
	c.pause()
	if err := c.say(text[early:], false); err != nil {
		return err
	}
	if err := c.conn.CloseWrite(); err != nil {
		return err
	}
	return c.rest()
}

// end closes for writing and hears the rest, or closes.
func (c *scriptClient) end() error {
	if c.IntN(2) == 0 {
		if err := c.conn.CloseWrite(); err != nil {
			return err
		}
		return c.rest()
	}
	if c.IntN(2) == 0 {
		if err := c.conn.SetLinger(0); err != nil {
			return err
		}
	}
	return c.conn.Close()
}

// rest hears everything. A reset is an end as well.
func (c *scriptClient) rest() error {
	_, err := io.Copy(io.Discard, c.from)
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return err
	}
	return nil
}
