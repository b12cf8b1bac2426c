package translate

import (
	"context"
	"net/http"
	"strconv"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// Server-sent events carry the frames of frames.go. A data frame is an event without a
// name, which onmessage of an EventSource gets; the last frame is an event `end` or
// `error`, at which a client closes the source: it would call again otherwise.
//
// The ids count the messages. An EventSource that lost its connection calls again with
// the last one as Last-Event-ID; it reaches the backend as metadata last-event-id, and
// the ids go on from there. The gateway keeps nothing to resume from: a backend that
// knows nothing of that metadata begins anew.
const lastEventID = "last-event-id"

// maxEventID bounds the ids that are passed on, in bytes.
const maxEventID = 128

// eventStream writes the answers of a call as server-sent events.
type eventStream struct {
	frames
	ctx    context.Context //nolint:containedctx // of this one call
	events *transport.EventStream
	id     int64
}

// callEvents is callStream for event streams. The answer begins with the backend's headers
// or the first heartbeat, so that a client knows that it is heard. An error before is an
// HTTP error like any other.
func (x *exchange) callEvents(ctx context.Context, r *http.Request, call *rpc.Call, p *wire.Projection) error {
	last := resume(call.Metadata, r.Header)
	h := x.writer.Header() // nobody may touch it once there are heartbeats
	x.in.closeUnread(h)
	h["X-Content-Type-Options"] = noSniff
	events, ctx := transport.NewEventStream(ctx, x.writer, 0)
	events.SetPatience(call.Method.Limits.SlowConsumer)
	s := &eventStream{frames: frames{x: x, projection: p}, ctx: ctx, events: events, id: last}
	defer boundWrites(ctx, http.NewResponseController(x.writer))()
	err := x.rest.handler(ctx, call, s)
	if begun := events.Quiet(); err != nil && !begun {
		x.trailer = s.trailer
		return err
	}
	s.end(err)
	events.Close()
	x.endWithTrailers(s.trailer, err)
	return nil
}

// resume tells the backend, by the metadata of a call not made yet, after which event a
// client goes on, and returns the number of that event.
func resume(md metadata.MD, h http.Header) (last int64) {
	id := h.Get("Last-Event-ID")
	if id == "" || len(id) > maxEventID || !printable(id) {
		return 0
	}
	md.Set(lastEventID, id)
	last, err := strconv.ParseInt(id, 10, 63) // with room to count on
	if err != nil || last < 0 {
		return 0
	}
	return last
}

// printable reports whether a text is ASCII that metadata can carry.
func printable(text string) bool {
	for i := range len(text) {
		if text[i] < ' ' || text[i] > '~' {
			return false
		}
	}
	return true
}

func (s *eventStream) Recv() ([]byte, error) { return s.x.recv() }

func (s *eventStream) SendHeader(md metadata.MD) error {
	s.begin(md)
	return nil // a failure is that of the next Send
}

func (s *eventStream) begin(md metadata.MD) {
	s.events.Begin(func(h http.Header) { copyHeader(s.x.rest.headers, h, md) })
}

// Send writes a message as an event. It blocks while the client is slow.
func (s *eventStream) Send(msg []byte) error {
	content, err := s.appendData(s.x.json[:0], msg)
	s.x.json = content
	if err != nil {
		return err
	}
	s.id++
	return s.send(transport.Event{ID: strconv.FormatInt(s.id, 10), Data: content})
}

// end writes the last frame.
func (s *eventStream) end(err error) {
	name := "end"
	if err != nil {
		name = "error"
	}
	s.x.json = s.appendLast(s.x.json[:0], err)
	_ = s.send(transport.Event{Name: name, Data: s.x.json}) // a client that is gone needs no end
}

func (s *eventStream) send(e transport.Event) error {
	s.begin(nil)
	return sentTo(s.ctx, s.events.Send(e))
}
