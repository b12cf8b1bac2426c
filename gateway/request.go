package gateway

import (
	"bufio"
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"net/http"
	"time"

	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
)

// request is what the edge keeps of a request, in one place: the context of all that is done for
// it, and what is noted of its answer.
type request struct {
	context.Context
	rpc.Scope             // of its calls
	conn      *clientConn // that ends the scope with the client; nil: the scope asks net/http
	id        [1]string   // is a header's value as well; nobody writes to it
	answer    recorder
}

// begin opens the scope of the calls, until end. A connection with one request at a time, which watches its
// client itself, tells of the client's end.
func (x *request) begin(r *http.Request) {
	if client, ok := r.Context().Value(clientKey{}).(*client); ok && r.ProtoMajor == 1 {
		x.conn, _ = client.Conn.(*clientConn)
	}
	x.Open(r.Context(), x.conn != nil)
	if x.conn == nil {
		return
	}
	x.conn.current.Store(x)
	if r.Context().Err() != nil { // the connection may have looked before
		x.End()
	}
}

func (x *request) end() {
	if x.conn != nil {
		x.conn.current.Store(nil)
	}
	x.End()
}

type requestIDKey struct{}

// Value is part of [context.Context].
func (x *request) Value(key any) any {
	switch key.(type) {
	case requestIDKey:
		return &x.id[0]
	case resilience.ReportKey:
		return x.answer.report
	default:
		if rpc.OfCaller(key) {
			return nil // they are known only behind the edge
		}
		return x.Context.Value(key)
	}
}

// requestID returns the id of the request that ctx belongs to.
func requestID(ctx context.Context) string {
	if id, ok := ctx.Value(requestIDKey{}).(*string); ok {
		return *id
	}
	return ""
}

// identify takes a well-formed id from the client or makes one, and says it in the answer and
// to the backend.
func (x *request) identify(header string, from, to http.Header) {
	if id := from[header]; len(id) > 0 && wellFormedID(id[0]) {
		x.id[0] = id[0]
	} else {
		x.id[0] = newID()
		from[header] = x.id[:]
	}
	to[header] = x.id[:]
}

// newID names a request. It is no secret.
func newID() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	var id [26]byte
	var bits uint64
	for i := range id {
		if i%12 == 0 {
			bits = rand.Uint64() //nolint:gosec // names a request and guards nothing
		}
		id[i] = letters[bits&31]
		bits >>= 5
	}
	return string(id[:])
}

func wellFormedID(id string) bool {
	if len(id) == 0 || len(id) > 128 {
		return false
	}
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return true
}

// recorder remembers the status. It keeps what [http.ResponseController] and
// the WebSocket upgrade look for.
type recorder struct {
	http.ResponseWriter
	status    int
	challenge string             // RFC 9110, section 11.6.1; may be empty
	report    *resilience.Report // what rate limits decided; nil: answers do not tell of it
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 || r.status < 200 {
		r.start(status)
	}
	if status == http.StatusUnauthorized && r.Header()["Www-Authenticate"] == nil {
		r.Header()["Www-Authenticate"] = []string{cmp.Or(r.challenge, backendChallenge)}
	}
	r.ResponseWriter.WriteHeader(status)
}

// backendChallenge is for an answer 401 of a backend that names no scheme, where the gateway itself has no authenticator: there
// must be one (RFC 9110, section 15.5.2).
const backendChallenge = "Bearer"

// start notes the status and completes the headers. A door that wants no Date has it there as nil.
func (r *recorder) start(status int) {
	r.status = status
	h := r.Header()
	r.report.SetHeaders(h)
	if _, said := h["Date"]; !said {
		h["Date"] = dateHeader(time.Now())
	}
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.status == 0 {
		r.start(http.StatusOK)
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (r *recorder) Flush() {
	if f, ok := r.ResponseWriter.(http.Flusher); ok {
		f.Flush()
	}
}

func (r *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	h, ok := r.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, http.ErrNotSupported
	}
	r.status = http.StatusSwitchingProtocols
	return h.Hijack()
}
