package rpc

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // backends may answer compressed
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
)

// rawCodec passes wire bytes through as *[]byte; a pointer, because putting a
// slice in an interface allocates. Every other value goes to the proto codec.
//
// It is given with each call and never registered: registered, it would replace
// the proto codec of the whole process.
type rawCodec struct{ proto encoding.CodecV2 }

// raw is the call option of the raw codec.
var raw grpc.CallOption = grpc.ForceCodecV2(rawCodec{encoding.GetCodecV2(proto.Name)})

// Marshal hands the bytes over as they are. grpc queues them after the call has
// returned, which is why messages are immutable.
func (c rawCodec) Marshal(v any) (mem.BufferSlice, error) {
	if m, ok := v.(*[]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(*m)}, nil
	}
	return c.proto.Marshal(v)
}

// Unmarshal copies the message out of grpc's buffers, once, into memory that
// belongs to whoever holds the slice.
func (c rawCodec) Unmarshal(data mem.BufferSlice, v any) error {
	if m, ok := v.(*[]byte); ok {
		*m = data.Materialize()
		return nil
	}
	return c.proto.Unmarshal(data, v)
}

// Name is the proto codec's: it becomes part of the content type.
func (rawCodec) Name() string { return proto.Name }
