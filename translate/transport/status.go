// Package transport is what the doors share: the table of status codes, which
// headers pass and which never do, deadlines, frames, WebSocket and SSE.
package transport

import (
	"net/http"
	"strconv"

	"google.golang.org/grpc/codes"
)

// StatusClientClosedRequest answers a call that its client gave up. There is no
// registered status for it; nginx and grpc-gateway write the same.
const StatusClientClosedRequest = 499

// statusTable is the one table of gRPC codes, their names in google.rpc.Code and
// the HTTP statuses that google/rpc/code.proto maps them to.
var statusTable = [...]struct {
	name string
	http int
}{
	codes.OK:                 {"OK", http.StatusOK},
	codes.Canceled:           {"CANCELLED", StatusClientClosedRequest},
	codes.Unknown:            {"UNKNOWN", http.StatusInternalServerError},
	codes.InvalidArgument:    {"INVALID_ARGUMENT", http.StatusBadRequest},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", http.StatusGatewayTimeout},
	codes.NotFound:           {"NOT_FOUND", http.StatusNotFound},
	codes.AlreadyExists:      {"ALREADY_EXISTS", http.StatusConflict},
	codes.PermissionDenied:   {"PERMISSION_DENIED", http.StatusForbidden},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", http.StatusTooManyRequests},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", http.StatusBadRequest},
	codes.Aborted:            {"ABORTED", http.StatusConflict},
	codes.OutOfRange:         {"OUT_OF_RANGE", http.StatusBadRequest},
	codes.Unimplemented:      {"UNIMPLEMENTED", http.StatusNotImplemented},
	codes.Internal:           {"INTERNAL", http.StatusInternalServerError},
	codes.Unavailable:        {"UNAVAILABLE", http.StatusServiceUnavailable},
	codes.DataLoss:           {"DATA_LOSS", http.StatusInternalServerError},
	codes.Unauthenticated:    {"UNAUTHENTICATED", http.StatusUnauthorized},
}

// HTTPStatus returns the HTTP status for a gRPC code. A code that gRPC does not
// define is treated as UNKNOWN.
func HTTPStatus(c codes.Code) int {
	if int(c) >= len(statusTable) {
		c = codes.Unknown
	}
	return statusTable[c].http
}

// CodeName returns the name of a code as in google.rpc.Code, such as
// INVALID_ARGUMENT, and the number of a code that gRPC does not define.
func CodeName(c codes.Code) string {
	if int(c) >= len(statusTable) {
		return strconv.FormatUint(uint64(c), 10)
	}
	return statusTable[c].name
}

// Code returns the gRPC code that says best what an HTTP status says. It is the
// way back of HTTPStatus where that is unambiguous, and covers the statuses with
// which HTTP refuses a request before there is a call.
func Code(httpStatus int) codes.Code {
	switch httpStatus {
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestEntityTooLarge, http.StatusRequestURITooLong,
		http.StatusRequestHeaderFieldsTooLarge, http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		return codes.Unavailable
	case StatusClientClosedRequest:
		return codes.Canceled
	}
	return codeOfClass(httpStatus)
}

// codeOfClass decides by the first digit.
func codeOfClass(httpStatus int) codes.Code {
	switch httpStatus / 100 {
	case 2:
		return codes.OK
	case 4:
		return codes.InvalidArgument
	case 5:
		return codes.Internal
	default:
		return codes.Unknown
	}
}

// StatusText names an HTTP status in words, as [http.StatusText] does, with the
// one status that package lacks.
func StatusText(httpStatus int) string {
	if httpStatus == StatusClientClosedRequest {
		return "Client Closed Request"
	}
	return http.StatusText(httpStatus)
}
