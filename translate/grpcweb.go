package translate

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
)

// GRPCWeb serves methods as gRPC-Web, as grpc's PROTOCOL-WEB describes it: gRPC
// for clients that cannot read HTTP trailers, over any version of HTTP, in bytes or in
// base64. It is immutable and safe for concurrent use.
//
// Besides the messages, the whole body of a request may have a content coding, and that of a response gets
// one if the client accepts it and the method has one response: streams are not compressed as a whole,
// because a message must not wait for the next one to fill a block.
type GRPCWeb struct {
	methods      *Methods
	uncompressed bool
}

// GRPCWebOptions are the settings of gRPC-Web. The zero value has the defaults.
type GRPCWebOptions struct {
	// CompressionDisabled: response bodies never get a content coding. Messages are compressed for a client that
	// compresses its own.
	CompressionDisabled bool
}

// NewGRPCWeb returns the gRPC-Web handler of methods.
func NewGRPCWeb(m *Methods, o GRPCWebOptions) *GRPCWeb { return &GRPCWeb{m, o.CompressionDisabled} }

// ServeHTTP carries out one call. Requests that are not gRPC-Web get an HTTP
// error, all others status 200 and a last frame with the gRPC status and the trailers. It
// is there also if nothing else was sent: browsers hide headers from scripts.
func (g *GRPCWeb) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format, ok := grpcWebFormatOf(r.Header)
	if !ok {
		http.Error(w, "the content type of gRPC-Web is application/grpc-web or application/grpc-web-text, with +proto or +json", http.StatusUnsupportedMediaType)
		return
	}
	if onlyPost(w, r, "gRPC-Web") {
		return
	}
	format.response.begin(w)
	s := newFrameStream(w, g.methods, &grpcWebDialect, format.response.codec)
	s.inText, s.out.Text = format.text, format.response.text
	if !g.uncompressed {
		s.acceptEncoding = r.Header["Accept-Encoding"]
	}
	g.methods.serve(s, r)
}

var grpcWebDialect = dialect{
	door:           rpc.GRPCWeb,
	encoding:       "Grpc-Encoding",
	acceptEncoding: "Grpc-Accept-Encoding",
	end:            (*frameStream).writeTrailerFrame,
	codedBody:      true,
}

// writeTrailerFrame ends the response with its trailers and status, written as
// HTTP/1 headers are, with names in lower case.
func (s *frameStream) writeTrailerFrame(err error) {
	h := s.trailers()
	setStatus(h, "", err)
	s.sendEnd(transport.FlagTrailers, appendTrailers(nil, h))
}

func appendTrailers(dst []byte, h http.Header) []byte {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		for _, value := range h[name] {
			dst = append(dst, strings.ToLower(name)...)
			dst = append(append(append(dst, ": "...), value...), "\r\n"...)
		}
	}
	return dst
}
