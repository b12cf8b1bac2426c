package translate

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// dialect is what tells the protocols with frames apart. Values are immutable.
type dialect struct {
	door rpc.Door
	// The headers that say how messages are compressed, and may be.
	encoding, acceptEncoding string
	// end writes how the call ended.
	end func(*frameStream, error)
	// codedBody: the body may have a content coding, besides what the frames say of each message.
	codedBody bool
}

// frameStream is the client's side of one call in frames: gRPC, gRPC-Web, and
// Connect where the method streams.
type frameStream struct {
	client
	dialect *dialect
	headers *transport.Headers
	errors  *errorWriter
	encoder
	in      transport.FrameReader
	out     transport.FrameWriter
	trailer metadata.MD

	inText  bool      // the request is in base64
	decoder io.Closer // of the content coding of the request, or nil
	// acceptEncoding are the content codings that a whole response may have; nil: none.
	acceptEncoding []string
	whole          *bytes.Buffer // the frames of a response that is written at its end; or nil

	committed bool // headers were sent
}

func newFrameStream(w http.ResponseWriter, m *Methods, d *dialect, c codec) *frameStream {
	s := &frameStream{
		client:  client{writer: w, control: http.NewResponseController(w)},
		dialect: d,
		headers: m.headers,
		errors:  m.errors,
		encoder: encoder{codec: c},
	}
	s.out.Out.To = s
	return s
}

// negotiate finds out how messages are compressed. We compress answers for a client
// that does so itself; one that only takes it may rather save the time.
func (s *frameStream) negotiate(m *schema.Method, r *http.Request) error {
	coding, err := codingOf(r.Header, s.dialect.encoding)
	if err != nil {
		s.writer.Header()[s.dialect.acceptEncoding] = codings
		return err
	}
	s.in.Body, s.in.Limit, s.in.Coding = r.Body, m.Limits.RequestBytes, coding
	if s.dialect.codedBody {
		if err := s.decodeBody(r); err != nil {
			return err
		}
	}
	if s.inText {
		s.in.Body = &transport.TextReader{Body: s.in.Body}
	}
	if accepts(r.Header, s.dialect.acceptEncoding, coding) {
		s.out.Coding = coding
	}
	return nil
}

// begin starts the call. From then on the response to a client that accepts a content coding is kept until
// its end, unless it is a stream.
func (s *frameStream) begin(m *schema.Method, r *http.Request) error {
	if err := s.start(m, r); err != nil {
		return err
	}
	if s.acceptEncoding != nil && !m.ServerStreams && s.out.Coding == "" {
		s.whole = new(bytes.Buffer)
	}
	return nil
}

// release gives back what decodes the request. Nobody reads it any more.
func (s *frameStream) release() {
	if s.decoder != nil {
		_ = s.decoder.Close() // it has no errors
	}
}

// decodeBody takes the content coding off the body of a request. The limit of a message bounds
// what is decoded at a time.
func (s *frameStream) decodeBody(r *http.Request) error {
	content, ok := transport.Decode(r.Body, r.Header)
	if !ok {
		s.writer.Header()["Accept-Encoding"] = codings
		return status.Error(codes.Unimplemented, "content-encoding must be identity or one of "+transport.Codings)
	}
	s.in.Body, s.decoder = content, content
	return nil
}

// codingOf returns how a header says that messages are compressed. What is not
// spoken is UNIMPLEMENTED.
func codingOf(h http.Header, encoding string) (transport.Coding, error) {
	coding, ok := transport.KnownCoding(h.Get(encoding))
	if !ok {
		return "", status.Error(codes.Unimplemented, strings.ToLower(encoding)+" must be identity or one of "+transport.Codings)
	}
	return coding, nil
}

var codings = []string{transport.Codings}

// accepts reports whether a header lists a coding. These lists have no weights.
func accepts(h http.Header, accept string, c transport.Coding) bool {
	for _, line := range h[accept] {
		for name := range strings.SplitSeq(line, ",") {
			if strings.TrimSpace(name) == string(c) {
				return true
			}
		}
	}
	return false
}

// Recv implements [rpc.Stream].
func (s *frameStream) Recv() ([]byte, error) {
	m, err := s.receive(s.in.Next)
	if err != nil {
		return nil, err
	}
	return s.codec.decode(s.method, m)
}

