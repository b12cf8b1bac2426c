package translate

import (
	"net/http"

	"github.com/protean-gateway/protean/rpc"
)

// GRPC serves methods as gRPC over HTTP/2, as grpc's PROTOCOL-HTTP2 describes it,
// on net/http's server. Messages in protobuf pass through untouched; those in JSON are
// translated. It is immutable and safe for concurrent use.
type GRPC struct{ methods *Methods }

// NewGRPC returns the gRPC door to methods.
func NewGRPC(m *Methods) *GRPC { return &GRPC{m} }

// ServeHTTP carries out one call. Requests that are no gRPC over HTTP/2 get an
// HTTP error, all others status 200 and a gRPC status, which is in the headers
// where nothing else was sent.
func (g *GRPC) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	format, ok := grpcFormats[mediaType(r.Header)]
	switch {
	case !ok:
		http.Error(w, "the content type of gRPC is application/grpc, application/grpc+proto or application/grpc+json", http.StatusUnsupportedMediaType)
		return
	case r.ProtoMajor != 2:
		http.Error(w, "gRPC needs HTTP/2", http.StatusHTTPVersionNotSupported)
		return
	case onlyPost(w, r, "gRPC"):
		return
	}
	format.begin(w)
	g.methods.serve(newFrameStream(w, g.methods, &grpcDialect, format.codec), r)
}

// rpcFormat is what a content type of an RPC door says.
type rpcFormat struct {
	contentType []string // of the answer, as a header value
	codec       codec
	text        bool // everything is in base64
	bare        bool // headers are metadata, all of them
}

// begin sets the headers of an answer.
func (f rpcFormat) begin(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = f.contentType
	if f.bare { // what net/http adds by itself would reach clients as metadata
		h["Date"], h["Content-Length"] = nil, nil
	} else {
		h["X-Content-Type-Options"] = noSniff
	}
}

// grpcFormats are the media types of gRPC.
var grpcFormats = map[string]rpcFormat{
	"application/grpc":       {contentType: []string{"application/grpc"}, bare: true},
	"application/grpc+proto": {contentType: []string{"application/grpc+proto"}, bare: true},
	"application/grpc+json":  {contentType: []string{"application/grpc+json"}, codec: jsonCodec, bare: true},
}

var grpcDialect = dialect{
	door:           rpc.GRPC,
	encoding:       "Grpc-Encoding",
	acceptEncoding: "Grpc-Accept-Encoding",
	end:            (*frameStream).writeStatus,
}
