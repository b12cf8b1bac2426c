package admin

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// The bounds of an override.
const (
	defaultOverride = time.Hour
	longestOverride = 30 * 24 * time.Hour
)

// mostTries is how often a registration that expects nothing is checked again because another one came first.
const mostTries = 10

const longestReason = 4 << 10 // bytes

// backendName keeps names fit for paths, metrics and logs.
var backendName = regexp.MustCompile(`^[a-zA-Z0-9]([-._a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$`)

// Register implements the admin service.
func (s *Service) Register(ctx context.Context, in *adminv1.RegisterRequest) (*adminv1.RegisterResponse, error) {
	files, err := parse(in.GetDescriptors())
	if err != nil {
		return nil, err
	}
	p := &proposal{
		revision: &adminv1.Revision{
			Backend:     in.GetBackend(),
			Address:     in.GetAddress(),
			Reason:      in.GetReason(),
			Descriptors: in.GetDescriptors(),
			Services:    in.GetServices(),
			Override:    in.GetOverride(),
		},
		files:    files,
		expected: in.GetExpected(),
		key:      in.GetIdempotencyKey(),
		dryRun:   in.GetDryRun(),
	}
	return s.propose(ctx, p)
}

// Rollback implements the admin service: an earlier revision becomes the content of a new one.
func (s *Service) Rollback(ctx context.Context, in *adminv1.RollbackRequest) (*adminv1.RegisterResponse, error) {
	if in.GetDigest() == "" {
		return nil, invalid("digest is missing: which revision to return to")
	}
	old, err := s.revision(ctx, in.GetBackend(), in.GetDigest())
	if err != nil {
		return nil, err
	}
	if old.GetDeleted() {
		return nil, status.Error(codes.FailedPrecondition, "this revision took the backend out of service; delete it to do so again")
	}
	descriptors, err := s.store.Descriptors(ctx, old)
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	files, err := parse(descriptors)
	if err != nil {
		return nil, err
	}
	return s.propose(ctx, &proposal{
		revision: &adminv1.Revision{
			Backend:     old.GetBackend(),
			Address:     old.GetAddress(),
			Services:    old.GetServices(),
			Descriptors: descriptors,
			Reason:      in.GetReason(),
			RollbackOf:  old.GetDigest(),
			Override:    in.GetOverride(),
		},
		files:    files,
		expected: in.GetExpected(),
		dryRun:   in.GetDryRun(),
	})
}

// proposal is what is to become a backend's current revision.
type proposal struct {
	revision *adminv1.Revision
	files    *schema.Files
	expected string
	key      string
	dryRun   bool
	seen     string       // the revision that all was checked against
	counted  store.Owners // what others had by then; nil where it is no matter
	tries    int
}

// propose checks a proposal, lets it through the gate, and keeps and serves it.
func (s *Service) propose(ctx context.Context, p *proposal) (*adminv1.RegisterResponse, error) {
	owner, err := s.owners().of(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.check(p); err != nil {
		return nil, err
	}
	head, err := s.store.Head(ctx, p.revision.GetBackend())
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, s.storeError(ctx, err)
	}
	if p.seen = head.GetDigest(); head == nil {
		p.seen = store.None
	}
	if err := s.mayChange(owner, head, p.revision.GetBackend()); err != nil {
		return nil, err
	}
	p.revision.Owner = owner.name
	if owner.operator && head != nil && !head.GetDeleted() {
		p.revision.Owner = head.GetOwner() // an operator's hand does not take it away from its team
	}
	if err := s.owners().guard(owner, s.gateway.OwnAddresses).permitText(p.revision.GetAddress()); err != nil {
		return nil, status.Errorf(codes.PermissionDenied, "address %s: %v", p.revision.GetAddress(), err)
	}
	if p.repeats(head) {
		return &adminv1.RegisterResponse{Revision: head, Unchanged: true}, nil
	}
	if earlier, err := s.store.Earlier(ctx, p.change()); err != nil || earlier != nil {
		return &adminv1.RegisterResponse{Revision: earlier, Unchanged: true}, s.storeError(ctx, err)
	}
	if err := s.countOthers(ctx, p); err != nil {
		return nil, err
	}
	preview, err := s.gateway.Preview(ctx, Candidate{Name: p.revision.GetBackend(), Files: p.files, Served: p.revision.GetServices()})
	if err != nil {
		return nil, err
	}
	if err := refuseBroken(preview.Problems); err != nil {
		return nil, err
	}
	if err := s.checkOwnership(ctx, owner, p, preview); err != nil {
		return nil, err
	}
	return s.decide(ctx, p, head, preview)
}

