package graph

import (
	"errors"
	"io"
	"net/http"
	"os"

	"github.com/protean-gateway/protean/translate/transport"
)

// MaxBody is the largest body of a POST, and the largest message of a WebSocket, in bytes.
const MaxBody = 4 << 20

// servePost carries out an operation from a JSON body.
func (d *door) servePost(w http.ResponseWriter, r *http.Request) {
	a := negotiate(r.Header)
	s := newScratch()
	params, _, fault := d.readPost(w, r, s)
	if fault != nil {
		fault.write(w, a)
		return
	}
	d.serveParams(w, r, a, params, s)
}

// readPost reads the parameters of an operation, and says how many bytes they came in.
func (*door) readPost(w http.ResponseWriter, r *http.Request, s *scratch) (params params, size int, _ *httpFault) {
	if !isJSON(headerOf(r, "Content-Type")) {
		return params, 0, &httpFault{status: http.StatusUnsupportedMediaType, message: "the Content-Type must be application/json, in UTF-8"}
	}
	if e := headerOf(r, "Content-Encoding"); e != "" && e != "identity" {
		return params, 0, &httpFault{status: http.StatusUnsupportedMediaType, message: "the body must not be compressed"}
	}
	body, err := readBody(w, r)
	if err != nil {
		return params, 0, bodyFault(err)
	}
	if params, err = decodeParams(&s.json, body); err != nil {
		return params, 0, badRequest(err.Error())
	}
	params.headers = r.Header
	return params, len(body), nil
}

// headerOf returns a header whose name is written as net/http writes it, which need not be checked then.
func headerOf(r *http.Request, name string) string {
	if values := r.Header[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// readBody reads a body at once where its length was told and is small, as it mostly is.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength < 0 || r.ContentLength > smallBody {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

// smallBody is what a client that only says how much it will send can make us hold, in bytes.
const smallBody = 16 << 10

// bodyFault says why a body could not be read, without the network's words.
func bodyFault(err error) *httpFault {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return &httpFault{status: http.StatusRequestEntityTooLarge, message: transport.TooLarge(MaxBody)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &httpFault{status: http.StatusRequestTimeout, message: "the body did not come in time"}
	default:
		return badRequest("the body could not be read")
	}
}
