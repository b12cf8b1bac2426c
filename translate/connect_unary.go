package translate

import (
	"io"
	"net/http"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// connectTrailer goes before the names of trailers that are sent as headers.
const connectTrailer = "Trailer-"

// connectUnary is the client's side of one call without streams. It keeps what
// is sent, which is written at the end: an error has an HTTP status.
type connectUnary struct {
	client
	door            *Connect
	format          rpcFormat
	header, trailer metadata.MD
	message         []byte
	sent            int
}

// Recv implements [rpc.Stream]: the request is in the call.
func (*connectUnary) Recv() ([]byte, error) { return nil, io.EOF }

// SendHeader implements [rpc.Stream].
func (u *connectUnary) SendHeader(md metadata.MD) error {
	u.header = md
	return nil
}

// Send implements [rpc.Stream].
func (u *connectUnary) Send(m []byte) error {
	u.message = m
	u.sent++
	return nil
}

// SetTrailer implements [rpc.Stream].
func (u *connectUnary) SetTrailer(md metadata.MD) { u.trailer = metadata.Join(u.trailer, md) }

// source returns the request message as the client wrote it.
type source func(*connectUnary) ([]byte, error)

// servePost serves a method without streams whose message is the body.
func (c *Connect) servePost(w http.ResponseWriter, r *http.Request, f rpcFormat) {
	m, err := c.methods.find(r)
	if err == nil && m.Streams() {
		unsupported(w, streamTypes)
		return
	}
	u := &connectUnary{client: client{writer: w, control: http.NewResponseController(w)}, door: c, format: f}
	defer u.stop()
	if err != nil {
		u.writeError(notFoundStatus(err), err)
		return
	}
	u.serve(m, r, func(u *connectUnary) ([]byte, error) { return u.readBody(r) })
}

// notFoundStatus returns the HTTP status for a method that cannot be called. One
// that does not exist is not found, though its code is UNIMPLEMENTED.
func notFoundStatus(err error) int {
	if code := status.Code(err); code != codes.Unimplemented {
		return transport.HTTPStatus(code)
	}
	return http.StatusNotFound
}

// serve carries out a call and answers it.
func (u *connectUnary) serve(m rpcMethod, r *http.Request, from source) {
	err := u.call(m, r, from)
	if err == nil {
		err = u.write(transport.ChooseCoding(r.Header["Accept-Encoding"]))
	}
	if err != nil {
		u.writeError(transport.HTTPStatus(statusOf(err).Code()), err)
	}
}

func (u *connectUnary) call(m rpcMethod, r *http.Request, from source) error {
	if err := checkVersion(r.Header); err != nil {
		return err
	}
	md, err := u.door.methods.headers.All(r.Header)
	if err != nil {
		return err
	}
	if err := u.start(m.Method, r); err != nil {
		return err
	}
	c := &rpc.Call{Method: m.Method, Metadata: md, Door: rpc.Connect, Peer: r.RemoteAddr}
	request, err := from(u)
	if err != nil {
		return err
	}
	if c.Request, err = u.format.codec.decode(m.Method, request); err != nil {
		return err
	}
	if err = m.handler(u.ctx, c, u); err == nil && u.sent != 1 {
		err = status.Error(codes.Internal, "the backend did not answer with exactly one message")
	}
	return err
}

// readBody reads the one message that a body is.
func (u *connectUnary) readBody(r *http.Request) ([]byte, error) {
	defer u.boundReading()()
	coding, err := codingOf(r.Header, "Content-Encoding")
	if err != nil {
		u.writer.Header()["Accept-Encoding"] = codings
		return nil, err
	}
	body := &untilDone{u, r.Body}
	return u.receive(func() ([]byte, error) { return transport.ReadMessage(body, u.method.Limits.RequestBytes, coding) })
}

// untilDone is a body that ends with the context of its call.
type untilDone struct {
	call *connectUnary
	body io.Reader
}

func (b *untilDone) Read(p []byte) (int, error) {
	if b.call.ctx.Err() != nil {
		return 0, rpc.ContextError(b.call.ctx)
	}
	return b.body.Read(p)
}

// write answers with the message of the backend.
func (u *connectUnary) write(coding transport.Coding) error {
	e := encoder{codec: u.format.codec}
	body, err := e.encode(u.method, u.message)
	if err != nil {
		return err
	}
	h := u.writer.Header()
	u.copyMetadata(h)
	h["Content-Type"] = u.format.contentType
	body, compressed := coding.Compressed(body)
	if compressed {
		h["Content-Encoding"] = []string{string(coding)}
	}
	// Whoever cannot be written to needs no error either.
	_ = u.send(func() error {
		writeWhole(u.writer, http.StatusOK, body)
		return u.control.Flush()
	})
	return nil
}

// writeError answers with an error.
func (u *connectUnary) writeError(httpStatus int, err error) {
	h := u.writer.Header()
	u.copyMetadata(h)
	transport.CopyChallenge(h, u.trailer)
	h["Content-Type"] = contentTypeJSON
	writeWhole(u.writer, httpStatus, u.door.methods.errors.appendConnect(nil, statusOf(err).Proto()))
}

// copyMetadata sets the backend's headers and trailers. A header that looks like
// a trailer is left out: a client would take it for one.
func (u *connectUnary) copyMetadata(h http.Header) {
	policy := u.door.methods.headers
	policy.CopyHeader(h, "", u.header)
	for name := range h {
		if strings.HasPrefix(name, connectTrailer) {
			delete(h, name)
		}
	}
	policy.CopyResponse(h, connectTrailer, u.trailer)
}
