package test

import (
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/anypb"
)

// callGRPC calls with grpc-go, as a client does that knows the method.
func callGRPC(c *matrixCall) (v verdict, err error) {
	conn, err := grpc.NewClient(c.address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(2*matrixLimit)))
	if err != nil {
		return v, err
	}
	defer conn.Close()
	md := make(metadata.MD)
	for name, values := range c.header {
		md.Append(name, values...)
	}
	if c.timeout > 0 { // grpc-go would keep a deadline itself, and it is the gateway's answer that counts
		md.Set("x-request-timeout", c.milliseconds()+"ms")
	}
	ctx := metadata.NewOutgoingContext(c.ctx, md)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, c.further(c.shape.path()), grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return v, err
	}
	for _, text := range c.shape.sends(c.text) {
		_ = stream.SendMsg(&rawMessage{bytes: wireText(text)}) // a send that fails leaves the reason to RecvMsg
	}
	_ = stream.CloseSend()
	for {
		m := new(rawMessage)
		err := stream.RecvMsg(m)
		switch {
		case errors.Is(err, io.EOF):
			return v, nil
		case c.ctx.Err() != nil:
			return v, c.ctx.Err()
		case err != nil:
			v.judge(status.Convert(err))
			return v, nil
		}
		v.answers += noteText(m.bytes) + ","
	}
}

// judge takes a status into account.
func (v *verdict) judge(st *status.Status) {
	v.code, v.message, v.details = st.Code(), st.Message(), ""
	for _, d := range st.Proto().GetDetails() {
		v.addDetail(d)
	}
}

// addDetail takes a detail in protobuf into account.
func (v *verdict) addDetail(d *anypb.Any) {
	var info errdetails.ErrorInfo
	_ = d.UnmarshalTo(&info) // no other type has a reason
	v.details += string(d.MessageName()) + " " + info.GetReason()
}

// wireText is a note with a text.
func wireText(text string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text)
}

// noteText returns the text of a note.
func noteText(note []byte) string {
	text, n := protowire.ConsumeBytes(note[min(1, len(note)):])
	if n < 0 {
		return fmt.Sprintf("%q", note)
	}
	return string(text)
}

// grpcTimeout writes a time as gRPC's header does.
func grpcTimeout(d time.Duration) string { return fmt.Sprintf("%dm", d.Milliseconds()) }
