package gateway

import (
	"net/http"
	"strings"
)

// serveDoors picks the door. The views that a request finds are its own until its
// last byte, whatever is swapped in meanwhile.
func (g *Gateway) serveDoors(w http.ResponseWriter, r *http.Request) {
	v := g.views.Load()
	switch {
	case r.URL.Path == g.settings.graphqlPath:
		v.graph.ServeHTTP(w, r)
	case isGRPC(r):
		v.grpc.ServeHTTP(w, r)
	default:
		v.rest.ServeHTTP(w, r)
	}
}

// isGRPC tells gRPC from gRPC-Web, whose media types begin alike.
func isGRPC(r *http.Request) bool {
	contentType, ok := strings.CutPrefix(r.Header.Get("Content-Type"), "application/grpc")
	return ok && (contentType == "" || contentType[0] == '+' || contentType[0] == ';')
}
