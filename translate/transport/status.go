// Package transport is what the doors share: the table of status codes, which
// headers pass and which never do, deadlines, frames, WebSocket and SSE.
package transport

import (
	"net/http"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
)

// StatusClientClosedRequest answers a call that its client gave up. There is no
// registered status for it; nginx and grpc-gateway write the same.
const StatusClientClosedRequest = 499

// statusTable is the one table of gRPC codes and their names in google.rpc.Code and
// in Connect.
var statusTable = [...]struct {
	name    string
	connect string // there is no name for success
}{
	codes.OK:                 {"OK", ""},
	codes.Canceled:           {"CANCELLED", "canceled"},
	codes.Unknown:            {"UNKNOWN", "unknown"},
	codes.InvalidArgument:    {"INVALID_ARGUMENT", "invalid_argument"},
	codes.DeadlineExceeded:   {"DEADLINE_EXCEEDED", "deadline_exceeded"},
	codes.NotFound:           {"NOT_FOUND", "not_found"},
	codes.AlreadyExists:      {"ALREADY_EXISTS", "already_exists"},
	codes.PermissionDenied:   {"PERMISSION_DENIED", "permission_denied"},
	codes.ResourceExhausted:  {"RESOURCE_EXHAUSTED", "resource_exhausted"},
	codes.FailedPrecondition: {"FAILED_PRECONDITION", "failed_precondition"},
	codes.Aborted:            {"ABORTED", "aborted"},
	codes.OutOfRange:         {"OUT_OF_RANGE", "out_of_range"},
	codes.Unimplemented:      {"UNIMPLEMENTED", "unimplemented"},
	codes.Internal:           {"INTERNAL", "internal"},
	codes.Unavailable:        {"UNAVAILABLE", "unavailable"},
	codes.DataLoss:           {"DATA_LOSS", "data_loss"},
	codes.Unauthenticated:    {"UNAUTHENTICATED", "unauthenticated"},
}

// HTTPStatus returns the HTTP status for a gRPC code, by grpc-gateway's table, which
// is that of google/rpc/code.proto and Connect's. A code that gRPC does not define is
// treated as UNKNOWN.
func HTTPStatus(c codes.Code) int {
	if int(c) >= len(statusTable) {
		c = codes.Unknown
	}
	return runtime.HTTPStatusFromCode(c)
}

// CodeName returns the name of a code as in google.rpc.Code, such as
// INVALID_ARGUMENT, and the number of a code that gRPC does not define.
func CodeName(c codes.Code) string {
	if int(c) >= len(statusTable) {
		return strconv.FormatUint(uint64(c), 10)
	}
	return statusTable[c].name
}

// ConnectCode returns the name of an error's code in Connect, such as
// invalid_argument. A code that gRPC does not define is treated as UNKNOWN.
func ConnectCode(c codes.Code) string {
	if c == codes.OK || int(c) >= len(statusTable) {
		c = codes.Unknown
	}
	return statusTable[c].connect
}

// closeBase is where the close codes of calls begin, in the range that RFC 6455,
// section 7.4.2, leaves to applications.
const closeBase = 4000

// CloseCodeOf returns the code with which a WebSocket closes after a call: 1000 after
// a success, else 4000 and the number of the gRPC code, so that 4005 is NOT_FOUND. A
// code that gRPC does not define is treated as UNKNOWN.
func CloseCodeOf(c codes.Code) int {
	switch {
	case c == codes.OK:
		return CloseNormal
	case int(c) >= len(statusTable):
		c = codes.Unknown
	}
	return closeBase + int(c)
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
	case http.StatusPreconditionFailed:
		return codes.FailedPrecondition
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
