package rpc

import (
	"testing"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestRawCodec(t *testing.T) {
	codec := rawCodec{encoding.GetCodecV2(proto.Name)}
	message := []byte{0x0a, 0x01, 'x'} // the text x in a StringValue
	wire, err := codec.Marshal(&message)
	if err != nil {
		t.Fatal(err)
	}
	var text wrapperspb.StringValue
	if err := codec.Unmarshal(wire, &text); err != nil || text.Value != "x" {
		t.Errorf("as a message: %v, %v", &text, err)
	}
	if wire, err = codec.Marshal(&text); err != nil {
		t.Fatal(err)
	}
	var back []byte
	if err := codec.Unmarshal(wire, &back); err != nil || string(back) != string(message) {
		t.Errorf("as bytes: %x, %v", back, err)
	}
	if _, err := codec.Marshal("no message"); err == nil {
		t.Error("a string was taken for a message")
	}
}

// What was received must not change when grpc uses its buffers again.
func TestRawCodecOwnsWhatItReceives(t *testing.T) {
	message := []byte("abc")
	codec := rawCodec{encoding.GetCodecV2(proto.Name)}
	wire, err := codec.Marshal(&message)
	if err != nil {
		t.Fatal(err)
	}
	var got []byte
	if err := codec.Unmarshal(wire, &got); err != nil {
		t.Fatal(err)
	}
	message[0] = 'x'
	if string(got) != "abc" {
		t.Errorf("got %q", got)
	}
}
