package graph

import (
	"net/http"
)

// serveGet carries out a query from the URL.
func (d door) serveGet(w http.ResponseWriter, r *http.Request) {
	a := negotiate(r.Header)
	if d.crossSite(r) {
		(&httpFault{
			status:  http.StatusForbidden,
			message: "a page of another site may have sent this; send a header such as graphql-preflight: 1",
		}).write(w, a)
		return
	}
	params, err := paramsOfQuery(r.URL.Query())
	if err != nil {
		badRequest(err.Error()).write(w, a)
		return
	}
	d.serveParams(w, r, a, params)
}
