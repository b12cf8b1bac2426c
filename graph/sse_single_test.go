package graph

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql/executor"

	"github.com/protean-gateway/protean/rpc"
)

// single is a client of the single connection mode.
type single struct {
	t      *testing.T
	server *httptest.Server
	token  string
	events *bufio.Scanner
	hangUp context.CancelFunc
}

// reserve reserves a stream, and does not open it.
func reserve(t *testing.T, server *httptest.Server) *single {
	t.Helper()
	c := &single{t: t, server: server}
	status, token := c.do(http.MethodPut, "", "")
	if status != http.StatusCreated || len(token) < 26 {
		t.Fatalf("reserved with %d %q", status, token)
	}
	c.token = token
	return c
}

func (c *single) do(method, query, body string) (status int, text string) {
	c.t.Helper()
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.server.URL+query, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set(tokenHeader, c.token)
	r.Header.Set("Content-Type", "application/json")
	response, err := c.server.Client().Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(answer)
}

// open opens the stream, as an EventSource does, and returns the status.
func (c *single) open() int {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.server.URL+"?token="+c.token, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header.Set("Accept", mediaEvents)
	response, err := c.server.Client().Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cancel()
		_ = response.Body.Close()
	})
	if response.StatusCode == http.StatusOK {
		c.events, c.hangUp = bufio.NewScanner(response.Body), cancel
	}
	return response.StatusCode
}

func (c *single) start(id, query string) (status int, text string) {
	c.t.Helper()
	return c.do(http.MethodPost, "", `{"query":"`+query+`","extensions":{"operationId":"`+id+`"}}`)
}

// next returns the next event in one line; empty at the end.
func (c *single) next() string {
	name := ""
	for c.events.Scan() {
		if after, ok := strings.CutPrefix(c.events.Text(), "event: "); ok {
			name = after
		}
		if data, ok := strings.CutPrefix(c.events.Text(), "data: "); ok {
			return name + " " + data
		}
	}
	return ""
}

func (c *single) expect(events ...string) {
	c.t.Helper()
	for _, want := range events {
		if got := c.next(); got != want {
			c.t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestSingleConnection(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		server, shop := serve(t, HTTPOptions{})
		c := reserve(t, server)
		if status, text := c.start("early", "subscription { count(to: 1) }"); status != http.StatusAccepted {
			t.Fatalf("%d %s", status, text)
		}
		if status := c.open(); status != http.StatusOK {
			t.Fatal(status)
		}
		c.expect(`next {"id":"early","payload":{"data":{"count":1}}}`, `complete {"id":"early"}`)
		if status := c.open(); status != http.StatusConflict {
			t.Errorf("opened twice: %d", status)
		}
		c.start("q", "{ hello }")
		c.expect(`next {"id":"q","payload":{"data":{"hello":"Hello"}}}`, `complete {"id":"q"}`)
		c.start("silent", "subscription { silent }")
		c.expect(`next {"id":"silent","payload":{"data":{"silent":1}}}`)
		<-shop.began
		if status, _ := c.start("silent", "{ hello }"); status != http.StatusConflict {
			t.Errorf("an id in use: %d", status)
		}
		if status, text := c.do(http.MethodDelete, "?operationId=silent", ""); status != http.StatusOK || text != "" {
			t.Errorf("stopped with %d %s", status, text)
		}
		<-shop.end
		c.start("m", "mutation { rename(to: \\\"x\\\") }")
		c.expect(`next {"id":"m","payload":{"data":{"rename":"x"}}}`, `complete {"id":"m"}`)
	})
}

func TestASingleConnectionEndsItsOperations(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		server, shop := serve(t, HTTPOptions{})
		c := reserve(t, server)
		c.open()
		c.start("a", "subscription { silent }")
		c.start("b", "subscription { silent }")
		<-shop.began
		<-shop.began
		c.hangUp()
		<-shop.end
		<-shop.end
	})
}

func TestASingleConnectionEndsWhenTheGatewayStops(t *testing.T) {
	eachShop(t, func(t *testing.T, serve func(*testing.T, HTTPOptions) (*httptest.Server, *shop)) {
		stopping, stop := context.WithCancel(t.Context())
		server, shop := serve(t, HTTPOptions{Stopping: stopping})
		c := reserve(t, server)
		c.open()
		c.start("a", "subscription { silent }")
		<-shop.began
		stop()
		<-shop.end
		c.expect(`next {"id":"a","payload":{"data":{"silent":1}}}`, "")
	})
}

