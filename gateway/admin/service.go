// Package admin is the admin service of a gateway: teams register their backends with
// it, and operators look at what is served. It is a gRPC service like any other, on a listener in
// memory; the gateway puts its own doors before it.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync/atomic"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/gateway/audit"
	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
	"github.com/protean-gateway/protean/translate"
)

// Gateway is what the service tells about and changes. Its methods are called concurrently.
type Gateway interface {
	// Backends returns all backends, configured and registered.
	Backends(context.Context) []*adminv1.Backend
	// Configured reports whether the configuration has a backend of this name.
	Configured(name string) bool
	// Preview compiles what would be served and compares it with what is. It changes nothing.
	Preview(context.Context, Candidate) (*Preview, error)
	// CheckPolicy says what is wrong with a policy by itself and beside the configuration.
	CheckPolicy(*adminv1.RegisteredPolicy) []*errdetails.BadRequest_FieldViolation
	// PreviewPolicy is [Gateway.Preview] of a policy that is said, or taken back.
	PreviewPolicy(context.Context, *adminv1.RegisteredPolicy) (*Preview, error)
	// PolicyStates returns what policies have counted and come to, in the order of the service.
	PolicyStates() []*adminv1.PolicyState
	// Holders returns who serves which service now.
	Holders() Holders
	// Probe connects to an address and returns what it finds wrong there.
	Probe(context.Context, Probe) []*adminv1.Finding
	// Apply serves what the store has, and returns when it is served here.
	Apply(context.Context) error
	// Has reports whether what is served has all registrations that were counted.
	Has(store.Owners) bool
	// Snapshot returns what is served, and a channel that is closed when something else is.
	Snapshot() (*adminv1.Snapshot, <-chan struct{})
	// Explain says how an operation or a request is carried out.
	Explain(*adminv1.ExplainRequest) (*adminv1.ExplainResponse, error)
	// Describe returns the SDL and the OpenAPI document, in JSON, of one backend alone.
	Describe(context.Context, Candidate) (sdl string, openapi []byte, err error)
	// OwnAddresses are the addresses that the gateway itself listens on.
	OwnAddresses() []string
}

// Candidate is a backend as it would be.
type Candidate struct {
	Name      string
	Files     *schema.Files // nil: it is taken out of service
	Served    []string
	Claims    *schema.Claims
	Claimed   []string // services that it has for the first time
	TakenOver []string // services of other backends that it takes over
}

// Preview is what would come of a candidate.
type Preview struct {
	Current  *schema.Snapshot // what is served now
	Snapshot *schema.Snapshot // what would be served
	Routes   []translate.Route
	Problems []schema.Problem // of the candidate
	Findings []*adminv1.Finding
	Worst    gate.Severity
}

// Service implements the admin service.
type Service struct {
	adminv1.UnimplementedAdminServiceServer

	gateway Gateway
	store   *store.Store
	rules   atomic.Pointer[Rules]
	log     *slog.Logger
	record  *audit.Log
	now     func() time.Time

	// deciding holds the one registration or deletion that is checked and kept. What it is checked against stays
	// as it is until then, unless another gateway changes it.
	deciding chan struct{}
}

// NewService returns the service over a store. It records changes in record, which may be nil.
func NewService(g Gateway, s *store.Store, r *Rules, log *slog.Logger, record *audit.Log) *Service {
	service := &Service{gateway: g, store: s, log: log, record: record, now: time.Now, deciding: make(chan struct{}, 1)}
	service.Follow(r)
	return service
}

// Follow has other rules hold, for all that is asked from now on. Whether there are owners at all stays as it was
// at first: the doors before the service want a token or they do not.
func (s *Service) Follow(r *Rules) { s.rules.Store(r) }

func (s *Service) owners() owners { return s.rules.Load().owners }

// warns reports whether the gate lets all pass.
func (s *Service) warns() bool { return s.rules.Load().gate == configv1.Gate_GATE_WARN }

