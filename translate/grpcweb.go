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
type GRPCWeb struct{ methods *Methods }

// NewGRPCWeb returns the gRPC-Web door to methods.
func NewGRPCWeb(m *Methods) *GRPCWeb { return &GRPCWeb{m} }

// ServeHTTP carries out one call. Requests that are no gRPC-Web get an HTTP
// error, all others status 200 and a last frame with the gRPC status and the trailers. It
// is there also where nothing else was sent: browsers hide headers from scripts.
func (g *GRPCWeb) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format, ok := grpcWebFormats[mediaType(r.Header)]
	if !ok {
		http.Error(w, "the content type of gRPC-Web is application/grpc-web or application/grpc-web-text, with +proto or +json", http.StatusUnsupportedMediaType)
		return
	}
	if onlyPost(w, r, "gRPC-Web") {
		return
	}
	format.begin(w)
	s := newFrameStream(w, g.methods, &grpcWebDialect, format.codec)
	s.out.Text = format.text
	g.methods.serve(s, r)
}

// grpcWebFormats are the media types of gRPC-Web.
var grpcWebFormats = map[string]rpcFormat{
	"application/grpc-web":            {contentType: []string{"application/grpc-web"}},
	"application/grpc-web+proto":      {contentType: []string{"application/grpc-web+proto"}},
	"application/grpc-web+json":       {contentType: []string{"application/grpc-web+json"}, codec: jsonCodec},
	"application/grpc-web-text":       {contentType: []string{"application/grpc-web-text"}, text: true},
	"application/grpc-web-text+proto": {contentType: []string{"application/grpc-web-text+proto"}, text: true},
	"application/grpc-web-text+json":  {contentType: []string{"application/grpc-web-text+json"}, codec: jsonCodec, text: true},
}

var grpcWebDialect = dialect{
	door:           rpc.GRPCWeb,
	encoding:       "Grpc-Encoding",
	acceptEncoding: "Grpc-Accept-Encoding",
	end:            (*frameStream).writeTrailerFrame,
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
