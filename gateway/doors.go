package gateway

import (
	"net/http"
	"strings"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// ServeHTTP serves a request with the views that it finds. They are its own until its
// last byte, whatever is swapped in meanwhile.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v := g.takeViews()
	defer v.setup.uses.end()
	v.handler.ServeHTTP(w, r)
}

// ownPaths are the paths of the gateway itself, which win over routes.
type ownPaths struct {
	graphql                  string
	openAPIJSON, openAPIYAML string // empty: no description is served
}

func ownPathsOf(c *configv1.Config) ownPaths {
	p := ownPaths{graphql: or(c.GetGraphql().GetPath(), "/graphql")}
	if description := c.GetOpenapi(); !description.GetDisabled() {
		path := or(description.GetPath(), "/openapi")
		p.openAPIJSON, p.openAPIYAML = path+".json", path+".yaml"
	}
	return p
}

// all returns those that there are.
func (p ownPaths) all() []string {
	if p.openAPIJSON == "" {
		return []string{p.graphql}
	}
	return []string{p.graphql, p.openAPIJSON, p.openAPIYAML}
}

// isGraphQL reports whether a path is that of GraphQL. Many clients add a slash.
func (p *ownPaths) isGraphQL(path string) bool {
	rest, ok := strings.CutPrefix(path, p.graphql)
	return ok && (rest == "" || rest == "/")
}

func (p ownPaths) collide() bool { return p.graphql == p.openAPIJSON || p.graphql == p.openAPIYAML }

// serve picks the door.
func (v *views) serve(own *ownPaths, w http.ResponseWriter, r *http.Request) {
	kind := ""
	if values := r.Header["Content-Type"]; len(values) > 0 {
		kind = values[0]
	}
	switch {
	case own.isGraphQL(r.URL.Path):
		v.graph.ServeHTTP(w, r)
	case own.openAPIJSON != "" && (r.URL.Path == own.openAPIJSON || r.URL.Path == own.openAPIYAML):
		v.openapi.ServeHTTP(w, r)
	case isGRPC(kind):
		v.grpc.ServeHTTP(w, r)
	case isGRPCWeb(kind):
		v.grpcWeb.ServeHTTP(w, r)
	case v.connect.Takes(r):
		v.connect.ServeHTTP(w, r)
	default:
		v.rest.ServeHTTP(w, r)
	}
}

// isGRPC reports whether a content type is one of gRPC, with or without the suffix of a codec. Those of
// gRPC-Web begin alike.
func isGRPC(contentType string) bool {
	rest, ok := cutFold(contentType, "application/grpc")
	return ok && (rest == "" || strings.IndexByte("+; \t", rest[0]) >= 0)
}

// isGRPCWeb reports whether a content type begins as those of gRPC-Web do. Those that do not exist are for
// the protocol to reject.
func isGRPCWeb(contentType string) bool {
	_, ok := cutFold(contentType, "application/grpc-web")
	return ok
}

// cutFold is [strings.CutPrefix] without regard to case.
func cutFold(s, prefix string) (rest string, ok bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
