package translate

import (
	"net/http"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

var connectDialect = dialect{
	door:           rpc.Connect,
	encoding:       "Connect-Content-Encoding",
	acceptEncoding: "Connect-Accept-Encoding",
	end:            (*frameStream).writeEndStream,
}

// serveStream serves a method with streams. Errors are in the last frame, and the
// HTTP status is 200.
func (c *Connect) serveStream(w http.ResponseWriter, r *http.Request, f rpcFormat) {
	if m, err := c.methods.find(r); err == nil && !m.Streams() {
		unsupported(w, unaryTypes)
		return
	}
	f.begin(w)
	s := newFrameStream(w, c.methods, &connectDialect, f.codec)
	if err := checkVersion(r.Header); err != nil {
		s.writeEndStream(err)
		return
	}
	c.methods.serve(s, r)
}

// writeEndStream ends the response with an EndStreamResponse: the error, where
// there is one, and the trailers.
func (s *frameStream) writeEndStream(err error) {
	s.sendEnd(transport.FlagEndStream, s.errors.appendConnectEnd(nil, err, s.trailers()))
}

// appendConnectEnd appends an EndStreamResponse.
func (e *errorWriter) appendConnectEnd(dst []byte, err error, trailers http.Header) []byte {
	dst = append(dst, '{')
	if err != nil {
		dst = e.appendConnect(append(dst, `"error":`...), statusOf(err).Proto())
	}
	if len(trailers) > 0 {
		if err != nil {
			dst = append(dst, ',')
		}
		dst = appendMetadata(append(dst, `"metadata":`...), trailers)
	}
	return append(dst, '}')
}
