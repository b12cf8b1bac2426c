package gateway

import (
	"net/http"
	"strings"
)

// ServeHTTP serves a request with the views that it finds. They are its own until its
// last byte, whatever is swapped in meanwhile.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := g.takeViews()
	defer v.setup.uses.end()
	v.handler.ServeHTTP(w, r)
}

// serve picks the door.
func (v *views) serve(graphqlPath string, w http.ResponseWriter, r *http.Request) {
	kind := ""
	if values := r.Header["Content-Type"]; len(values) > 0 {
		kind = values[0]
	}
	switch {
	case r.URL.Path == graphqlPath:
		v.graph.ServeHTTP(w, r)
	case r.URL.Path == openAPIJSON, r.URL.Path == openAPIYAML:
		v.openapi.ServeHTTP(w, r)
	case hasType(kind, "application/grpc"):
		v.grpc.ServeHTTP(w, r)
	case hasType(kind, "application/grpc-web"), hasType(kind, "application/grpc-web-text"):
		v.grpcWeb.ServeHTTP(w, r)
	case v.connect.Takes(r):
		v.connect.ServeHTTP(w, r)
	default:
		v.rest.ServeHTTP(w, r)
	}
}

// hasType reports whether a content type is a media type, with or without the suffix
// of a codec. gRPC and gRPC-Web begin alike.
func hasType(contentType, mediaType string) bool {
	rest, ok := strings.CutPrefix(contentType, mediaType)
	return ok && (rest == "" || rest[0] == '+' || rest[0] == ';')
}
