package translate

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/wire"
)

// A stream of answers is a stream of frames. Each frame is a JSON object with
// one member:
//
//	{"data":  <message>}                        a message, or its response_body
//	{"error": <google.rpc.Status>}              the stream failed; nothing follows
//	{"end":   {"trailers": {"name": ["…"]}}}    the stream is complete; nothing follows
//
// A stream that stops without an error or end frame was cut off. Trailers are
// left out where there are none. NDJSON (application/x-ndjson) writes a frame a line, SSE
// an event, WebSocket a message; the frames are the same.

// frames makes the frames of one call.
type frames struct {
	x          *exchange
	projection *wire.Projection
	trailer    metadata.MD
}

// SetTrailer implements [rpc.Stream].
func (f *frames) SetTrailer(md metadata.MD) { f.trailer = metadata.Join(f.trailer, md) }

// appendMessage appends the JSON of one message. Errors are fit for the client.
func (f *frames) appendMessage(dst, msg []byte) ([]byte, error) {
	return f.x.answer.appendJSON(dst, msg, f.projection, f.x.newSink())
}

// appendData appends a data frame. On an error dst is returned as it was.
func (f *frames) appendData(dst, msg []byte) ([]byte, error) {
	start := len(dst)
	dst, err := f.appendMessage(append(dst, `{"data":`...), msg)
	if err != nil {
		return dst[:start], err
	}
	return append(dst, '}'), nil
}

// appendLast appends the frame that says how the stream ended.
func (f *frames) appendLast(dst []byte, err error) []byte {
	if err != nil {
		return f.appendError(dst, err)
	}
	return f.appendEnd(dst)
}

func (f *frames) appendError(dst []byte, err error) []byte {
	dst = append(dst, `{"error":`...)
	dst = f.x.rest.errors.appendStatus(dst, f.x.pointers().status(err))
	return append(dst, '}')
}

func (f *frames) appendEnd(dst []byte) []byte {
	trailers := make(http.Header)
	f.x.rest.headers.CopyResponse(trailers, "", f.trailer)
	if len(trailers) == 0 {
		return append(dst, `{"end":{}}`...)
	}
	dst = append(dst, `{"end":{"trailers":{`...)
	for i, name := range slices.Sorted(maps.Keys(trailers)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, strings.ToLower(name))
		dst = append(dst, ':')
		dst = appendStrings(dst, trailers[name])
	}
	return append(dst, "}}}"...)
}

// appendStrings appends a JSON list of strings.
func appendStrings(dst []byte, list []string) []byte {
	dst = append(dst, '[')
	for i, s := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}
