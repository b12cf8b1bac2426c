package translate

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// socketReader reads what a client sends over a WebSocket. One goroutine runs it, another
// takes the messages: the reader waits with one that nobody has taken, so that a slow backend
// slows the client.
type socketReader struct {
	socket   *socket
	query    []byte // what the query parameters set in each message
	number   int    // of the message, from 1
	over     bool   // the client said that there are no more
	messages chan []byte
	ended    chan struct{} // closed with over
}

func newSocketReader(s *socket, query []byte) socketReader {
	return socketReader{socket: s, query: query, messages: make(chan []byte), ended: make(chan struct{})}
}

var errClientGone = status.Error(codes.Canceled, "the client is gone")

// run reads until the socket is closed or the client breaks the rules. Its error
// is a status, and the cause of the call's end if that has not come before.
func (r *socketReader) run() error {
	for {
		kind, content, err := r.socket.ws.Read()
		if err != nil {
			return errClientGone
		}
		msg, err := r.decode(kind, content)
		if err != nil {
			return err
		}
		if msg == nil {
			continue
		}
		select {
		case r.messages <- msg:
		case <-r.socket.ctx.Done():
			return rpc.ContextError(r.socket.ctx)
		case <-r.socket.ws.Left():
			return errClientGone
		}
	}
}

// decode returns the message of a frame, or nil for the frame that ends the stream.
func (r *socketReader) decode(kind transport.MessageKind, content []byte) ([]byte, error) {
	if r.over {
		return nil, status.Error(codes.InvalidArgument, "there is a frame behind the end")
	}
	if kind == transport.BinaryMessage {
		if !r.socket.binary() {
			return nil, status.Error(codes.InvalidArgument, "messages are text, unless protean.proto was agreed on")
		}
		return r.message(content)
	}
	name, value, ok := cutFrame(content)
	switch {
	case ok && name == "end" && isEmptyObject(value):
		r.end()
		return nil, nil
	case ok && name == "data" && !r.socket.binary():
		return r.decodeJSON(value)
	default:
		return nil, status.Error(codes.InvalidArgument, `a frame is {"data": …} or {"end": {}}`)
	}
}

func (r *socketReader) end() {
	r.over = true
	close(r.ended)
}

// decodeJSON returns the message of a data frame: data ++ query ++ path.
func (r *socketReader) decodeJSON(value []byte) ([]byte, error) {
	msg, err := r.socket.x.route.decodeFrame(value)
	if err != nil {
		return nil, invalidInput(fmt.Sprintf("message %d", r.number+1), r.socket.x.route.binding.Body, err)
	}
	return r.message(msg)
}

// decodeFrame is decodeBody for frames, which have all of the message where the
// binding has no body.
func (r *route) decodeFrame(value []byte) ([]byte, error) {
	if !r.hasBody() {
		return r.method.Input.AppendWire(nil, value, wire.DecodeOptions{AllowPartial: true, IgnoreUnknown: r.grpcGateway})
	}
	return r.decodeBody(nil, value)
}

// message counts a message and completes it. A call without a stream of requests ends
// with the first; the rest of the frames have no one to take them.
func (r *socketReader) message(body []byte) ([]byte, error) {
	m := r.socket.x.route.method
	if r.number++; !m.ClientStreams && (r.number > 1 || !r.socket.x.route.hasBody()) {
		return nil, status.Error(codes.InvalidArgument, m.FullName()+" takes no further message")
	}
	if len(body) > m.Limits.RequestBytes {
		return nil, status.Error(codes.ResourceExhausted, transport.TooLarge(m.Limits.RequestBytes))
	}
	return r.complete(body)
}

// complete returns body ++ query ++ path. It is never nil.
func (r *socketReader) complete(body []byte) ([]byte, error) {
	msg, err := r.socket.x.route.appendPath(append(body, r.query...), len(body), &r.socket.x.path)
	if err != nil {
		if _, known := status.FromError(err); !known {
			err = status.Errorf(codes.InvalidArgument, "message %d is not valid", r.number)
		}
		return nil, err
	}
	if msg == nil {
		msg = []byte{}
	}
	return msg, nil
}

// next returns the next message, and io.EOF after the last.
func (r *socketReader) next(ctx context.Context) ([]byte, error) {
	select {
	case m := <-r.messages:
		return m, nil
	case <-r.ended:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, rpc.ContextError(ctx)
	}
}

// cutFrame splits a JSON object with one member, whose name is data or end. What the
// value is, is left to whoever reads it: anything but one JSON value fails there.
func cutFrame(text []byte) (name string, value []byte, ok bool) {
	text, open := bytes.CutPrefix(trimSpace(text), []byte("{"))
	text, closed := bytes.CutSuffix(text, []byte("}"))
	if !open || !closed {
		return "", nil, false
	}
	text = trimSpace(text)
	for _, name := range [...]string{"data", "end"} {
		rest, found := bytes.CutPrefix(text, []byte(`"`+name+`"`))
		if !found {
			continue
		}
		if value, ok = bytes.CutPrefix(trimSpace(rest), []byte(":")); ok {
			return name, trimSpace(value), true
		}
	}
	return "", nil, false
}

func isEmptyObject(value []byte) bool {
	inner, open := bytes.CutPrefix(value, []byte("{"))
	inner, closed := bytes.CutSuffix(inner, []byte("}"))
	return open && closed && len(trimSpace(inner)) == 0
}

// trimSpace takes JSON's white space off both ends.
func trimSpace(text []byte) []byte { return bytes.Trim(text, " \t\r\n") }
