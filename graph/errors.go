package graph

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/99designs/gqlgen/graphql/errcode"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/translate/transport"
	"github.com/protean-gateway/protean/wire"
)

// The codes of requests that never became calls, as clients know them from
// other GraphQL servers. All other codes are names of gRPC codes.
const (
	codeParse      = errcode.ParseFailed
	codeValidation = errcode.ValidationFailed
	codeInput      = "BAD_USER_INPUT"
	codeOperation  = "OPERATION_RESOLUTION_FAILURE"
	codeInternal   = "INTERNAL"
)

// withCode sets extensions.code.
func withCode(err *gqlerror.Error, code string) *gqlerror.Error {
	if err.Extensions == nil {
		err.Extensions = make(map[string]any, 1)
	}
	err.Extensions["code"] = code
	return err
}

// presenter words errors of calls for clients.
type presenter struct {
	any *wire.Projection // of google.protobuf.Any, for details
}

func newPresenter(types *wire.Types) *presenter {
	md := (*anypb.Any)(nil).ProtoReflect().Descriptor()
	return &presenter{any: types.Message(md).Project(wire.Options{})}
}

// present makes a GraphQL error of the failure of a field.
func (p *presenter) present(err error, path ast.Path, at *ast.Position) *gqlerror.Error {
	st := statusOf(err)
	out := &gqlerror.Error{Message: st.Message(), Path: path}
	if at != nil {
		out.Locations = []gqlerror.Location{{Line: at.Line, Column: at.Column}}
	}
	grpc := map[string]any{"code": int(st.Code()), "status": transport.CodeName(st.Code())}
	out.Extensions = map[string]any{"code": transport.CodeName(st.Code()), "grpc": grpc}
	var details []json.RawMessage
	for _, d := range st.Proto().GetDetails() {
		if d.MessageIs((*errdetails.DebugInfo)(nil)) {
			continue
		}
		details = append(details, p.detail(d))
		if after, ok := retryAfter(d); ok {
			out.Extensions["retryAfter"] = after.Seconds()
		}
	}
	if len(details) > 0 {
		grpc["details"] = details
	}
	return out
}

// detail writes an error detail as JSON; one of an unknown type by its bytes.
func (p *presenter) detail(d *anypb.Any) json.RawMessage {
	if msg, err := proto.Marshal(d); err == nil {
		if text, err := p.any.AppendJSON(nil, msg, nil); err == nil {
			return text
		}
	}
	text, err := json.Marshal(map[string]string{
		"@type": strings.ToValidUTF8(d.GetTypeUrl(), "�"),
		"value": base64.StdEncoding.EncodeToString(d.GetValue()),
	})
	if err != nil {
		return json.RawMessage("null")
	}
	return text
}

// retryAfter returns how long the backend asks clients to wait.
func retryAfter(d *anypb.Any) (time.Duration, bool) {
	var info errdetails.RetryInfo
	if !d.MessageIs(&info) || d.UnmarshalTo(&info) != nil || info.GetRetryDelay() == nil {
		return 0, false
	}
	return info.GetRetryDelay().AsDuration(), true
}

// statusOf returns the status of a failure. What is no status yet was found
// while an answer was read, and tells nothing of the inside.
func statusOf(err error) *status.Status {
	if st, ok := rpc.StatusOf(err); ok {
		return st
	}
	switch {
	case errors.Is(err, wire.ErrNotFinite):
		return status.New(codes.Internal, "the number is NaN or infinite, which GraphQL cannot write")
	case errors.Is(err, wire.ErrAbsent):
		return status.New(codes.Internal, "the backend's answer lacks a value that cannot be null")
	case errors.Is(err, wire.ErrDenied):
		return status.New(codes.PermissionDenied, "the caller may not see this field")
	case errors.Is(err, wire.ErrTooLarge):
		return status.New(codes.Internal, "the answer is larger than the limit")
	case errors.Is(err, wire.ErrTooManyFaults):
		return status.Newf(codes.ResourceExhausted, "more than %d values of the response cannot be returned, so the whole field is null", maxFieldErrors)
	case errors.Is(err, wire.ErrMalformed):
		return status.New(codes.Internal, "the backend's answer is not a valid message")
	case errors.Is(err, context.Canceled), errors.Is(err, wire.ErrAbandoned):
		return status.New(codes.Canceled, "the call was cancelled")
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, "the deadline of the call passed")
	default:
		return status.New(codes.Internal, "internal error")
	}
}
