package graph

import (
	"net/http"
)

// serveGet carries out a query from the URL.
func (d *door) serveGet(w http.ResponseWriter, r *http.Request) {
	a := d.negotiate(r.Header)
	if d.crossSite(r) {
		forged().write(w, a)
		return
	}
	params, err := paramsOfQuery(r.URL.Query())
	if err != nil {
		badRequest(err.Error()).write(w, a)
		return
	}
	params.headers = r.Header
	d.serveParams(w, r, a, params, newScratch())
}
