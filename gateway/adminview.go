package gateway

import (
	"context"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/gateway/admin"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// adminView is the gateway as the admin service sees it.
type adminView struct{ g *Gateway }

var _ admin.Gateway = adminView{}

func (v adminView) Configured(name string) bool { return v.g.isConfigured(name) }

func (v adminView) Has(counted store.Owners) bool { return v.g.registrations.has(counted) }

func (v adminView) Apply(ctx context.Context) error { return v.g.apply(ctx) }

func (v adminView) Preview(ctx context.Context, c admin.Candidate) (*admin.Preview, error) {
	return v.g.preview(ctx, c)
}

func (v adminView) CheckPolicy(p *adminv1.RegisteredPolicy) []*errdetails.BadRequest_FieldViolation {
	return checkPolicy(v.g.current().config.Config, p)
}

func (v adminView) Holders() admin.Holders {
	h := admin.Holders{Serving: make(map[string]string), Configured: make(map[string]bool), Loaded: true}
	for _, s := range v.g.views.Load().snapshot.Services {
		h.Serving[s.FullName()] = s.Backend.Name
	}
	for _, s := range v.g.registry.State() {
		if s.Claims != nil {
			continue
		}
		if s.Files == nil {
			h.Loaded = false
			continue
		}
		services := s.Served
		if len(services) == 0 {
			services = s.Files.Services
		}
		for _, service := range services {
			h.Configured[service] = true
		}
	}
	return h
}

func (v adminView) Probe(ctx context.Context, p admin.Probe) []*adminv1.Finding {
	return v.g.probe(ctx, p)
}

func (v adminView) PreviewPolicy(ctx context.Context, p *adminv1.RegisteredPolicy) (*admin.Preview, error) {
	return v.g.previewPolicy(ctx, p)
}

func (v adminView) PolicyStates() []*adminv1.PolicyState { return v.g.policyStates() }

func (v adminView) Describe(ctx context.Context, c admin.Candidate) (string, []byte, error) {
	return v.g.describe(ctx, c)
}

func (v adminView) OwnAddresses() []string {
	if own := v.g.own.Load(); own != nil {
		return *own
	}
	return []string{v.g.first.settings.listen, v.g.first.settings.admin}
}

func (v adminView) Backends(context.Context) []*adminv1.Backend {
	connections := make(map[string]string)
	for _, s := range v.g.pool.State() {
		connections[s.Backend] = connectionOf(s)
	}
	problems := v.g.views.Load().problems
	var out []*adminv1.Backend
	for _, s := range v.g.backendStates() {
		b := v.backend(s.BackendState)
		b.State = s.State
		b.Connection = connections[s.Name]
		found := append(skewOf(s.BackendState), problemsOf(s.Name, problems)...)
		for _, p := range found[:min(len(found), shownProblems)] {
			b.Problems = append(b.Problems, admin.ProblemOf(p))
		}
		out = append(out, b)
	}
	return out
}

// skewOf returns a problem where a backend's replicas run different versions.
func skewOf(s schema.BackendState) []schema.Problem {
	if s.Skew == nil {
		return nil
	}
	return []schema.Problem{{Severity: schema.Warning, Backend: s.Name, Message: s.Skew.Error()}}
}

func (v adminView) backend(s schema.BackendState) *adminv1.Backend {
	b := &adminv1.Backend{Name: s.Name, Source: s.Kind}
	if s.Files != nil {
		b.Digest, b.Services = s.Files.Digest, s.Files.Services
	}
	if len(s.Served) > 0 {
		b.Services = s.Served
	}
	if !s.LoadedAt.IsZero() {
		b.LoadTime = timestamppb.New(s.LoadedAt)
	}
	if s.Err != nil {
		b.LoadError = s.Err.Error()
	}
	if r := v.g.registrations.of(s.Name); r != nil {
		b.Address, b.Revision, b.Owner = r.revision.GetAddress(), r.revision.GetDigest(), r.revision.GetOwner()
		return b
	}
	for _, e := range v.g.current().endpoints {
		if e.Name == s.Name {
			b.Address = e.Address
		}
	}
	return b
}

// connectionOf says whether a backend would take a call.
func connectionOf(s rpc.BackendState) string {
	for _, a := range s.Addresses {
		if a.Ready {
			return "ready"
		}
	}
	if len(s.Addresses) == 0 {
		return "connecting"
	}
	return "failing"
}

// shownProblems is how many problems are told of a snapshot or a backend.
const shownProblems = 500

func (v adminView) Snapshot() (*adminv1.Snapshot, <-chan struct{}) {
	current := v.g.views.Load()
	out := &adminv1.Snapshot{
		Digest:   current.snapshot.Digest,
		SwapTime: timestamppb.New(current.since),
		Methods:  int32(len(current.snapshot.Methods)), //nolint:gosec // bounded by the limits of descriptors
	}
	for _, p := range current.problems[:min(len(current.problems), shownProblems)] {
		out.Problems = append(out.Problems, admin.ProblemOf(p))
	}
	return out, current.replaced
}

func (v adminView) Explain(in *adminv1.ExplainRequest) (*adminv1.ExplainResponse, error) {
	return v.g.views.Load().explain(in)
}
