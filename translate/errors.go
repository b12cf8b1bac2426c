package translate

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// refusal is an error of HTTP itself, found before there was a call. Its status
// says more than the table makes of a gRPC code.
type refusal struct {
	http          int
	message       string
	header, value string // that the status wants, such as Allow of a 405; or nothing
	cause         error  // whose status says more than what http would make of it, or nil
}

func refuse(httpStatus int, message string) error {
	return &refusal{http: httpStatus, message: message}
}

func notAllowed(method, allowed string) error {
	return &refusal{
		http:    http.StatusMethodNotAllowed,
		message: method + " is not allowed here; allowed: " + allowed,
		header:  "Allow",
		value:   allowed,
	}
}

func (r *refusal) Error() string { return r.message }

// GRPCStatus makes a refusal a gRPC status like all other errors.
func (r *refusal) GRPCStatus() *status.Status {
	if r.cause != nil {
		return statusOf(r.cause)
	}
	return status.New(transport.Code(r.http), r.message)
}

// invalid is an INVALID_ARGUMENT with the field that is wrong, as google.rpc.BadRequest has it.
func invalid(message, field, reason string) error {
	st := status.New(codes.InvalidArgument, message)
	if detailed, err := st.WithDetails(&errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: reason}},
	}); err == nil {
		st = detailed
	}
	return st.Err()
}

// invalidInput says where a client's text is wrong. Where names the place, such
// as `query parameter pageSize`; field is the request field it stands for.
func invalidInput(where, field string, err error) error {
	fault, ok := errors.AsType[*wire.Error](err)
	if !ok {
		return invalid(where+" is not valid", field, "not valid")
	}
	if fault.Line > 0 {
		where += fmt.Sprintf(", line %d, column %d", fault.Line, fault.Column)
		if fault.Path != "" {
			field = fault.Path
			where += ": " + fault.Path
		}
	}
	return invalid(where+": "+fault.Reason, field, fault.Reason)
}

// answerFault is what the client hears when a backend's message cannot be written as JSON.
func answerFault(m *schema.Method, err error) error {
	if errors.Is(err, wire.ErrTooLarge) {
		return rpc.ResponseTooLarge(fmt.Sprintf("the answer of %s is larger than %d bytes of JSON", m.FullName(), m.Limits.JSONBytes))
	}
	return status.Errorf(codes.Internal, "the backend's answer is not a valid %s", m.Output.FullName())
}

// statusOf returns an error as a gRPC status. The text of an error that is none
// is not for clients.
func statusOf(err error) *status.Status {
	if st, ok := rpc.StatusOf(err); ok {
		return st
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, "the call was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, "the deadline passed")
	default:
		return status.New(codes.Internal, "internal error")
	}
}
