package graph

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/99designs/gqlgen/graphql"
)

// MaxBody is the largest body of a POST, and the largest message of a WebSocket, in bytes.
const MaxBody = 4 << 20

// servePost carries out an operation from a JSON body.
func (d door) servePost(w http.ResponseWriter, r *http.Request) {
	a := negotiate(r.Header)
	params, fault := d.readPost(w, r)
	if fault != nil {
		fault.write(w, a)
		return
	}
	d.serveParams(w, r, a, params)
}

func (d door) readPost(w http.ResponseWriter, r *http.Request) (*graphql.RawParams, *httpFault) {
	if !isJSON(r.Header.Get("Content-Type")) {
		return nil, &httpFault{status: http.StatusUnsupportedMediaType, message: "the Content-Type must be application/json, in UTF-8"}
	}
	if e := r.Header.Get("Content-Encoding"); e != "" && e != "identity" {
		return nil, &httpFault{status: http.StatusUnsupportedMediaType, message: "the body must not be compressed"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		return nil, bodyFault(err)
	}
	params, err := decodeParams(body)
	if err != nil {
		return nil, badRequest(err.Error())
	}
	return params, nil
}

// bodyFault says why a body could not be read, without the network's words.
func bodyFault(err error) *httpFault {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &httpFault{status: http.StatusRequestEntityTooLarge, message: "the body is larger than 4 MiB"}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &httpFault{status: http.StatusRequestTimeout, message: "the body did not come in time"}
	default:
		return badRequest("the body could not be read")
	}
}
