package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
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

// decode survives dynamicpb, which panics on some bytes that are no message, such as
// a map's key of another wire type.
func decode(c *Call) (d *decoded) {
	defer func() {
		if recover() != nil {
			d = &decoded{err: errMalformed}
		}
	}()
	m := dynamicpb.NewMessage(c.Method.Input.Descriptor())
	if proto.Unmarshal(c.Request, m) != nil {
		return &decoded{err: errMalformed}
	}
	return &decoded{message: m}
}
