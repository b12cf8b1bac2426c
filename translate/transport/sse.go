package transport

import (
	"bytes"
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The times of an event stream.
const (
	// DefaultHeartbeat is the time between two signs of life of a silent event
	// stream. Proxies commonly cut what is silent for a minute.
	DefaultHeartbeat = 15 * time.Second
	// DefaultPatience is how long a client may take to make room for one event.
	DefaultPatience = 30 * time.Second
)

// Event is one event of a stream. Empty parts are left out; Data never is.
type Event struct {
	Name string // line breaks in it end it
	ID   string // likewise
	Data []byte // any text in UTF-8; may have many lines
}

// EventStream writes server-sent events (WHATWG HTML, section 9.2), or events in another form. It is safe
// for concurrent use.
type EventStream struct {
	form    *eventForm
	w       http.ResponseWriter
	control *http.ResponseController
	gone    context.CancelFunc
	beats   sync.WaitGroup
	outbox  Outbox

	patience atomic.Int64 // a time.Duration

	mu      sync.Mutex
	buf     []byte
	begun   bool // the head of the answer was written
	written bool // something was written since the last beat
}

// eventForm is how events are written.
type eventForm struct {
	contentType string
	opening     string // before everything else
	heartbeat   string // what clients skip
	append      func(dst []byte, e Event) []byte
}

// serverSent has a comment as its heartbeat.
var serverSent = eventForm{contentType: "text/event-stream", heartbeat: ":\n\n", append: appendEvent}

// OpenEventStream begins the answer to a request, with status 200, and writes a
// comment every heartbeat in which nothing was sent; 0 means [DefaultHeartbeat].
// The context returned is r's and also ends once the client cannot be written to. The
// caller must call Close before its handler returns.
func OpenEventStream(w http.ResponseWriter, r *http.Request, every time.Duration) (*EventStream, context.Context) {
	s, ctx := NewEventStream(r.Context(), w, every)
	s.Begin(nil)
	return s, ctx
}

// OpenPartStream is [OpenEventStream] for a stream of parts.
func OpenPartStream(w http.ResponseWriter, r *http.Request, every time.Duration) (*EventStream, context.Context) {
	s, ctx := newEventStream(r.Context(), w, every, &parts)
	s.Begin(nil)
	return s, ctx
}

// NewEventStream is [OpenEventStream] for an answer that may still become another
// one: nothing is written before Begin, Send or the first heartbeat, whichever comes first.
func NewEventStream(ctx context.Context, w http.ResponseWriter, every time.Duration) (*EventStream, context.Context) {
	return newEventStream(ctx, w, every, &serverSent)
}

func newEventStream(ctx context.Context, w http.ResponseWriter, every time.Duration, form *eventForm) (*EventStream, context.Context) {
	if every == 0 {
		every = DefaultHeartbeat
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &EventStream{form: form, w: w, control: http.NewResponseController(w), gone: cancel}
	s.outbox.To = (*eventDelivery)(s)
	s.SetPatience(DefaultPatience)
	s.beats.Go(func() { s.beat(ctx, every) })
	return s, ctx
}

// SetPatience says how long the client may take to make room for one event; at first it
// is [DefaultPatience].
func (s *EventStream) SetPatience(d time.Duration) { s.patience.Store(int64(d)) }

// Begin writes the head of the answer and a comment, unless that was done before: set
// adds headers to it, and may be nil. A failure is that of the next Send.
func (s *EventStream) Begin(set func(http.Header)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.begun {
		return
	}
	if set != nil {
		set(s.w.Header())
	}
	_ = s.write([]byte(s.form.heartbeat))
}

// Send writes one event; see [Outbox]. It blocks while the client is slow to
// read. An error is final.
func (s *EventStream) Send(e Event) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = s.form.append(s.buf[:0], e)
	return s.write(s.buf)
}

// Quiet ends the heartbeat and the context, and reports whether the answer is an event stream:
// one that was never begun may still become another. The last events may follow.
func (s *EventStream) Quiet() (begun bool) {
	s.gone()
	s.beats.Wait()
	return s.begun
}

// Close is Quiet, and writes what was sent. It does not end the response; returning from the
// handler does.
func (s *EventStream) Close() (begun bool) {
	begun = s.Quiet()
	if rest, err := s.outbox.Close(nil); err == nil && len(rest) > 0 {
		_ = (*eventDelivery)(s).Deliver(rest) // nobody is left to tell
	}
	return begun
}

// write begins the answer where it has not begun. The caller holds s.mu or is alone.
func (s *EventStream) write(p []byte) error {
	var opening []byte
	if !s.begun {
		s.begun = true
		opening = []byte(s.form.opening)
		h := s.w.Header()
		h.Set("Content-Type", s.form.contentType)
		h.Set("Cache-Control", "no-store")
		h.Set("X-Accel-Buffering", "no") // nginx holds events back otherwise
	}
	s.written = true
	return s.outbox.Send(opening, p)
}

// eventDelivery is the stream as its outbox sees it.
type eventDelivery EventStream

// Deliver implements [Deliverer]. A client that does not make room in time is given up.
func (s *eventDelivery) Deliver(p []byte) error {
	// Where deadlines are not supported, the server's own hold. HTTP/2 resets a
	// stream whose deadline passes even while nobody writes, so it is lifted again.
	_ = s.control.SetWriteDeadline(time.Now().Add(time.Duration(s.patience.Load())))
	_, err := s.w.Write(p)
	if err == nil {
		err = s.control.Flush()
	}
	if err != nil {
		s.gone()
		return err
	}
	_ = s.control.SetWriteDeadline(time.Time{})
	return nil
}

func (s *EventStream) beat(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			s.beatOnce()
		}
	}
}

func (s *EventStream) beatOnce() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.written {
		_ = s.write([]byte(s.form.heartbeat)) // it fails the stream
	}
	s.written = false
}

func appendEvent(dst []byte, e Event) []byte {
	dst = appendField(dst, "event: ", e.Name)
	dst = appendField(dst, "id: ", e.ID)
	for rest, more := e.Data, true; more; {
		var line []byte
		line, rest, more = cutLine(rest)
		dst = append(append(append(dst, "data: "...), line...), '\n')
	}
	return append(dst, '\n')
}

func appendField(dst []byte, field, value string) []byte {
	if end := strings.IndexAny(value, "\r\n\x00"); end >= 0 {
		value = value[:end]
	}
	if value == "" {
		return dst
	}
	return append(append(append(dst, field...), value...), '\n')
}

// cutLine cuts at the first line break of any kind: LF, CR LF or CR.
func cutLine(text []byte) (line, rest []byte, more bool) {
	i := bytes.IndexAny(text, "\r\n")
	if i < 0 {
		return text, nil, false
	}
	if bytes.HasPrefix(text[i:], []byte("\r\n")) {
		return text[:i], text[i+2:], true
	}
	return text[:i], text[i+1:], true
}