// only returns the message of a request that must have exactly one. The code for
// any other number is what grpc's statuscodes document asks for.
func (s *frameStream) only() ([]byte, error) {
	defer s.boundReading()()
	m, err := s.Recv()
	if errors.Is(err, io.EOF) {
		return nil, status.Error(codes.Unimplemented, "the request has no message")
	}
	if err != nil {
		return nil, err
	}
	switch _, err := s.receive(s.in.Next); {
	case errors.Is(err, io.EOF):
		return m, nil
	case err != nil:
		return nil, err
	default:
		return nil, status.Error(codes.Unimplemented, "the request has more than one message")
	}
}

// SendHeader implements [rpc.Stream]. Only a call that may go on for long flushes.
func (s *frameStream) SendHeader(md metadata.MD) error {
	h := s.writer.Header()
	s.headers.CopyResponse(h, "", md)
	if s.out.Coding != "" {
		h[s.dialect.encoding] = []string{string(s.out.Coding)}
	}
	if s.whole != nil {
		return nil
	}
	s.commit()
	if s.method.Streams() {
		s.out.Out.Flush()
	}
	return nil
}

func (s *frameStream) commit() {
	s.committed = true
	s.writer.WriteHeader(http.StatusOK)
}

// Send implements [rpc.Stream]. It blocks while the client's window is full.
func (s *frameStream) Send(m []byte) error {
	m, err := s.encode(s.method, m)
	if err != nil {
		return err
	}
	if !s.committed && s.whole == nil {
		if err := s.SendHeader(nil); err != nil {
			return err
		}
	}
	if s.ctx.Err() != nil {
		return rpc.ContextError(s.ctx)
	}
	return s.out.Write(m)
}

// Deliver implements [transport.Deliverer]. The one message of a unary call is flushed too:
// net/http would write the same frames at the end, but wait there for a slow client beyond
// the deadline. What was sent before the context was done is written also after it, in the
// time that there is for the end of an answer.
func (s *frameStream) Deliver(p []byte) error {
	if s.whole != nil {
		s.whole.Write(p)
		return nil
	}
	return s.write(p)
}

// write is Deliver for a client that does not get the response as a whole.
func (s *frameStream) write(p []byte) error {
	if s.setSending(true) {
		defer s.setSending(false)
	}
	s.patience.begin()
	defer s.patience.done()
	_, err := s.writer.Write(p)
	if err == nil {
		err = s.control.Flush()
	}
	return s.sent(err)
}

// SetTrailer implements [rpc.Stream].
func (s *frameStream) SetTrailer(md metadata.MD) { s.trailer = metadata.Join(s.trailer, md) }

// sendEnd writes the frame that ends the call, for protocols that have one. A
// client that is gone needs none.
func (s *frameStream) sendEnd(flag byte, content []byte) {
	if s.whole != nil {
		s.whole.Write(s.out.AppendEnd(nil, flag, content))
		s.writeCompressed()
		return
	}
	if !s.committed {
		s.commit()
	}
	_, _ = s.writer.Write(s.out.AppendEnd(nil, flag, content))
}

// writeCompressed writes the whole response, in a content coding if it is long enough for one.
func (s *frameStream) writeCompressed() {
	body, h := s.whole.Bytes(), s.writer.Header()
	if coding := transport.AnswerCoding(h, s.acceptEncoding, len(body)); coding != "" {
		h["Content-Encoding"] = []string{string(coding)}
		var coded bytes.Buffer
		coding.Compress(&coded, body)
		body = coded.Bytes()
	}
	s.commit()
	_ = s.write(body) // a client that is gone needs no status
}

// close writes what is left of the messages, which the end of the answer flushes. It
// returns why the client cannot be written to, if that is so.
func (s *frameStream) close() error {
	rest, err := s.out.Out.Close(nil)
	if len(rest) > 0 {
		_, _ = s.writer.Write(rest)
	}
	return err
}

// trailers returns the trailers as headers, which are written by the protocol.
func (s *frameStream) trailers() http.Header {
	h := make(http.Header)
	s.headers.CopyResponse(h, "", s.trailer)
	return h
}
