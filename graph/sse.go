package graph

import (
	"context"
	"net/http"

	"github.com/protean-gateway/protean/translate/transport"
)

// serveEvents answers an operation by a stream of responses: in parts if the client prefers them, or else by server-sent
// events (graphql-sse, distinct connections mode). A refused operation is answered so too, because an
// EventSource shows nothing of any other answer. The client stops an operation
// by closing the stream.
func (d *door) serveEvents(w http.ResponseWriter, r *http.Request, a acceptance, op *operation) *httpFault {
	release, fault := d.admitEvents(callerOf(op.ctx))
	if fault != nil {
		return fault
	}
	defer release()
	if a.prefersParts() {
		d.sendParts(w, r, op)
		return nil
	}
	d.sendEvents(w, r, op)
	return nil
}

// admitEvents counts an event stream of a caller and its one operation.
func (d *door) admitEvents(caller string) (release func(), _ *httpFault) {
	socket, ok := d.options.Clients.takeSocket(caller)
	if !ok {
		return nil, tooManySockets()
	}
	subscription, ok := d.options.Clients.takeSubscription(caller)
	if !ok {
		socket()
		return nil, tooManyOperations()
	}
	return func() { subscription(); socket() }, nil
}

func (d *door) sendEvents(w http.ResponseWriter, r *http.Request, op *operation) {
	stream, open := transport.OpenEventStream(w, r, 0)
	defer stream.Close()
	send := func(response []byte) error {
		return stream.Send(transport.Event{Name: "next", Data: response})
	}
	if d.sendAll(open, op, send) {
		_ = stream.Send(transport.Event{Name: "complete"}) // nobody is left to tell
	}
}

// sendAll sends the responses of an operation, and reports whether it sent all of them. The operation is cancelled if
// open ends or the gateway stops.
func (d *door) sendAll(open context.Context, op *operation, send func(response []byte) error) bool {
	defer context.AfterFunc(open, op.cancel)()
	defer d.whenStopping(op.cancel)()
	for response := op.next(); response != nil; response = op.next() {
		if send(appendResponse(nil, response)) != nil {
			return false
		}
	}
	if late := op.lateness(); late != nil {
		return send(appendResponse(nil, late)) == nil
	}
	return !op.cutShort()
}