// check looks at what a proposal says by itself.
func (s *Service) check(p *proposal) error {
	r := p.revision
	switch {
	case !backendName.MatchString(r.GetBackend()):
		return invalid("backend: a name has 1 to 63 letters, digits, dots, dashes and underscores, and begins and ends with a letter or digit")
	case s.gateway.Configured(r.GetBackend()):
		return status.Errorf(codes.FailedPrecondition,
			"the gateway's configuration has a backend %q; take it out there, or register under another name", r.GetBackend())
	case r.GetAddress() == "":
		return invalid("address is missing: where the backend is called")
	case len(r.GetReason()) > longestReason || len(r.GetOverride().GetReason()) > longestReason:
		return invalid("reason is longer than %d bytes", longestReason)
	case r.GetOverride() != nil && strings.TrimSpace(r.GetOverride().GetReason()) == "":
		return invalid("override.reason is missing: why breaking findings may pass")
	}
	if err := checkServices(p.files, r.GetServices()); err != nil {
		return err
	}
	if len(p.files.Services) == 0 {
		return invalid("descriptors: there is no service in them")
	}
	return s.limitOverride(r.GetOverride())
}

// checkServices refuses services that are not in the files.
func checkServices(files *schema.Files, wanted []string) error {
	for _, name := range wanted {
		if !slices.Contains(files.Services, name) {
			return invalid("services: the descriptors have no service %s", name)
		}
	}
	return nil
}

func (s *Service) limitOverride(o *adminv1.Override) error {
	if o == nil {
		return nil
	}
	ttl := defaultOverride
	if o.GetTtl() != nil {
		ttl = o.GetTtl().AsDuration()
	}
	if ttl <= 0 || ttl > longestOverride {
		return invalid("override.ttl must be more than nothing and at most %v", longestOverride)
	}
	o.ExpireTime = timestamppb.New(s.now().UTC().Add(ttl))
	return nil
}

// mayChange keeps backends with those who registered them.
func (s *Service) mayChange(o *owner, head *adminv1.Revision, backend string) error {
	if head == nil || head.GetDeleted() || o.operator || head.GetOwner() == o.name {
		return nil
	}
	return status.Errorf(codes.PermissionDenied, "the backend %q belongs to %s", backend, nameOf(head.GetOwner()))
}

// repeats reports whether a proposal is what is current already.
func (p *proposal) repeats(head *adminv1.Revision) bool {
	return head != nil && !head.GetDeleted() && p.key == "" && (p.expected == "" || p.expected == head.GetDigest()) &&
		head.GetAddress() == p.revision.GetAddress() &&
		slices.Equal(head.GetServices(), p.revision.GetServices()) &&
		head.GetDescriptorsDigest() == store.Digest(p.revision.GetDescriptors())
}

func (p *proposal) change() store.Change {
	return store.Change{Revision: p.revision, Expected: p.expected, Seen: p.seen, Owners: p.counted, Key: p.key}
}

// refuseBroken refuses descriptors that would not be served.
func refuseBroken(problems []schema.Problem) error {
	var broken []string
	for _, p := range problems {
		if p.Severity == schema.Error {
			broken = append(broken, clipped(p.String()))
		}
	}
	if len(broken) == 0 {
		return nil
	}
	const shown = 20
	if len(broken) > shown {
		broken = append(broken[:shown], "and more")
	}
	return invalid("descriptors: %s", strings.Join(broken, "\n"))
}

// decide lets a proposal through the gate or not.
func (s *Service) decide(ctx context.Context, p *proposal, head *adminv1.Revision, preview *Preview) (*adminv1.RegisterResponse, error) {
	given := p.revision.GetOverride()
	out := &adminv1.RegisterResponse{
		Revision: p.revision,
		Findings: preview.Findings,
		Problems: problemsOf(preview.Problems),
		Blocked:  s.blocks(p, head, preview.Worst),
	}
	if p.dryRun {
		p.revision.Descriptors = nil
		return out, nil
	}
	if out.Blocked {
		s.log.InfoContext(ctx, "a registration was refused by the gate", "subject", callerOf(ctx), "backend", p.revision.GetBackend(),
			"breaking", breakingOf(out.GetFindings()))
		out.Revision = nil
		return nil, blocked(out)
	}
	p.revision.CreateTime = s.timestamp()
	appended, repeated, err := s.store.Append(ctx, p.change())
	if p.mayTryAgain(err) {
		p.tries++
		p.revision.Override = given // not the one that was inherited
		return s.propose(ctx, p)    // all is checked anew against what is current now
	}
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	out.Revision, out.Unchanged = appended, repeated
	if !repeated {
		s.logChange(ctx, "a backend was registered", appended, "address", appended.GetAddress(), "rollback_of", short(appended.GetRollbackOf()),
			"breaking", breakingOf(out.GetFindings()),
			"override", appended.GetOverride().GetReason(), "override_until", appended.GetOverride().GetExpireTime().AsTime())
	}
	if err := s.apply(ctx); err != nil {
		// It is kept, and will be served: the caller must not believe that it is not.
		s.log.WarnContext(ctx, "a registration is kept and not served yet", "backend", appended.GetBackend(), "error", err)
	}
	return out, nil
}

