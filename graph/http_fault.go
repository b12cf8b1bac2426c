package graph

import (
	"net/http"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/translate/transport"
)

// httpFault is a request that HTTP already refuses, before there is an operation.
type httpFault struct {
	status        int
	message       string
	header, value string // what would do instead
}

func badRequest(message string) *httpFault {
	return &httpFault{status: http.StatusBadRequest, message: message}
}

// The faults of event streams and sockets.

func noReservation() *httpFault {
	return &httpFault{status: http.StatusNotFound, message: "there is no event stream with this token"}
}

func inUse(message string) *httpFault {
	return &httpFault{status: http.StatusConflict, message: message}
}

func exhausted(message string) *httpFault {
	return &httpFault{status: http.StatusTooManyRequests, message: message}
}

func tooManySockets() *httpFault {
	return exhausted("there are too many sockets and event streams of this caller")
}

func tooManyOperations() *httpFault {
	return exhausted("there are too many operations of this caller")
}

// forged refuses what a page of another site may have sent.
func forged() *httpFault {
	return &httpFault{
		status:  http.StatusForbidden,
		message: "a page of another site may have sent this; send a header such as graphql-preflight: 1",
	}
}

// faultOf turns a status that was made here into a fault.
func faultOf(err error) *httpFault {
	st := status.Convert(err)
	return &httpFault{status: transport.HTTPStatus(st.Code()), message: st.Message()}
}

// response is the fault as a GraphQL response, with a code of the same words as
// the errors of backends.
func (f *httpFault) response() *graphql.Response {
	return errorResponse(transport.CodeName(transport.Code(f.status)), f.message)
}

func (f *httpFault) write(w http.ResponseWriter, a acceptance) {
	if f.header != "" {
		w.Header().Set(f.header, f.value)
	}
	writeResponse(w, f.status, a, f.response())
}

// Refuse answers a request that the door has not looked at, such as one that is too large or
// whose handler panicked, in the media type that its client accepts. Message is for the client.
func Refuse(w http.ResponseWriter, r *http.Request, httpStatus int, message string) {
	(&httpFault{status: httpStatus, message: message}).write(w, negotiate(r.Header))
}

func errorResponse(code, message string) *graphql.Response {
	return &graphql.Response{Errors: gqlerror.List{{
		Message: message, Extensions: map[string]any{"code": code},
	}}}
}
