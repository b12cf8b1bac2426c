package translate

import (
	"context"
	"net/http"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// answerStream writes the answers of a call to the body of a response, in one of
// the forms of stream_form.go. It belongs to one call.
type answerStream struct {
	frames
	form    form
	ctx     context.Context //nolint:containedctx // of this one call
	control *http.ResponseController
	header  metadata.MD
	started bool

	patience patience
	outbox   transport.Outbox
}

// callStream carries out a call and writes its answers. An error before the
// first answer is returned, and nothing was written then.
func (x *exchange) callStream(ctx context.Context, r *http.Request, call *rpc.Call, p *wire.Projection) error {
	if x.accepted.format == formatEvents {
		return x.callEvents(ctx, r, call, p)
	}
	patience, ctx := newPatience(ctx, call.Method)
	defer patience.stop()
	s := &answerStream{
		frames:   frames{x: x, projection: p},
		form:     newStreamForm(x.accepted.format, x.route.grpcGateway),
		ctx:      ctx,
		control:  http.NewResponseController(x.writer),
		patience: patience,
	}
	s.outbox.To = s
	defer boundWrites(ctx, s.control)()
	err := x.rest.handler(ctx, call, s)
	if err != nil && !s.started {
		x.in.closeUnread(x.writer.Header())
		copyHeader(x.rest.headers, x.writer.Header(), s.header)
		x.trailer = s.trailer
		if x.accepted.format == formatEnvelopes && !wantsProblem(r.Header) {
			s.refuse(err)
			return nil
		}
		return err
	}
	s.end(err)
	return nil
}

// refuse answers with an error before the first message as grpc-gateway does: with its HTTP
// status, in an envelope.
func (s *answerStream) refuse(err error) {
	s.x.writer.Header()["Content-Type"] = contentTypeJSON
	s.x.json = append(s.appendError(s.x.json[:0], err), '\n')
	s.x.writeFailure(transport.HTTPStatus(statusOf(err).Code()), s.x.json)
}

func (s *answerStream) Recv() ([]byte, error) { return s.x.recv() }

// SendHeader keeps the headers until the first message: an error before it is an
// HTTP error like any other.
func (s *answerStream) SendHeader(md metadata.MD) error {
	s.header = md
	return nil
}

// Send writes a message. It blocks while the client is slow, and that is the back-pressure.
func (s *answerStream) Send(msg []byte) error {
	content, err := s.form.appendMessage(s.x.json[:0], &s.frames, msg)
	s.x.json = content
	if err != nil {
		return err
	}
	s.start()
	return s.outbox.Send(nil, content)
}

// end writes what stands behind the last message. A form that cannot say an error
// has the connection broken off, so that nobody takes a part for the whole.
func (s *answerStream) end(err error) {
	content, gone := s.outbox.Close(s.x.json[:0])
	if err == nil {
		err = gone
	}
	content, whole := s.form.appendEnd(content, &s.frames, err)
	s.x.json = content
	s.start()
	_ = s.Deliver(content) // a client that is gone needs no end
	s.x.endWithTrailers(s.trailer, err)
	if !whole {
		panic(http.ErrAbortHandler)
	}
}

// Deliver implements [transport.Deliverer].
func (s *answerStream) Deliver(content []byte) error {
	s.patience.begin()
	defer s.patience.done()
	_, err := s.x.writer.Write(content)
	if err == nil {
		err = s.control.Flush()
	}
	return sentTo(s.ctx, err)
}

// sentTo gives our own words to an error of the network.
func sentTo(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return rpc.ContextError(ctx)
	default:
		return status.Error(codes.Canceled, "the client is gone")
	}
}

// start writes the head of the response, once.
func (s *answerStream) start() {
	if s.started {
		return
	}
	s.started = true
	h := s.x.writer.Header()
	s.x.in.closeUnread(h)
	copyHeader(s.x.rest.headers, h, s.header)
	h["Content-Type"] = s.form.contentType()
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = []string{"no-cache"}
	s.x.writer.WriteHeader(streamCode(s.header))
}

// streamCode returns the HTTP status that a backend chose for a stream, which always has a body.
func streamCode(md metadata.MD) int {
	if code := httpCode(md); bodyAllowed(code) {
		return code
	}
	return http.StatusOK
}

// lastFrameTime is how long a client has for the rest of a stream whose context
// is done.
const lastFrameTime = 5 * time.Second

// boundWrites sees to it that a client which does not read cannot hold a call
// whose context is done. After release the deadline of the connection is net/http's again,
// which clears it for the next request.
func boundWrites(ctx context.Context, control *http.ResponseController) (release func()) {
	bounded := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		_ = control.SetWriteDeadline(time.Now().Add(lastFrameTime))
		close(bounded)
	})
	return func() {
		if !stop() {
			<-bounded
		}
	}
}