// countOthers notes what other owners have registered, and sees that it is served here: what a proposal is checked
// against must have all of it, also what another gateway registered a moment ago. What they register after it
// shows when the proposal is kept.
func (s *Service) countOthers(ctx context.Context, p *proposal) error {
	if !s.Owned() {
		return nil
	}
	counted, err := s.store.Owners(ctx)
	if err != nil {
		return s.storeError(ctx, err)
	}
	p.counted = counted
	if s.gateway.Has(counted) {
		return nil
	}
	if err := s.apply(ctx); err != nil {
		s.log.WarnContext(ctx, "what others registered cannot be read", "error", err)
		return status.Error(codes.Unavailable, "what others registered cannot be read, so this cannot be checked against it; try again")
	}
	return nil
}

// mayTryAgain reports whether a proposal that was not kept is to be checked once more, because another
// one came first.
func (p *proposal) mayTryAgain(err error) bool {
	if p.tries >= mostTries {
		return false
	}
	_, lost := errors.AsType[*store.ConflictError](err)
	return lost && p.expected == "" || errors.Is(err, store.ErrOthersChanged)
}

// apply waits until what was kept is served, but not so long that the answer would be lost.
func (s *Service) apply(ctx context.Context) error {
	const patience = 15 * time.Second
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return s.gateway.Apply(ctx)
}

// blocks reports whether breaking findings keep a proposal out.
func (s *Service) blocks(p *proposal, head *adminv1.Revision, worst gate.Severity) bool {
	if worst < gate.Breaking || s.warns() || p.revision.GetOverride() != nil {
		return false
	}
	earlier := head.GetOverride().GetExpireTime()
	if earlier.IsValid() && earlier.AsTime().After(s.now()) {
		p.revision.Override = proto.CloneOf(head.GetOverride()) // it goes on until it ends
		return false
	}
	return true
}

// Diff implements the admin service.
func (s *Service) Diff(ctx context.Context, in *adminv1.DiffRequest) (*adminv1.DiffResponse, error) {
	if _, err := s.owners().of(ctx); err != nil {
		return nil, err
	}
	descriptors := in.GetDescriptors()
	services := in.GetServices()
	if len(descriptors) == 0 || in.GetDigest() != "" {
		r, err := s.revision(ctx, in.GetBackend(), in.GetDigest())
		if err != nil {
			return nil, err
		}
		if descriptors, err = s.store.Descriptors(ctx, r); err != nil {
			return nil, s.storeError(ctx, err)
		}
		services = r.GetServices()
	}
	files, err := parse(descriptors)
	if err != nil {
		return nil, err
	}
	if err := checkServices(files, services); err != nil {
		return nil, err
	}
	preview, err := s.gateway.Preview(ctx, Candidate{Name: in.GetBackend(), Files: files, Served: services})
	if err != nil {
		return nil, err
	}
	if err := refuseBroken(preview.Problems); err != nil {
		return nil, err
	}
	return &adminv1.DiffResponse{
		Findings: preview.Findings,
		Problems: problemsOf(preview.Problems),
		Blocked:  preview.Worst >= gate.Breaking && !s.warns(),
	}, nil
}

