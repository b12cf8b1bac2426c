package rpc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/anypb"
)

var (
	errNotConfigured = status.Error(codes.Unavailable, "the backend of this method is not configured")
	errNotReachable  = status.Error(codes.Unavailable, "the backend is not reachable")
	errLost          = status.Error(codes.Unavailable, "the connection to the backend was lost")
	errOverloaded    = status.Error(codes.Unavailable, "the backend refuses calls")
	errBrokenOff     = status.Error(codes.Internal, "the backend broke off the call")
	errNotGRPC       = status.Error(codes.Internal, "the backend did not answer in gRPC")
	errBadAnswer     = status.Error(codes.Internal, "the backend's answer is broken")
	errDeadline      = status.Error(codes.DeadlineExceeded, "the deadline of the call passed")
	errCancelled     = status.Error(codes.Canceled, "the call was cancelled")
)

// FromBackend reports whether an error is the backend's own answer. It is then
// passed on with its message and details. All other errors were made here and
// carry no text of the network or of the backend.
func FromBackend(err error) bool {
	var e *backendError
	return errors.As(err, &e)
}

// BackendFault reports whether a code says that the backend itself fails, rather than
// that it refused what its client wants, or that its client gave up.
func BackendFault(c codes.Code) bool {
	switch c {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Unknown, codes.DataLoss:
		return true
	default:
		return false
	}
}

// backendError is a status that a backend sent.
type backendError struct{ status *status.Status }

func (e *backendError) Error() string              { return e.status.Err().Error() }
func (e *backendError) GRPCStatus() *status.Status { return e.status }

// ResponseTooLarge returns the error for a backend's response that is over a limit of the gateway. It is INTERNAL,
// because a smaller request or a later one may not help the client, and does not count as a failure of the backend.
func ResponseTooLarge(text string) error {
	return &responseTooLargeError{status.New(codes.Internal, text)}
}

// IsResponseTooLarge reports whether an error is of [ResponseTooLarge].
func IsResponseTooLarge(err error) bool {
	var e *responseTooLargeError
	return errors.As(err, &e)
}

type responseTooLargeError struct{ status *status.Status }

func (e *responseTooLargeError) Error() string              { return e.status.Message() }
func (e *responseTooLargeError) GRPCStatus() *status.Status { return e.status }

// Reasons of failures that the gateway reports in place of a backend's status.
const (
	ReasonUnreachable    = "unreachable"     // no connection to the backend
	ReasonConnectionLost = "connection_lost" // while the call was under way
	ReasonOverloaded     = "overloaded"      // the backend refused the stream
	ReasonInvalidAnswer  = "invalid_answer"  // it is not gRPC, incomplete or broken off
	ReasonDeadline       = "deadline"        // it did not come in time
	ReasonStatus         = "status"          // the backend's own status
	ReasonOther          = "other"
)

// FailureReason returns which of the reasons an error of a call has.
func FailureReason(err error) string {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{errNotReachable, ReasonUnreachable}, {errNotConfigured, ReasonUnreachable}, {errLost, ReasonConnectionLost},
		{errOverloaded, ReasonOverloaded}, {errBrokenOff, ReasonInvalidAnswer}, {errNotGRPC, ReasonInvalidAnswer}, {errBadAnswer, ReasonInvalidAnswer},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	switch {
	case FromBackend(err):
		return ReasonStatus
	case status.Code(err) == codes.DeadlineExceeded:
		return ReasonDeadline
	}
	return ReasonOther
}

// ContextError returns the status of a call whose context is done: the context's
// cause where that is a status, else DEADLINE_EXCEEDED or CANCELLED.
func ContextError(ctx context.Context) error {
	cause := context.Cause(ctx)
	if _, ok := status.FromError(cause); ok {
		return cause
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errDeadline
	}
	return errCancelled
}

// PanicError is a panic of a goroutine that worked for a call. Its status is
// INTERNAL and tells nothing; Value and Stack are for the log.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// GRPCStatus returns what a client may know.
func (*PanicError) GRPCStatus() *status.Status {
	return status.New(codes.Internal, "internal error")
}

