package catalog

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// fault is a status without details.
func fault(code codes.Code, format string, args ...any) error {
	return status.Errorf(code, format, args...)
}

func detailed(code codes.Code, message string, detail protoadapt.MessageV1) error {
	st, err := status.New(code, message).WithDetails(detail)
	if err != nil {
		return status.Error(code, message)
	}
	return st.Err()
}

func notFound(kind, name string) error {
	return detailed(codes.NotFound, fmt.Sprintf("%q does not exist", name),
		&errdetails.ResourceInfo{ResourceType: kind, ResourceName: name})
}

func exists(kind, name string) error {
	return detailed(codes.AlreadyExists, fmt.Sprintf("%q exists already", name),
		&errdetails.ResourceInfo{ResourceType: kind, ResourceName: name})
}

func violation(field, format string, args ...any) *errdetails.BadRequest_FieldViolation {
	return &errdetails.BadRequest_FieldViolation{Field: field, Description: fmt.Sprintf(format, args...)}
}

func invalid(violations ...*errdetails.BadRequest_FieldViolation) error {
	first := violations[0]
	return detailed(codes.InvalidArgument, first.GetField()+": "+first.GetDescription(),
		&errdetails.BadRequest{FieldViolations: violations})
}
