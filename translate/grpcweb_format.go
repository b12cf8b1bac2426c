package translate

import (
	"net/http"
	"strings"

	"github.com/protean-gateway/protean/translate/transport"
)

// grpcWebFormat is what the media types of a gRPC-Web request say: how its messages are written, and
// those of the response, which a client may want in text whatever its request is
// (PROTOCOL-WEB, "Text-encoded (response) streams").
type grpcWebFormat struct {
	text     bool // the request is in base64
	response rpcFormat
}

// grpcWebType is a media type of gRPC-Web, without its parameters.
type grpcWebType struct {
	text  bool
	codec codec
}

// grpcWebTypes are the media types that a request may have. A text is in base64, which is also what
// "-base64" says.
var grpcWebTypes = map[string]grpcWebType{
	"application/grpc-web":                   {},
	"application/grpc-web+proto":             {},
	"application/grpc-web+json":              {codec: jsonCodec},
	"application/grpc-web-text":              {text: true},
	"application/grpc-web-text+proto":        {text: true},
	"application/grpc-web-text+json":         {text: true, codec: jsonCodec},
	"application/grpc-web-text-base64":       {text: true},
	"application/grpc-web-text-base64+proto": {text: true},
	"application/grpc-web-text-base64+json":  {text: true, codec: jsonCodec},
}

// grpcWebFormatOf returns the formats of a request with these headers, or false if its content type is
// not one of gRPC-Web.
func grpcWebFormatOf(h http.Header) (f grpcWebFormat, ok bool) {
	kind := mediaType(h)
	request, ok := grpcWebTypes[kind]
	if !ok {
		return f, false
	}
	name := kind
	if text, accepted := acceptsText(h["Accept"], request.text); accepted && text != request.text {
		name = "application/grpc-web"
		if text {
			name += "-text"
		}
		if at := strings.IndexByte(kind, '+'); at >= 0 {
			name += kind[at:]
		}
	}
	f.text = request.text
	f.response = rpcFormat{contentType: []string{name}, codec: request.codec, text: grpcWebTypes[name].text}
	return f, true
}

// acceptsText reports whether the lines of an Accept header prefer responses in text, or false if they name no
// media type of gRPC-Web. Between two with the same weight the one that the request has is preferred.
func acceptsText(lines []string, request bool) (text, ok bool) {
	best := 0
	for _, line := range lines {
		for item := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(item, ";")
			kind, known := grpcWebTypes[strings.ToLower(strings.TrimSpace(name))]
			weight := 2 * transport.Weight(params)
			if !known || weight == 0 {
				continue
			}
			if kind.text == request {
				weight++
			}
			if weight > best {
				best, text = weight, kind.text
			}
		}
	}
	return text, best > 0
}
