package graph

import (
	"context"
	"net/http"

	"github.com/protean-gateway/protean/translate/transport"
)

// serveEvents answers an operation by server-sent events: graphql-sse, distinct
// connections mode. A refused operation is answered so too, because an
// EventSource shows nothing of any other answer. The client stops an operation
// by closing the stream.
func (d *door) serveEvents(w http.ResponseWriter, r *http.Request, op *operation) *httpFault {
	release, fault := d.admitEvents(callerOf(op.ctx))
	if fault != nil {
		return fault
	}
	defer release()
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
	defer context.AfterFunc(open, op.cancel)()
	defer d.whenStopping(op.cancel)()
	for response := op.next(); response != nil; response = op.next() {
		if stream.Send(transport.Event{Name: "next", Data: appendResponse(nil, response)}) != nil {
			return
		}
	}
	if late := op.lateness(); late != nil {
		_ = stream.Send(transport.Event{Name: "next", Data: appendResponse(nil, late)})
	} else if op.cutShort() {
		return
	}
	_ = stream.Send(transport.Event{Name: "complete"}) // nobody is left to tell
}
