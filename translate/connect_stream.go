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
	h := w.Header()
	h["Content-Type"] = f.contentType
	h["X-Content-Type-Options"] = noSniff
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
	end := []byte{'{'}
	if err != nil {
		end = s.errors.appendConnect(append(end, `"error":`...), statusOf(err).Proto())
	}
	if trailers := s.trailers(); len(trailers) > 0 {
		if err != nil {
			end = append(end, ',')
		}
		end = appendMetadata(append(end, `"metadata":`...), trailers)
	}
	s.sendEnd(transport.FlagEndStream, append(end, '}'))
}
