package admin

import (
	"context"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// Diff implements the admin service.
func (s *Service) Diff(ctx context.Context, in *adminv1.DiffRequest) (*adminv1.DiffResponse, error) {
	owner, err := s.owners().of(ctx)
	if err != nil {
		return nil, err
	}
	p, err := s.compared(ctx, in)
	if err != nil {
		return nil, err
	}
	p.owner = owner
	if err := checkServices(p.files, p.revision.GetServices()); err != nil {
		return nil, err
	}
	if err := checkWait(p.wait); err != nil {
		return nil, err
	}
	head, err := s.head(ctx, in.GetBackend())
	if err != nil {
		return nil, err
	}
	p.revision.Owner = p.ownerOf(head)
	if err := s.probeCompared(ctx, p, head); err != nil {
		return nil, err
	}
	if err := s.claim(ctx, p, head); err != nil {
		return nil, err
	}
	preview, err := s.gateway.Preview(ctx, p.candidate())
	if err != nil {
		return nil, err
	}
	if err := refuseBroken(preview.Problems); err != nil {
		return nil, err
	}
	preview.add(p.found)
	return &adminv1.DiffResponse{
		Findings:        preview.Findings,
		Problems:        problemsOf(preview.Problems),
		Blocked:         preview.Worst >= gate.Breaking && !s.warns(),
		ActiveOverride:  s.activeOverride(head),
		Address:         p.revision.GetAddress(),
		PreviousAddress: previousAddress(head, p.revision.GetAddress()),
	}, nil
}

// compared returns what a request compares: descriptors that it has, or those of a revision.
func (s *Service) compared(ctx context.Context, in *adminv1.DiffRequest) (*proposal, error) {
	r := &adminv1.Revision{
		Backend: in.GetBackend(), Address: in.GetAddress(), Services: in.GetServices(), Descriptors: in.GetDescriptors(),
	}
	if len(in.GetDescriptors()) == 0 || in.GetDigest() != "" {
		old, err := s.revision(ctx, in.GetBackend(), in.GetDigest())
		if err != nil {
			return nil, err
		}
		if r.Descriptors, err = s.store.Descriptors(ctx, old); err != nil {
			return nil, s.storeError(ctx, err)
		}
		r.Services = old.GetServices()
		if r.Address == "" {
			r.Address = old.GetAddress()
		}
	}
	files, err := parse(r.GetDescriptors())
	if err != nil {
		return nil, err
	}
	return &proposal{revision: r, files: files, takeOver: in.GetTakeOver(), wait: in.GetWait().AsDuration()}, nil
}

// probeCompared looks at the address of what is compared, if it has one of its own; otherwise that of the
// current revision stays.
func (s *Service) probeCompared(ctx context.Context, p *proposal, head *adminv1.Revision) error {
	if p.revision.GetAddress() == "" {
		p.revision.Address = head.GetAddress()
		return nil
	}
	if err := s.permitAddress(p.owner, p.revision.GetAddress()); err != nil {
		return err
	}
	p.found = s.probe(ctx, p)
	return nil
}
