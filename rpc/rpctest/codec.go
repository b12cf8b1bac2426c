package rpctest

import (
	"google.golang.org/grpc/encoding"
	"google.golang.org/protobuf/proto"
)

// Codec passes messages of the type *[]byte through, and all others in the proto
// encoding. It is for servers and connections of tests, forced on them.
type Codec struct{}

var _ encoding.Codec = Codec{}

// Marshal implements [encoding.Codec].
func (Codec) Marshal(v any) ([]byte, error) {
	if m, ok := v.(*[]byte); ok {
		return *m, nil
	}
	return proto.Marshal(v.(proto.Message))
}

// Unmarshal implements [encoding.Codec].
func (Codec) Unmarshal(data []byte, v any) error {
	if m, ok := v.(*[]byte); ok {
		*m = data
		return nil
	}
	return proto.Unmarshal(data, v.(proto.Message))
}

// Name implements [encoding.Codec].
func (Codec) Name() string { return "proto" }