func TestSingleConnectionRefuses(t *testing.T) {
	server, _ := serveShop(t, HTTPOptions{})
	c := reserve(t, server)
	for _, x := range []struct {
		name, method, query, body string
		status                    int
	}{
		{"no operationId", http.MethodPost, "", `{"query":"{ hello }"}`, http.StatusBadRequest},
		{"an operationId that is no text", http.MethodPost, "", `{"query":"{ hello }","extensions":{"operationId":1}}`, http.StatusBadRequest},
		{"a long operationId", http.MethodPost, "", `{"query":"{ hello }","extensions":{"operationId":"` + strings.Repeat("x", 257) + `"}}`, http.StatusBadRequest},
		{"no body", http.MethodPost, "", ``, http.StatusBadRequest},
		{"nothing to stop", http.MethodDelete, "", ``, http.StatusBadRequest},
		{"an operation that is over", http.MethodDelete, "?operationId=gone", ``, http.StatusOK},
	} {
		if status, text := c.do(x.method, x.query, x.body); status != x.status {
			t.Errorf("%s: %d %s, want %d", x.name, status, text, x.status)
		}
	}
	for i := range maxWaiting {
		c.start(strings.Repeat("x", i+1), "{ hello }")
	}
	if status, _ := c.start("more", "{ hello }"); status != http.StatusTooManyRequests {
		t.Errorf("one more than may wait: %d", status)
	}
	c.token = "another"
	if status, _ := c.start("a", "{ hello }"); status != http.StatusNotFound {
		t.Errorf("another token: %d", status)
	}
	if status := c.open(); status != http.StatusNotFound {
		t.Errorf("another token opens: %d", status)
	}
	if status, _ := c.do(http.MethodDelete, "?operationId=a", ""); status != http.StatusNotFound {
		t.Errorf("another token stops: %d", status)
	}
}

// TestAReservationIsItsCallers: a token that was seen by others is of no use to them.
func TestAReservationIsItsCallers(t *testing.T) {
	d := newDoor(executor.New(newShop()), HTTPOptions{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if name := r.URL.Query().Get("as"); name != "" {
			r = r.WithContext(rpc.WithPrincipal(r.Context(), &rpc.Principal{Subject: name}))
		}
		d.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	c := &single{t: t, server: server}
	_, c.token = c.do(http.MethodPut, "?as=ann", "")
	const operation = `{"query":"{ hello }","extensions":{"operationId":"1"}}`
	for query, want := range map[string]int{"?as=ann": http.StatusAccepted, "?as=bob": http.StatusNotFound, "": http.StatusNotFound} {
		if status, _ := c.do(http.MethodPost, query, operation); status != want {
			t.Errorf("%q: %d, want %d", query, status, want)
		}
	}
}

// TestAReservationExpires, and takes along what waits for it.
func TestAReservationExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDoor(executor.New(newShop()), HTTPOptions{})
		clients := d.options.Clients
		release, _ := clients.takeSocket("ann")
		r := clients.reservations.reserve("ann", release)
		s := newScratch()
		params, err := decodeParams(&s.json, []byte(`{"query":"{ hello }","extensions":{"operationId":"1"}}`))
		if err != nil {
			t.Fatal(err)
		}
		if refused, fault := d.start(t.Context(), r, params, s, 9); refused != nil || fault != nil {
			t.Fatal(refused, fault)
		}
		time.Sleep(reservationPatience - time.Second)
		if clients.reservations.find(r.token, "ann") == nil {
			t.Error("it is gone before its time")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if clients.reservations.find(r.token, "ann") != nil || len(clients.holdings.counts) != 0 {
			t.Errorf("it is still there, and holds %v", clients.holdings.counts)
		}
		if r.take() {
			t.Error("it can still be opened")
		}
	})
}

// TestCallersHaveBoundedSockets: each kind counts, and those that are closed do not.
func TestCallersHaveBoundedSockets(t *testing.T) {
	clients := NewClients(ClientOptions{MaxSockets: 1, MaxSubscriptions: 1})
	shop, over := newShop(), make(chan struct{}, 10)
	d := newDoor(executor.New(shop), HTTPOptions{Clients: clients})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.ServeHTTP(w, r)
		if streamToken(r) != "" && r.Method == http.MethodGet {
			over <- struct{}{}
		}
	}))
	t.Cleanup(server.Close)
	c := reserve(t, server)
	for _, request := range []string{
		"PUT /\n",
		"GET /?query=subscription{silent}\nAccept: text/event-stream\n",
		"GET /\nConnection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n",
	} {
		if got := exchange(t, server.Client(), server.URL, []byte(request)); !strings.HasPrefix(got, "429 ") {
			t.Errorf("%sgot %s", request, got)
		}
	}
	c.open()
	c.start("1", "subscription { silent }")
	<-shop.began
	if status, _ := c.start("2", "{ hello }"); status != http.StatusTooManyRequests {
		t.Errorf("one operation too many: %d", status)
	}
	c.hangUp()
	<-shop.end
	<-over
	reserve(t, server)
}

func TestCallers(t *testing.T) {
	for peer, want := range map[string]string{
		"192.0.2.7:1234":           "peer 192.0.2.7",
		"[::ffff:192.0.2.7]:1234":  "peer 192.0.2.7",
		"[2001:db8:1:2:3:4:5:6]:1": "peer 2001:db8:1:2::/64",
		"[fe80::1%eth0]:1":         "peer fe80::/64",
		"@":                        "peer @",
		"":                         "peer ",
	} {
		if got := callerOf(WithRequest(t.Context(), Request{Peer: peer})); got != want {
			t.Errorf("%q: %q, want %q", peer, got, want)
		}
	}
}
