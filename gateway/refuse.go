package gateway

import (
	"net/http"

	"github.com/protean-gateway/protean/graph"
	"github.com/protean-gateway/protean/translate"
)

// refuse answers a request that the edge lets no further, in the form of the door that it was
// for; serve picks that door. Message is for the client.
func (s settings) refuse(w http.ResponseWriter, r *http.Request, httpStatus int, message string) {
	if s.paths.isGraphQL(r.URL.Path) {
		graph.Refuse(w, r, httpStatus, message)
		return
	}
	translate.Refuse(w, r, httpStatus, message)
}
