package translate

import (
	"net/http"

	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/translate/transport"
)

// requestHeaders are the headers of a request that most requests for REST are asked for. They are found in one pass: to
// look for each of them in the map costs more than to look at the few that there are. What is
// rare, such as the parameters of a multipart body, is read where it is needed.
type requestHeaders struct {
	accept         []string
	acceptEncoding []string
	contentType    string
	coded          bool // the body, as Content-Encoding says
	ifMatch        []string
	ifNoneMatch    []string
	te             []string
	upgrade        bool // to another protocol
	timeout        bool // one that transport.Timeout reads

	metadata metadata.MD // what the backend gets
	fault    error       // why it gets nothing: a status
}

// read replaces what was there.
func (h *requestHeaders) read(policy *transport.Headers, from http.Header) {
	*h = requestHeaders{}
	h.metadata, h.fault = policy.Read(from, h.see)
}

func (h *requestHeaders) see(name string, values []string) {
	switch name {
	case "Accept":
		h.accept = values
	case "Accept-Encoding":
		h.acceptEncoding = values
	case "Content-Type":
		h.contentType = first(values)
	case "Content-Encoding":
		h.coded = true
	case "If-Match":
		h.ifMatch = values
	case "If-None-Match":
		h.ifNoneMatch = values
	case "Te":
		h.te = values
	case "Upgrade":
		h.upgrade = true
	default:
		h.timeout = h.timeout || transport.IsTimeout(name)
	}
}

// mediaType is the content type without its parameters, in lower case.
func (h *requestHeaders) mediaType() string { return mediaTypeOf(h.contentType) }

// first returns the line that counts of a header that has one.
func first(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return lines[0]
}
