package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/schema"
)

// decoded is what became of a request that a policy looked into.
type decoded struct {
	message *dynamicpb.Message
	err     error
}

// Decoded returns the request as a message, for policies that must read inside
// it; all others leave it as bytes. It is decoded by the first that asks, and
// nobody may change it. Not for methods with Method.ClientStreams, whose requests are not
// in the call. The error is an INVALID_ARGUMENT status.
func (c *Call) Decoded() (*dynamicpb.Message, error) {
	d := c.decoded.Load()
	if d == nil {
		d = decode(c)
		c.decoded.Store(d) // of two that decode at once either will do
	}
	return d.message, d.err
}

var errMalformed = status.Error(codes.InvalidArgument, "the request is not a valid message")

func decode(c *Call) *decoded {
	m, err := DecodeRequest(c.Method, c.Request)
	return &decoded{m, err}
}

// DecodeRequest decodes one message of a client stream. The error is an INVALID_ARGUMENT
// status. It survives dynamicpb, which panics on some bytes that are no message, such as a map's key
// of another wire type.
func DecodeRequest(m *schema.Method, request []byte) (message *dynamicpb.Message, err error) {
	defer func() {
		if recover() != nil {
			message, err = nil, errMalformed
		}
	}()
	message = dynamicpb.NewMessage(m.Input.Descriptor())
	if proto.Unmarshal(request, message) != nil {
		return nil, errMalformed
	}
	return message, nil
}