// DeleteBackend implements the admin service. The tombstone keeps the history.
func (s *Service) DeleteBackend(ctx context.Context, in *adminv1.DeleteBackendRequest) (*adminv1.DeleteBackendResponse, error) {
	owner, err := s.owners().of(ctx)
	if err != nil {
		return nil, err
	}
	head, err := s.store.Head(ctx, in.GetBackend())
	if err != nil {
		if errors.Is(err, store.ErrNotFound) && s.gateway.Configured(in.GetBackend()) {
			return nil, status.Errorf(codes.FailedPrecondition, "the backend %q is in the gateway's configuration; take it out there", in.GetBackend())
		}
		return nil, s.storeError(ctx, err)
	}
	if head.GetDeleted() {
		return nil, status.Errorf(codes.NotFound, "the backend %q was deleted already", in.GetBackend())
	}
	if err := s.mayChange(owner, head, in.GetBackend()); err != nil {
		return nil, err
	}
	tombstone := &adminv1.Revision{
		Backend: in.GetBackend(), Owner: head.GetOwner(), Reason: in.GetReason(), CreateTime: s.timestamp(), Deleted: true,
	}
	expected := in.GetExpected()
	if expected == "" {
		expected = head.GetDigest() // what was looked at
	}
	appended, _, err := s.store.Append(ctx, store.Change{Revision: tombstone, Expected: expected})
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	s.logChange(ctx, "a backend was deleted", appended)
	if err := s.apply(ctx); err != nil {
		s.log.WarnContext(ctx, "a deletion is kept and the backend still served", "backend", in.GetBackend(), "error", err)
	}
	return &adminv1.DeleteBackendResponse{}, nil
}

// conflicting is ABORTED with the current revision.
func conflicting(current string) error {
	text := "the current revision is " + current + ", which is not the expected one; look at it and try again"
	if current == "" {
		text = "nothing is registered, which is not what was expected; register without an expected revision, or with none"
	}
	st, err := status.New(codes.Aborted, text).WithDetails(&errdetails.ErrorInfo{
		Reason: "REVISION_CONFLICT", Domain: "protean", Metadata: map[string]string{"current": current},
	})
	if err != nil {
		return status.Error(codes.Aborted, text)
	}
	return st.Err()
}

// blocked is FAILED_PRECONDITION with the findings.
func blocked(out *adminv1.RegisterResponse) error {
	const text = "the gate keeps this out: it would break clients; an override with a reason lets it pass"
	out.Problems = nil
	out.Findings = within64K(out.GetFindings())
	st, err := status.New(codes.FailedPrecondition, text).WithDetails(out)
	if err != nil {
		return status.Error(codes.FailedPrecondition, text)
	}
	return st.Err()
}

// within64K returns the first findings, so many as fit: the details of an error travel as a header, which
// peers bound. The worst come first.
func within64K(findings []*adminv1.Finding) []*adminv1.Finding {
	size := 0
	for i, f := range findings {
		if size += proto.Size(f); size > 64<<10 {
			return findings[:i]
		}
	}
	return findings
}

// An answer has the first of what was found, and of each text its beginning.
const (
	maxProblems  = 500
	maxFindings  = 2000 // the worst come first
	maxTextBytes = 2 << 10
)

func clipped(text string) string {
	if len(text) <= maxTextBytes {
		return text
	}
	return strings.ToValidUTF8(text[:maxTextBytes], "") + "…"
}

func problemsOf(problems []schema.Problem) []*adminv1.Problem {
	problems = problems[:min(len(problems), maxProblems)]
	out := make([]*adminv1.Problem, len(problems))
	for i, p := range problems {
		out[i] = ProblemOf(p)
	}
	return out
}

// ProblemOf returns a problem as the service tells it.
func ProblemOf(p schema.Problem) *adminv1.Problem {
	severity := adminv1.Problem_SEVERITY_WARNING
	if p.Severity == schema.Error {
		severity = adminv1.Problem_SEVERITY_ERROR
	}
	return &adminv1.Problem{
		Severity: severity, Backend: p.Backend, Element: clipped(p.Element), Position: clipped(p.Position), Message: clipped(p.Message),
	}
}

// FindingsOf returns findings as the service tells them, each with those whom it concerns.
func FindingsOf(findings []gate.Finding, affected [][]string) []*adminv1.Finding {
	findings = findings[:min(len(findings), maxFindings)]
	out := make([]*adminv1.Finding, len(findings))
	for i, f := range findings {
		out[i] = &adminv1.Finding{
			// The numbers of both are the same, from safe and from wire upwards.
			Severity: adminv1.Finding_Severity(f.Severity),
			Surface:  adminv1.Finding_Surface(f.Surface),
			Rule:     f.Rule,
			Element:  clipped(f.Element),
			Position: clipped(f.Position),
			Message:  clipped(f.Message),
		}
		if affected != nil {
			out[i].Affected = affected[i]
		}
	}
	return out
}
