package graph

import (
	"net/http"

	"github.com/protean-gateway/protean/translate/transport"
)

// streamEnded is the last part of a stream that ends before its operation does. Errors without a payload are those of
// the stream: clients may subscribe again.
const streamEnded = `{"payload":null,"errors":[{"message":"the gateway ended the stream; subscribe again","extensions":{"code":"UNAVAILABLE"}}]}`

// sendParts answers an operation in parts, by the multipart HTTP protocol of Apollo Router: each response is the payload
// of one part.
func (d *door) sendParts(w http.ResponseWriter, r *http.Request, op *operation) {
	stream, open := transport.OpenPartStream(w, r, 0)
	defer stream.Close()
	send := func(response []byte) error {
		part := append([]byte(`{"payload":`), response...)
		return stream.Send(transport.Event{Data: append(part, '}')})
	}
	if !d.sendAll(open, op, send) {
		_ = stream.Send(transport.Event{Data: []byte(streamEnded)}) // nobody is left to tell
	}
	_ = stream.Send(transport.Event{})
}