// classify says once whether grpc's error is the backend's answer or was made
// here. The text of grpc-go may choose among our texts; it is never passed on.
func (x *exchange) classify(ctx context.Context, err error) error {
	st := status.Convert(err)
	ended := x.ended(st)
	if ctx.Err() != nil && (!ended || st.Code() == codes.Canceled || st.Code() == codes.DeadlineExceeded) {
		return ContextError(ctx)
	}
	if !ended {
		return x.madeHere(st)
	}
	if local := x.unreadable(st); local != nil {
		return local
	}
	return &backendError{presentable(st)}
}

// madeHere gives our own words to a failure before the backend's trailers.
func (x *exchange) madeHere(st *status.Status) error {
	if local := x.unreadable(st); local != nil {
		return local
	}
	switch text := st.Message(); {
	case st.Code() == codes.DeadlineExceeded: // the backend's reset was faster than our own timer
		return errDeadline
	case st.Code() == codes.Unavailable && (x.header != nil || strings.Contains(text, "reading from server")):
		return errLost
	case st.Code() == codes.Unavailable:
		return errNotReachable
	case st.Code() == codes.ResourceExhausted:
		return errOverloaded
	case strings.Contains(text, "HTTP status") || strings.Contains(text, "content-type"):
		return errNotGRPC
	case strings.Contains(text, "RST_STREAM"):
		return errBrokenOff
	case strings.Contains(text, "connection is closing"):
		return errLost
	default:
		return errBadAnswer
	}
}

// unreadable returns the error for a message that could not be read, or nil. It
// is found while reading, when the trailers may have come already, so it shows
// only in grpc's text. A backend that ends a call with just such a text after
// its headers gets our text in place of its own, and nothing worse.
func (x *exchange) unreadable(st *status.Status) error {
	text, limit := st.Message(), x.call.Method.Limits.ResponseBytes
	switch {
	case strings.HasPrefix(text, "grpc-status-details-bin mismatch: "),
		st.Code() == codes.Internal && strings.HasPrefix(text, "cardinality violation: "): // of a unary call, found before its headers are told
		return errBadAnswer
	case x.header == nil: // no message without headers
		return nil
	case st.Code() == codes.ResourceExhausted && strings.HasPrefix(text, "grpc: received message") &&
		(strings.HasSuffix(text, fmt.Sprintf(" vs. %d)", limit)) || strings.HasSuffix(text, fmt.Sprintf(" max %d", limit))):
		return ResponseTooLarge(fmt.Sprintf("a response message is larger than the limit of %d bytes", limit))
	case text == "unexpected EOF", strings.HasPrefix(text, "grpc: "), strings.HasPrefix(text, "cardinality violation: "): // also UNIMPLEMENTED
		if st.Code() == codes.Internal || st.Code() == codes.Unimplemented {
			return errBadAnswer
		}
	}
	return nil
}

// presentable returns a backend's status without stack traces, and with UNKNOWN
// for a code that does not exist.
func presentable(st *status.Status) *status.Status {
	p := st.Proto()
	if p.Code < 0 || p.Code > int32(codes.Unauthenticated) {
		if p.Message == "" {
			p.Message = fmt.Sprintf("the backend returned the status %d, which gRPC does not define", uint32(p.Code)) //nolint:gosec // as it was sent
		}
		p.Code = int32(codes.Unknown)
	}
	if p.Code == int32(codes.Unknown) && p.Message == "" { // also of trailers without a status
		p.Message = "the backend returned UNKNOWN without a message"
	}
	p.Details = withoutDebugInfo(p.GetDetails())
	return status.FromProto(p)
}

func withoutDebugInfo(details []*anypb.Any) []*anypb.Any {
	return slices.DeleteFunc(details, func(d *anypb.Any) bool {
		return strings.HasSuffix(d.GetTypeUrl(), "/google.rpc.DebugInfo")
	})
}

// StatusOf returns the status in an error, which is OK for none, or false where an
// error has no status. The text around a wrapped status is for logs, and is left out.
func StatusOf(err error) (*status.Status, bool) {
	if err == nil {
		return nil, true
	}
	st, ok := errors.AsType[interface {
		error
		GRPCStatus() *status.Status
	}](err)
	if !ok {
		return nil, false
	}
	return st.GRPCStatus(), true
}
