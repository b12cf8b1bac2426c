package graph

import (
	"context"
	"net/http"

	"github.com/99designs/gqlgen/graphql"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// The single connection mode of graphql-sse: PUT reserves an event stream, GET
// opens it, and then each POST starts an operation whose responses are
// sent there, and DELETE stops one. What belongs together has the token that PUT gave out,
// and comes from one caller.

// tokenHeader carries the token. An EventSource cannot set it, and has the
// parameter `token` in the URL.
const tokenHeader = "X-Graphql-Event-Stream-Token" // as net/http spells it

func streamToken(r *http.Request) string {
	if token := headerOf(r, tokenHeader); token != "" {
		return token
	}
	if r.URL.RawQuery == "" {
		return ""
	}
	return r.URL.Query().Get("token")
}

// opensReserved reports whether a GET is to open a stream that was reserved.
func opensReserved(r *http.Request) bool {
	return streamToken(r) != "" && negotiate(r.Header).eventsNamed
}

// serveReserve answers with the token of a new reservation.
func (d *door) serveReserve(w http.ResponseWriter, r *http.Request) {
	ctx, release, fault := d.admit(r)
	if fault != nil {
		fault.write(w, negotiate(r.Header))
		return
	}
	token := d.options.Clients.reservations.reserve(callerOf(ctx), release).token
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusCreated)
	_, _ = w.Write([]byte(token)) // nobody is left to tell
}

// reservation finds the reservation that a request has the token of.
func (d *door) reservation(ctx context.Context, r *http.Request) (*reservation, *httpFault) {
	if found := d.options.Clients.reservations.find(streamToken(r), callerOf(ctx)); found != nil {
		return found, nil
	}
	return nil, noReservation()
}

// serveReserved opens a reserved event stream. It returns when the stream and all of
// its operations are over.
func (d *door) serveReserved(w http.ResponseWriter, r *http.Request) {
	ctx, fault := d.request(r)
	var reserved *reservation
	switch {
	case fault != nil:
	case d.crossSite(r):
		fault = forged()
	default:
		reserved, fault = d.reservation(ctx, r)
	}
	if fault == nil && !reserved.take() {
		fault = inUse("the event stream is open already")
	}
	if fault != nil {
		fault.write(w, negotiate(r.Header))
		return
	}
	events, open := transport.OpenEventStream(w, r, 0)
	defer events.Close()
	open, cancel := context.WithCancel(open)
	defer d.whenStopping(cancel)()
	defer rpc.WatchCaller(ctx, func(error) { cancel() })()
	reserved.serve(open, cancel, events)
}

// serveStart takes an operation whose responses go to a reserved stream, and
// answers 202. What is wrong with it is said in the answer, not in the stream.
func (d *door) serveStart(w http.ResponseWriter, r *http.Request) {
	a := negotiate(r.Header)
	ctx, fault := d.request(r)
	if fault != nil {
		fault.write(w, a)
		return
	}
	reserved, fault := d.reservation(ctx, r)
	if fault != nil {
		fault.write(w, a)
		return
	}
	s := newScratch()
	params, size, fault := d.readPost(w, r, s)
	if fault != nil {
		fault.write(w, a)
		return
	}
	refused, fault := d.start(ctx, reserved, params, s, size)
	switch {
	case fault != nil:
		fault.write(w, a)
	case refused != nil:
		writeResponse(w, httpStatusOf(refused, a.media()), a, refused)
	default:
		w.WriteHeader(http.StatusAccepted)
	}
}

// start prepares an operation, which came in a request of so many bytes, and hands it
// to a reserved stream. It returns what is to be said where that was not to be.
func (d *door) start(ctx context.Context, to *reservation, params params, s *scratch, size int) (refused *graphql.Response, _ *httpFault) {
	member, _ := params.extensions.field("operationId")
	id, _ := member.text()
	if id == "" || len(id) > maxOperationID {
		return nil, badRequest("extensions.operationId must name the operation, in at most 256 bytes")
	}
	// The operation goes on after the request that brought it.
	ctx, cancel, err := transport.WithTimeout(context.WithoutCancel(ctx), params.headers)
	if err != nil {
		return nil, faultOf(err)
	}
	free, ok := d.options.Clients.takeSubscription(to.caller)
	if !ok {
		cancel()
		return nil, tooManyOperations()
	}
	release := func() { cancel(); free() }
	op := d.prepare(ctx, params, s)
	var fault *httpFault
	if op.refused == nil {
		fault = to.add(&reservedOperation{operation: op, id: id, release: release}, size)
	}
	if op.refused != nil || fault != nil {
		op.close()
		release()
	}
	return op.refused, fault
}

// serveStop stops an operation. One that is not there is over already.
func (d *door) serveStop(w http.ResponseWriter, r *http.Request) {
	ctx, fault := d.request(r)
	var reserved *reservation
	if fault == nil {
		reserved, fault = d.reservation(ctx, r)
	}
	id := r.URL.Query().Get("operationId")
	if fault == nil && id == "" {
		fault = badRequest("operationId must name the operation")
	}
	if fault != nil {
		fault.write(w, negotiate(r.Header))
		return
	}
	reserved.stop(id)
	w.WriteHeader(http.StatusOK)
}
