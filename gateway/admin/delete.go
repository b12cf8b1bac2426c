package admin

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema/store"
)

// DeleteBackend implements the admin service. The tombstone keeps the history.
func (s *Service) DeleteBackend(ctx context.Context, in *adminv1.DeleteBackendRequest) (*adminv1.DeleteBackendResponse, error) {
	owner, err := s.owners().of(ctx)
	if err != nil {
		return nil, err
	}
	if len(in.GetReason()) > longestReason {
		return nil, invalid("reason is longer than %d bytes", longestReason)
	}
	if err := s.checkOverride(in.GetOverride(), owner); err != nil {
		return nil, err
	}
	if err := s.turnToDecide(ctx); err != nil {
		return nil, err
	}
	defer s.endDeciding()
	head, err := s.deletable(ctx, owner, in)
	if err != nil {
		return nil, err
	}
	preview, err := s.gateway.Preview(ctx, Candidate{Name: in.GetBackend()})
	if err != nil {
		return nil, err
	}
	out := &adminv1.DeleteBackendResponse{Findings: preview.Findings}
	out.Blocked, out.AcceptedBy = s.judge(preview, s.overrideOf(in.GetOverride(), head))
	if in.GetDryRun() {
		return out, nil
	}
	if out.Blocked {
		s.log.InfoContext(ctx, "the compatibility check rejected a deletion", "subject", callerOf(ctx), "backend", in.GetBackend(),
			"breaking", breakingOf(out.GetFindings()))
		out.Findings = within64K(out.GetFindings())
		return nil, rejection(out)
	}
	return out, s.bury(ctx, in, head, out)
}

// deletable returns the current revision of a backend that the owner may delete.
func (s *Service) deletable(ctx context.Context, o *owner, in *adminv1.DeleteBackendRequest) (*adminv1.Revision, error) {
	head, err := s.store.Head(ctx, in.GetBackend())
	if errors.Is(err, store.ErrNotFound) && s.gateway.Configured(in.GetBackend()) {
		return nil, status.Errorf(codes.FailedPrecondition, "the backend %q is in the gateway's configuration; take it out there", in.GetBackend())
	}
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	if head.GetDeleted() {
		return nil, status.Errorf(codes.NotFound, "the backend %q was deleted already", in.GetBackend())
	}
	return head, s.mayChange(o, head, in.GetBackend())
}

// bury keeps a tombstone and serves without the backend.
func (s *Service) bury(ctx context.Context, in *adminv1.DeleteBackendRequest, head *adminv1.Revision, out *adminv1.DeleteBackendResponse) error {
	tombstone := &adminv1.Revision{
		Backend: in.GetBackend(), Owner: head.GetOwner(), Reason: in.GetReason(), CreateTime: s.timestamp(), Deleted: true,
		Override: out.GetAcceptedBy(),
	}
	if out.GetAcceptedBy() != nil {
		tombstone.Breaking = int32(breakingOf(out.GetFindings())) //nolint:gosec // at most maxFindings
	}
	appended, _, err := s.store.Append(ctx, store.Change{Revision: tombstone, Expected: in.GetExpected(), Seen: head.GetDigest()})
	if err != nil {
		return s.storeError(ctx, err)
	}
	s.logChange(ctx, "a backend was deleted", appended, append([]any{"breaking", breakingOf(out.GetFindings())},
		overrideAttributes(out.GetAcceptedBy())...)...)
	if err := s.apply(ctx); err != nil {
		s.log.WarnContext(ctx, "a deletion is kept and the backend still served", "backend", in.GetBackend(), "error", err)
	}
	return nil
}
