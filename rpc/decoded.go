package rpc

import (
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
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
// in the call. The error is that of [DecodeRequest].
func (c *Call) Decoded() (*dynamicpb.Message, error) {
	d := c.decoded.Load()
	if d == nil {
		d = decode(c)
		c.decoded.Store(d) // of two that decode at once either will do
	}
	return d.message, d.err
}

var (
	errMalformed = status.Error(codes.InvalidArgument, "the request is not a valid message")
	errTooMany   = status.Error(codes.ResourceExhausted, "the request has too many elements to be looked into")
)

func decode(c *Call) *decoded {
	m, err := DecodeRequest(c.Method, c.Request)
	return &decoded{m, err}
}

// The bounds of decoding: how deep messages lie within each other, as in protobuf's C++ and Java, and how much memory
// a message takes for each byte that a request of its method may have.
const (
	maxDecodedDepth = 100
	maxDecodedTimes = 10
	leastRequest    = 1 << 20
)

// DecodeRequest decodes one message of a client stream. The error is an INVALID_ARGUMENT status, or RESOURCE_EXHAUSTED
// where the message would take more than ten times the memory of the largest request. It survives dynamicpb, which
// panics on some bytes that are no message, such as a map's key of another wire type.
func DecodeRequest(m *schema.Method, request []byte) (message *dynamicpb.Message, err error) {
	most := maxDecodedTimes * max(m.Limits.RequestBytes, leastRequest)
	if len(request) > most/mostOfByte {
		memory := memoryLeft(most)
		if memory.message(m.Input.Descriptor(), request, maxDecodedDepth); memory < 0 {
			return nil, errTooMany
		}
	}
	defer func() {
		if recover() != nil {
			message, err = nil, errMalformed
		}
	}()
	message = dynamicpb.NewMessage(m.Input.Descriptor())
	if (proto.UnmarshalOptions{RecursionLimit: maxDecodedDepth}).Unmarshal(request, message) != nil {
		return nil, errMalformed
	}
	return message, nil
}

// What dynamicpb takes at the most, in bytes: for a value, such as an element of a list, with the room that
// a list has for more; and for a message besides, or an entry of a map. An empty message in a list is two bytes on the wire.
const (
	valueBytes   = 60
	messageBytes = 260
	mostOfByte   = (valueBytes + messageBytes) / 2
)

// memoryLeft is about how much memory is left for messages once they are decoded, in bytes. What is no message counts as
// far as it is one, since decoding goes no further either.
type memoryLeft int

func (left *memoryLeft) message(md protoreflect.MessageDescriptor, b []byte, depth int) {
	for depth > 0 && len(b) > 0 && *left >= 0 {
		number, kind, size := protowire.ConsumeTag(b)
		if size < 0 {
			return
		}
		b = b[size:]
		if size = protowire.ConsumeFieldValue(number, kind, b); size < 0 {
			return
		}
		left.field(md.Fields().ByNumber(number), number, kind, b[:size], depth)
		b = b[size:]
	}
}

func (left *memoryLeft) field(fd protoreflect.FieldDescriptor, number protowire.Number, kind protowire.Type, value []byte, depth int) {
	if fd == nil {
		*left -= memoryLeft(2 * len(value)) // it is kept as it is
		return
	}
	*left -= valueBytes
	var inside []byte
	switch kind {
	case protowire.BytesType:
		inside, _ = protowire.ConsumeBytes(value)
	case protowire.StartGroupType:
		inside, _ = protowire.ConsumeGroup(number, value)
	default:
		return
	}
	switch {
	case fd.Message() != nil:
		*left -= messageBytes
		left.message(fd.Message(), inside, depth-1)
	case fd.IsList() && fd.Kind() != protoreflect.StringKind && fd.Kind() != protoreflect.BytesKind:
		*left -= memoryLeft(valueBytes * packed(fd.Kind(), inside))
	default:
		*left -= memoryLeft(len(inside))
	}
}

// packed is how many numbers there are in a packed list.
func packed(kind protoreflect.Kind, list []byte) (n int) {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return len(list) / 4
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return len(list) / 8
	default:
		for _, c := range list {
			if c < 0x80 { // the last byte of one
				n++
			}
		}
		return n
	}
}
