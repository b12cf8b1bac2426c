package graph

import (
	"errors"
	"io"
	"net/http"
	"os"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/translate/transport"
)

// MaxBody is the largest body of a POST, and the largest message of a WebSocket, in bytes.
const MaxBody = 4 << 20

// servePost carries out an operation from a JSON body.
func (d *door) servePost(w http.ResponseWriter, r *http.Request) {
	a := d.negotiate(r.Header)
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
	if r.Header["Content-Encoding"] != nil {
		return readCoded(w, r)
	}
	if r.ContentLength < 0 || r.ContentLength > smallBody {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

// readCoded reads a body that may be compressed, and may be larger than MaxBody neither so nor otherwise.
func readCoded(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	content, ok := transport.Decode(http.MaxBytesReader(w, r.Body, MaxBody), r.Header)
	if !ok {
		return nil, errCoding
	}
	defer content.Close()
	body, err := io.ReadAll(io.LimitReader(content, MaxBody+1))
	if err == nil && len(body) > MaxBody {
		err = &http.MaxBytesError{Limit: MaxBody}
	}
	return body, err
}

var errCoding = errors.New(transport.UnsupportedCoding)

// smallBody is what a client that only says how much it will send can make us hold, in bytes.
const smallBody = 16 << 10

// bodyFault says why a body could not be read, without the network's words.
func bodyFault(err error) *httpFault {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.Is(err, errCoding):
		return &httpFault{
			status:  http.StatusUnsupportedMediaType,
			message: transport.UnsupportedCoding,
			header:  "Accept-Encoding", value: transport.Codings,
		}
	case status.Code(err) == codes.InvalidArgument: // not what its coding says
		return faultOf(err)
	case errors.As(err, &tooLarge):
		return &httpFault{status: http.StatusRequestEntityTooLarge, message: transport.TooLarge(MaxBody)}
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &httpFault{status: http.StatusRequestTimeout, message: "the body did not come in time"}
	default:
		return badRequest("the body could not be read")
	}
}
