package translate

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// grpcStream is the client's side of one gRPC call.
type grpcStream struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	headers *transport.Headers
	method  *schema.Method
	in      transport.FrameReader
	out     transport.FrameWriter
	trailer metadata.MD

	committed bool // headers were sent

	ctx         context.Context //nolint:containedctx // of this one call
	cancel      context.CancelFunc
	unwatch     func() bool
	interrupted chan struct{} // closed when interrupt has run

	receiving sync.Mutex // held while the body is read
	mu        sync.Mutex
	sending   bool // a Send may be blocked
}

// negotiate finds out how messages are compressed. We answer in gzip a client
// that speaks it itself; one that only takes it may rather save the time.
func (s *grpcStream) negotiate(m *schema.Method, r *http.Request) error {
	encoding := r.Header.Get("Grpc-Encoding")
	if encoding != "" && encoding != "identity" && encoding != "gzip" {
		s.writer.Header()["Grpc-Accept-Encoding"] = gzipEncoding
		return status.Error(codes.Unimplemented, "grpc-encoding must be gzip or identity")
	}
	zipped := encoding == "gzip"
	s.method = m
	s.in = transport.FrameReader{Body: r.Body, Limit: m.Limits.RequestBytes, Gzip: zipped}
	s.out = transport.FrameWriter{Body: s.writer, Gzip: zipped && acceptsGzip(r.Header)}
	return nil
}

var gzipEncoding = []string{"gzip"}

func acceptsGzip(h http.Header) bool {
	for _, line := range h["Grpc-Accept-Encoding"] {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == "gzip" {
				return true
			}
		}
	}
	return false
}

// start ties the stream to the context of its call: once that is done, a read
// of the body or a write that blocks comes back. net/http does the same only
// when the client is gone.
func (s *grpcStream) start(ctx context.Context, cancel context.CancelFunc) {
	s.ctx, s.cancel = ctx, cancel
	s.interrupted = make(chan struct{})
	s.unwatch = context.AfterFunc(ctx, s.interrupt)
}

func (s *grpcStream) interrupt() {
	defer close(s.interrupted)
	s.mu.Lock()
	defer s.mu.Unlock()
	past := time.Unix(1, 0)
	_ = s.control.SetReadDeadline(past) // HTTP/2 streams always have deadlines
	if s.sending {
		// This resets the stream; a client that does not read has no use for a status.
		_ = s.control.SetWriteDeadline(past)
	}
}

// stop ends the call. A Recv that outlasts the handler returns before stop does.
func (s *grpcStream) stop() {
	defer s.cancel()
	if !s.method.ClientStreams && s.unwatch() {
		return
	}
	s.cancel()
	<-s.interrupted
	s.receiving.Lock() // waits for the Recv; all later ones find the context done
	defer s.receiving.Unlock()
}

// Recv implements [rpc.Stream].
func (s *grpcStream) Recv() ([]byte, error) {
	s.receiving.Lock()
	defer s.receiving.Unlock()
	if s.ctx.Err() != nil {
		return nil, rpc.ContextError(s.ctx)
	}
	m, err := s.in.Next()
	if err != nil {
		return nil, s.readError(err)
	}
	return m, nil
}

func (s *grpcStream) readError(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	if s.ctx.Err() != nil {
		return rpc.ContextError(s.ctx)
	}
	switch _, known := status.FromError(err); {
	case known:
		return err
	case errors.Is(err, io.ErrUnexpectedEOF):
		return status.Error(codes.InvalidArgument, "the request ends within a message")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return status.Error(codes.DeadlineExceeded, "the request took too long to arrive")
	default:
		return status.Error(codes.Canceled, "the client broke off the request")
	}
}

// only returns the message of a request that must have exactly one. The code for
// any other number is what grpc's statuscodes document asks for. A call that may
// last for ever does not wait so long for its request.
func (s *grpcStream) only() ([]byte, error) {
	if _, bounded := s.ctx.Deadline(); !bounded {
		_ = s.control.SetReadDeadline(time.Now().Add(schema.DefaultTimeout))
		defer func() { _ = s.control.SetReadDeadline(time.Time{}) }()
	}
	m, err := s.Recv()
	if errors.Is(err, io.EOF) {
		return nil, status.Error(codes.Unimplemented, "the request has no message")
	}
	if err != nil {
		return nil, err
	}
	switch _, err := s.Recv(); {
	case errors.Is(err, io.EOF):
		return m, nil
	case err != nil:
		return nil, err
	default:
		return nil, status.Error(codes.Unimplemented, "the request has more than one message")
	}
}

// SendHeader implements [rpc.Stream]. Only a call that may go on for long flushes.
func (s *grpcStream) SendHeader(md metadata.MD) error {
	h := s.writer.Header()
	s.headers.CopyResponse(h, "", md)
	if s.out.Gzip {
		h["Grpc-Encoding"] = gzipEncoding
	}
	s.committed = true
	s.writer.WriteHeader(http.StatusOK)
	if !s.method.Streams() {
		return nil
	}
	return s.sent(s.control.Flush())
}

// Send implements [rpc.Stream]. It blocks while the client's window is full. The
// one message of a unary call is flushed too: net/http would write the same
// frames at the end, but wait there for a slow client beyond the deadline.
func (s *grpcStream) Send(m []byte) error {
	if !s.committed {
		if err := s.SendHeader(nil); err != nil {
			return err
		}
	}
	if !s.setSending(true) {
		return rpc.ContextError(s.ctx)
	}
	defer s.setSending(false)
	err := s.out.Write(m)
	if err == nil {
		err = s.control.Flush()
	}
	return s.sent(err)
}

// setSending reports whether the call goes on. Only a Send that began before the
// context was done is interrupted, so that the status can still be written.
func (s *grpcStream) setSending(on bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if on && s.ctx.Err() != nil {
		return false
	}
	s.sending = on
	return true
}

// sent gives our own words to an error of the network.
func (s *grpcStream) sent(err error) error {
	switch {
	case err == nil:
		return nil
	case s.ctx.Err() != nil:
		return rpc.ContextError(s.ctx)
	default:
		return status.Error(codes.Canceled, "the client is gone")
	}
}

// SetTrailer implements [rpc.Stream].
func (s *grpcStream) SetTrailer(md metadata.MD) { s.trailer = metadata.Join(s.trailer, md) }
