package rpc

import (
	"context"
	"errors"
	"io"
	"runtime/debug"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/schema"
)

// Handle is a [Handler]: it sends a call to the backend of its method and the
// answer to s. Messages pass through unchanged. Errors are gRPC statuses; see
// [FromBackend]. Cancelling ctx resets the backend's stream at once, also a
// silent one.
//
// Where a unary call fails here, nothing was sent on s, so that it may be tried
// again; where the backend sent headers and then an error, both are passed on.
func (p *Pool) Handle(ctx context.Context, c *Call, s Stream) error {
	conn := p.acquire(c.Method.Service.Backend.Name)
	if conn == nil {
		return errNotConfigured
	}
	defer conn.release()
	if len(c.Request) > c.Method.Limits.RequestBytes {
		return requestTooLarge(c)
	}
	if call, ok := ctx.(*Deadline); ok && !c.Method.Streams() {
		return call.invoke(c, s).unary(conn)
	}
	x := &exchange{call: c, client: s}
	ctx = context.WithValue(metadata.NewOutgoingContext(ctx, c.Metadata), exchangeKey{}, x)
	if c.Method.Streams() {
		return x.stream(ctx, conn)
	}
	return x.unary(ctx, conn)
}

var _ Handler = (*Pool)(nil).Handle

func requestTooLarge(c *Call) error {
	return status.Errorf(codes.ResourceExhausted,
		"a request message is larger than the limit of %d bytes", c.Method.Limits.RequestBytes)
}

// exchange is one call between its client and a backend.
type exchange struct {
	call            *Call
	client          Stream
	header, trailer metadata.MD // nil until they came
	message         []byte      // the latest response
	options         [4]grpc.CallOption
	replica         atomic.Pointer[replica] // that has the call; nil: none has, or it is not ours to choose
}

// exchangeKey is what a call's context has its exchange under, for who picks the replica.
type exchangeKey struct{}

// answered tells the replica that the call went well.
func (x *exchange) answered() {
	if r := x.replica.Load(); r != nil {
		r.answered()
	}
}

// unary is the path without goroutines or channels of our own.
func (x *exchange) unary(ctx context.Context, conn *connection) error {
	x.options = [4]grpc.CallOption{
		raw, x.responseLimit(), grpc.Header(&x.header), grpc.Trailer(&x.trailer),
	}
	err := conn.Invoke(ctx, x.call.Method.Path, &x.call.Request, &x.message, x.options[:]...)
	if err != nil {
		err = x.classify(ctx, err)
	} else {
		x.answered()
	}
	if err == nil || (x.header != nil && FromBackend(err)) {
		if err := x.sendHeader(); err != nil {
			return err
		}
	}
	if err == nil {
		err = x.client.Send(x.message)
	}
	x.sendTrailer()
	return err
}

// stream carries a call with streams in either or both directions.
func (x *exchange) stream(ctx context.Context, conn *connection) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil) // resets the backend's stream where the client went first
	m := x.call.Method
	desc := &grpc.StreamDesc{ClientStreams: m.ClientStreams, ServerStreams: m.ServerStreams}
	st, err := conn.NewStream(ctx, desc, m.Path, raw, x.responseLimit())
	if err != nil {
		return x.classify(ctx, err)
	}
	if m.ClientStreams {
		conn.refs.Add(1)
		go x.pump(st, conn, cancel)
	} else if err := st.SendMsg(&x.call.Request); err != nil {
		return x.classify(ctx, err)
	}
	return x.receive(ctx, st)
}

// receive passes responses on until the backend ends the call. The client's
// blocking Send is the back-pressure, up to the backend's flow-control window.
func (x *exchange) receive(ctx context.Context, st grpc.ClientStream) error {
	x.header, _ = st.Header() // nil after a failure, which RecvMsg then returns
	if x.header != nil {
		if err := x.sendHeader(); err != nil {
			return err
		}
	}
	for {
		err := st.RecvMsg(&x.message)
		if err == nil {
			err = x.client.Send(x.message)
			if err != nil {
				return err
			}
			if x.call.Method.ServerStreams {
				continue
			}
			err = io.EOF // RecvMsg has waited for the trailers
		}
		x.trailer = st.Trailer()
		if errors.Is(err, io.EOF) {
			x.answered()
			err = nil
		} else {
			err = x.classify(ctx, err)
		}
		x.sendTrailer()
		return err
	}
}

// pump passes request messages on until the client has sent its last. It holds
// a reference to the connection, so Pool.Close waits for it; its failures end the call.
func (x *exchange) pump(st grpc.ClientStream, conn *connection, cancel context.CancelCauseFunc) {
	defer conn.release()
	defer func() {
		if v := recover(); v != nil {
			cancel(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	for {
		m, err := x.client.Recv()
		if errors.Is(err, io.EOF) {
			_ = st.CloseSend() // RecvMsg has the status
			return
		}
		if err == nil && len(m) > x.call.Method.Limits.RequestBytes {
			err = requestTooLarge(x.call)
		}
		if err != nil {
			cancel(err)
			return
		}
		if st.SendMsg(&m) != nil {
			return // the call is over; RecvMsg has the status
		}
	}
}

func (x *exchange) responseLimit() grpc.CallOption {
	if limit := x.call.Method.Limits.ResponseBytes; limit != schema.DefaultResponseBytes {
		return grpc.MaxCallRecvMsgSize(limit)
	}
	return defaultResponseLimit
}

// defaultResponseLimit is what most methods have. An option that is made for each call is an allocation.
var defaultResponseLimit = grpc.MaxCallRecvMsgSize(schema.DefaultResponseBytes)

func (x *exchange) sendHeader() error {
	delete(x.header, "content-type")
	return x.client.SendHeader(x.header)
}

// sendTrailer leaves out what grpc keeps in the trailers of a status: that the
// door writes itself.
func (x *exchange) sendTrailer() {
	delete(x.trailer, "content-type")
	delete(x.trailer, "grpc-status-details-bin")
	if len(x.trailer) > 0 {
		x.client.SetTrailer(x.trailer)
	}
}