// ListBackends implements the admin service.
func (s *Service) ListBackends(ctx context.Context, _ *adminv1.ListBackendsRequest) (*adminv1.ListBackendsResponse, error) {
	return &adminv1.ListBackendsResponse{Backends: s.gateway.Backends(ctx)}, nil
}

// ListRevisions implements the admin service. Page tokens are numbers of revisions.
func (s *Service) ListRevisions(ctx context.Context, in *adminv1.ListRevisionsRequest) (*adminv1.ListRevisionsResponse, error) {
	const defaultPage, largestPage = 20, 100
	size := int(in.GetPageSize())
	if size < 0 {
		return nil, status.Error(codes.InvalidArgument, "page_size is negative")
	}
	if size == 0 {
		size = defaultPage
	}
	size = min(size, largestPage)
	before := int64(0)
	if text := in.GetPageToken(); text != "" {
		var err error
		if before, err = strconv.ParseInt(text, 10, 64); err != nil || before < 1 {
			return nil, status.Error(codes.InvalidArgument, "page_token is not one that an answer had")
		}
	}
	revisions, err := s.store.List(ctx, in.GetBackend(), before, size+1)
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	if len(revisions) == 0 && before == 0 {
		return nil, status.Errorf(codes.NotFound, "no backend %q was ever registered", in.GetBackend())
	}
	out := &adminv1.ListRevisionsResponse{Revisions: revisions}
	if len(revisions) > size {
		out.Revisions = revisions[:size]
		out.NextPageToken = strconv.FormatInt(revisions[size-1].GetNumber(), 10)
	}
	return out, nil
}

// GetRevision implements the admin service.
func (s *Service) GetRevision(ctx context.Context, in *adminv1.GetRevisionRequest) (*adminv1.Revision, error) {
	r, err := s.revision(ctx, in.GetBackend(), in.GetDigest())
	if err != nil {
		return nil, err
	}
	for _, part := range in.GetParts() {
		if r.GetDeleted() {
			return nil, status.Error(codes.FailedPrecondition, "this revision took the backend out of service and has no descriptors")
		}
		if err := s.addPart(ctx, r, part); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// revision finds a revision by its digest, by enough of its beginning, or by its number; none is the current one.
func (s *Service) revision(ctx context.Context, backend, digest string) (*adminv1.Revision, error) {
	if digest == "" {
		r, err := s.store.Head(ctx, backend)
		return r, s.storeError(ctx, err)
	}
	const whole, shortest = 64, 8
	if number, err := strconv.ParseInt(digest, 10, 64); err == nil && number > 0 && len(digest) < shortest {
		r, err := s.store.Number(ctx, backend, number)
		return r, s.storeError(ctx, err)
	}
	if len(digest) >= whole {
		r, err := s.store.Revision(ctx, backend, digest)
		return r, s.storeError(ctx, err)
	}
	if len(digest) < shortest {
		return nil, status.Errorf(codes.InvalidArgument, "%q is neither the number of a revision nor the first %d digits of its digest", digest, shortest)
	}
	return s.abbreviated(ctx, backend, digest)
}

func (s *Service) addPart(ctx context.Context, r *adminv1.Revision, part adminv1.GetRevisionRequest_Part) error {
	descriptors, err := s.store.Descriptors(ctx, r)
	if err != nil {
		return s.storeError(ctx, err)
	}
	if part == adminv1.GetRevisionRequest_PART_DESCRIPTORS {
		r.Descriptors = descriptors
		return nil
	}
	files, err := parse(descriptors)
	if err != nil {
		return err
	}
	sdl, openapi, err := s.gateway.Describe(ctx, Candidate{Name: r.GetBackend(), Files: files, Served: r.GetServices()})
	if err != nil {
		return err
	}
	switch part {
	case adminv1.GetRevisionRequest_PART_SDL:
		r.Sdl = sdl
	case adminv1.GetRevisionRequest_PART_OPENAPI:
		r.Openapi = string(openapi)
	default:
		return status.Error(codes.InvalidArgument, "parts has one that this gateway does not know")
	}
	return nil
}

// Explain implements the admin service.
func (s *Service) Explain(_ context.Context, in *adminv1.ExplainRequest) (*adminv1.ExplainResponse, error) {
	return s.gateway.Explain(in)
}

// WatchSnapshot implements the admin service.
func (s *Service) WatchSnapshot(_ *adminv1.WatchSnapshotRequest, out adminv1.AdminService_WatchSnapshotServer) error {
	last := ""
	for {
		current, replaced := s.gateway.Snapshot()
		if current.GetDigest() != last {
			if err := out.Send(current); err != nil {
				return err
			}
			last = current.GetDigest()
		}
		select {
		case <-replaced:
		case <-out.Context().Done():
			return status.FromContextError(out.Context().Err()).Err()
		}
	}
}

// parse reads descriptors. Its error is the caller's to mend.
func parse(descriptors []byte) (*schema.Files, error) {
	files, err := schema.ParseDescriptors(descriptors)
	if err != nil {
		return nil, status.Errorf(codes.InvalidArgument, "descriptors: %v", err)
	}
	return files, nil
}

// storeError makes a status of an error of the store. What is wrong with the store is for the
// operator's log; the caller hears that it is.
func (s *Service) storeError(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, store.ErrNotFound):
		return status.Error(codes.NotFound, "there is no such backend or revision")
	case errors.Is(err, store.ErrKeyReused):
		return status.Error(codes.AlreadyExists, "the idempotency key was used for another registration; take a new one")
	case errors.Is(err, store.ErrOthersChanged):
		return status.Error(codes.Aborted, "other owners keep registering while this is checked against theirs; try again")
	case errors.Is(err, store.ErrTooLarge):
		return status.Error(codes.ResourceExhausted, err.Error())
	case ctx.Err() != nil:
		return status.FromContextError(ctx.Err()).Err()
	}
	if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
		return conflicting(conflict.Current)
	}
	s.log.ErrorContext(ctx, "the store of registrations failed", "error", err)
	if errors.Is(err, store.ErrDamaged) {
		return status.Error(codes.DataLoss, "what the store has of this is damaged; the gateway's log says more")
	}
	return status.Error(codes.Unavailable, "the store of registrations does not answer; what is served stays served")
}

