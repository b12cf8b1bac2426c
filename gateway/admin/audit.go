package admin

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/gateway/audit"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema"
)

// audited records every call of a method that changes something: before it is begun, and what came of
// it. A change that cannot be recorded beforehand is refused, and nothing is changed. That the end of
// one cannot be recorded is logged, since it has happened. A dry run has its end alone.
func (s *Service) audited(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	name := info.FullMethod[strings.LastIndexByte(info.FullMethod, '/')+1:]
	if !changes(name) {
		return next(ctx, in)
	}
	e := entryOf(ctx, name, in)
	if dry, ok := in.(interface{ GetDryRun() bool }); ok && dry.GetDryRun() {
		e.Method += " (dry run)"
	} else if err := s.begin(e); err != nil {
		s.log.ErrorContext(ctx, "a change is refused because it cannot be recorded", "method", name, "target", e.Target, "error", err)
		return nil, status.Error(codes.Unavailable, "the audit log cannot be written, so nothing was changed; the gateway's log says more")
	}
	out, err := next(ctx, in)
	if wrong := s.record.Change(concluded(e, out, err)); wrong != nil {
		s.log.ErrorContext(ctx, "what came of a change cannot be recorded", "method", name, "target", e.Target, "failed", err, "error", wrong)
	}
	return out, err
}

// recovered turns a panic in a method into INTERNAL and logs its stack.
func (s *Service) recovered(ctx context.Context, in any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (out any, err error) {
	err = schema.Guard(func() (err error) {
		out, err = next(ctx, in)
		return err
	})
	if p, ok := errors.AsType[*schema.PanicError](err); ok {
		s.log.ErrorContext(ctx, "a method of the admin service panicked", "method", info.FullMethod, "panic", fmt.Sprint(p.Value), "stack", p.Stack)
		return nil, status.Error(codes.Internal, "the method failed because of a defect in the gateway; its log has the stack")
	}
	return out, err
}

func (s *Service) begin(e audit.Entry) error {
	e.Decision = audit.Begun
	return s.record.Change(e)
}

// changes reports whether a method of the service may change something.
func changes(method string) bool {
	services := adminv1.File_protean_admin_v1_admin_proto.Services()
	m := services.ByName("AdminService").Methods().ByName(protoreflect.Name(method))
	if m == nil {
		return true
	}
	options, _ := m.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() != descriptorpb.MethodOptions_NO_SIDE_EFFECTS
}

// entryOf says who wants to change what, and why.
func entryOf(ctx context.Context, method string, in any) audit.Entry {
	e := audit.Entry{Kind: audit.AdminCall, Subject: callerOf(ctx), Method: method, ID: requestIDOf(ctx)}
	if r, ok := in.(interface{ GetBackend() string }); ok {
		e.Target = r.GetBackend()
	}
	if r, ok := in.(interface{ GetSelector() string }); ok {
		e.Target = r.GetSelector()
	}
	if r, ok := in.(interface{ GetReason() string }); ok {
		e.Reason = r.GetReason()
	}
	if r, ok := in.(interface{ GetOverride() *adminv1.Override }); ok {
		e.Override = r.GetOverride().GetReason()
	}
	return e
}

// concluded says what came of a change.
func concluded(e audit.Entry, out any, err error) audit.Entry {
	code := status.Code(err)
	e.Decision, e.Code = audit.Done, code.String()
	switch code {
	case codes.OK:
	case codes.PermissionDenied, codes.Unauthenticated:
		e.Decision = audit.Denied
	default:
		e.Decision = audit.Failed
	}
	if err != nil {
		e.Error = status.Convert(err).Message()
	}
	if r, ok := out.(interface{ GetRevision() *adminv1.Revision }); ok && err == nil {
		e.Revision = r.GetRevision().GetDigest()
		if o := r.GetRevision().GetOverride(); o != nil { // which may be one from before that goes on
			e.Override = o.GetReason()
			if o.GetExpireTime().IsValid() {
				e.OverrideUntil = o.GetExpireTime().AsTime().Format(time.RFC3339)
			}
		}
	}
	if r, ok := out.(interface {
		GetPolicy() *adminv1.RegisteredPolicy
	}); ok && err == nil {
		e.Revision = r.GetPolicy().GetDigest()
	}
	return e
}

func requestIDOf(ctx context.Context) string {
	md, _ := metadata.FromIncomingContext(ctx)
	if ids := md.Get("x-request-id"); len(ids) == 1 {
		return ids[0]
	}
	return ""
}