// abbreviated looks for a digest by its beginning among the newest revisions.
func (s *Service) abbreviated(ctx context.Context, backend, beginning string) (*adminv1.Revision, error) {
	const among = 1000
	revisions, err := s.store.List(ctx, backend, 0, among)
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	var found *adminv1.Revision
	for _, r := range revisions {
		if len(beginning) <= len(r.GetDigest()) && r.GetDigest()[:len(beginning)] == beginning {
			if found != nil {
				return nil, status.Errorf(codes.InvalidArgument, "several revisions begin with %s; give more of the digest", beginning)
			}
			found = r
		}
	}
	if found == nil {
		return nil, status.Errorf(codes.NotFound, "no revision of %q begins with %s", backend, beginning)
	}
	return found, nil
}

func (s *Service) timestamp() *timestamppb.Timestamp { return timestamppb.New(s.now().UTC()) }

// logChange writes a line for a change into the log.
func (s *Service) logChange(ctx context.Context, what string, r *adminv1.Revision, more ...any) {
	s.log.InfoContext(ctx, what, append([]any{
		"subject", callerOf(ctx), "backend", r.GetBackend(), "revision", short(r.GetDigest()), "number", r.GetNumber(),
		"parent", short(r.GetParent()), "reason", r.GetReason(),
	}, more...)...)
}

func short(digest string) string { return digest[:min(12, len(digest))] }

func breakingOf(findings []*adminv1.Finding) int {
	n := 0
	for _, f := range findings {
		if f.GetSeverity() == adminv1.Finding_SEVERITY_BREAKING {
			n++
		}
	}
	return n
}

func invalid(format string, arguments ...any) error {
	return status.Error(codes.InvalidArgument, fmt.Sprintf(format, arguments...))
}
