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
	"google.golang.org/protobuf/protoadapt"

	"github.com/protean-gateway/protean/gateway/gate"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// longestOverride bounds for how long an override may hold for later registrations.
const longestOverride = 30 * 24 * time.Hour

// longestWait bounds how long a registration waits for a server at its address.
const longestWait = 45 * time.Second

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
		},
		files:    files,
		override: in.GetOverride(),
		expected: in.GetExpected(),
		key:      in.GetIdempotencyKey(),
		dryRun:   in.GetDryRun(),
		takeOver: in.GetTakeOver(),
		wait:     in.GetWait().AsDuration(),
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
		},
		files:    files,
		override: in.GetOverride(),
		expected: in.GetExpected(),
		dryRun:   in.GetDryRun(),
		takeOver: in.GetTakeOver(),
		wait:     in.GetWait().AsDuration(),
	})
}

// proposal is what is to become a backend's current revision.
type proposal struct {
	revision *adminv1.Revision
	files    *schema.Files
	override *adminv1.Override // that came with it
	expected string
	key      string
	dryRun   bool
	takeOver bool
	wait     time.Duration // for a server at the address

	owner     *owner
	found     []*adminv1.Finding // at the address
	seen      string             // the revision that all was checked against
	counted   store.Owners       // what others had by then
	claimed   []string           // services that it has for the first time
	takenOver []string           // services of other backends that it takes over
	tries     int
}

func (p *proposal) candidate() Candidate {
	return Candidate{
		Name: p.revision.GetBackend(), Files: p.files, Served: p.revision.GetServices(),
		Claims: ClaimsOf(p.revision), Claimed: p.claimed, TakenOver: p.takenOver,
	}
}

// propose checks a proposal, and keeps and serves it. The address is looked at before others have to wait.
func (s *Service) propose(ctx context.Context, p *proposal) (*adminv1.RegisterResponse, error) {
	var err error
	if p.owner, err = s.owners().of(ctx); err != nil {
		return nil, err
	}
	if err := s.check(p); err != nil {
		return nil, err
	}
	if err := s.permitAddress(p.owner, p.revision.GetAddress()); err != nil {
		return nil, err
	}
	head, err := s.head(ctx, p.revision.GetBackend())
	if err != nil {
		return nil, err
	}
	if err := s.mayChange(p.owner, head, p.revision.GetBackend()); err != nil {
		return nil, err
	}
	p.revision.Owner = p.ownerOf(head)
	p.found = s.probe(ctx, p)
	if err := s.turnToDecide(ctx); err != nil {
		return nil, err
	}
	defer s.endDeciding()
	return s.proposeAlone(ctx, p)
}

// turnToDecide waits until no other registration is being decided. The caller calls endDeciding at the end.
func (s *Service) turnToDecide(ctx context.Context) error {
	select {
	case s.deciding <- struct{}{}:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (s *Service) endDeciding() { <-s.deciding }

// proposeAlone is propose while no other registration is decided here.
func (s *Service) proposeAlone(ctx context.Context, p *proposal) (*adminv1.RegisterResponse, error) {
	head, err := s.head(ctx, p.revision.GetBackend())
	if err != nil {
		return nil, err
	}
	if p.seen = head.GetDigest(); head == nil {
		p.seen = store.None
	}
	if err := s.mayChange(p.owner, head, p.revision.GetBackend()); err != nil {
		return nil, err
	}
	p.revision.Owner = p.ownerOf(head)
	if earlier, err := s.store.Earlier(ctx, p.change()); err != nil || earlier != nil {
		return &adminv1.RegisterResponse{Revision: earlier, Unchanged: true}, s.storeError(ctx, err)
	}
	if !p.expects(head) {
		return nil, conflicting(head.GetDigest())
	}
	if err := s.countOthers(ctx, p); err != nil {
		return nil, err
	}
	if err := s.claim(ctx, p, head); err != nil {
		return nil, err
	}
	if p.repeats(head) {
		return &adminv1.RegisterResponse{Revision: head, Unchanged: true}, nil
	}
	preview, err := s.gateway.Preview(ctx, p.candidate())
	if err != nil {
		return nil, err
	}
	if err := refuseBroken(preview.Problems); err != nil {
		return nil, err
	}
	if err := s.checkOwnership(ctx, p.owner, p, preview); err != nil {
		return nil, err
	}
	preview.add(p.found)
	return s.decide(ctx, p, head, preview)
}

// head returns the current revision of a backend, or nil.
func (s *Service) head(ctx context.Context, backend string) (*adminv1.Revision, error) {
	head, err := s.store.Head(ctx, backend)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	return head, s.storeError(ctx, err)
}

func (s *Service) permitAddress(o *owner, address string) error {
	if err := s.owners().guard(o, s.gateway.OwnAddresses).permitText(address); err != nil {
		return status.Errorf(codes.PermissionDenied, "address %s: %v", address, err)
	}
	return nil
}

// ownerOf returns whose the revision will be. An operator's change does not take a backend away from its team.
func (p *proposal) ownerOf(head *adminv1.Revision) string {
	if p.owner.operator && head != nil && !head.GetDeleted() {
		return head.GetOwner()
	}
	return p.owner.name
}

// probe looks at the address of a proposal.
func (s *Service) probe(ctx context.Context, p *proposal) []*adminv1.Finding {
	return s.gateway.Probe(ctx, Probe{
		Address: p.revision.GetAddress(), Owner: p.revision.GetOwner(), Wait: p.wait,
		Services: servedOf(p.files, p.revision.GetServices()),
	})
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
	case len(r.GetReason()) > longestReason:
		return invalid("reason is longer than %d bytes", longestReason)
	}
	if err := checkWait(p.wait); err != nil {
		return err
	}
	if err := checkServices(p.files, r.GetServices()); err != nil {
		return err
	}
	if len(p.files.Services) == 0 {
		return invalid("descriptors: there is no service in them")
	}
	return s.checkOverride(p.override, p.owner)
}

func checkWait(wait time.Duration) error {
	if wait < 0 || wait > longestWait {
		return invalid("wait must be between 0 and %v", longestWait)
	}
	return nil
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
		head.GetAddress() == p.revision.GetAddress() && len(p.takenOver) == 0 &&
		slices.Equal(head.GetServices(), p.revision.GetServices()) &&
		head.GetDescriptorsDigest() == store.Digest(p.revision.GetDescriptors())
}

// expects reports whether the current revision, which may be nil, is the expected one.
func (p *proposal) expects(head *adminv1.Revision) bool {
	none := head == nil || head.GetDeleted()
	return p.expected == "" || p.expected == head.GetDigest() || p.expected == store.None && none
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

// decide keeps and serves a proposal, unless its findings reject it.
func (s *Service) decide(ctx context.Context, p *proposal, head *adminv1.Revision, preview *Preview) (*adminv1.RegisterResponse, error) {
	p.revision.Override = s.overrideOf(p.override, head)
	out := &adminv1.RegisterResponse{
		Revision:        p.revision,
		Findings:        preview.Findings,
		Problems:        problemsOf(preview.Problems),
		PreviousAddress: previousAddress(head, p.revision.GetAddress()),
	}
	out.Blocked, out.AcceptedBy = s.judge(preview, p.revision.GetOverride())
	p.revision.Breaking = 0
	if out.AcceptedBy != nil {
		p.revision.Breaking = int32(breakingOf(out.GetFindings())) //nolint:gosec // at most maxFindings
	}
	if p.dryRun {
		p.revision.Descriptors, p.revision.Claims = nil, nil
		return out, nil
	}
	if out.Blocked {
		s.log.InfoContext(ctx, "the compatibility check rejected a registration", "subject", callerOf(ctx), "backend", p.revision.GetBackend(),
			"breaking", breakingOf(out.GetFindings()))
		out.Revision = nil
		return nil, blocked(out)
	}
	p.revision.CreateTime = s.timestamp()
	appended, repeated, err := s.store.Append(ctx, p.change())
	if p.mayTryAgain(err) {
		p.tries++
		return s.proposeAlone(ctx, p) // all is checked anew against what is current now
	}
	if err != nil {
		return nil, s.storeError(ctx, err)
	}
	out.Revision, out.Unchanged = appended, repeated
	if !repeated {
		s.logChange(ctx, "a backend was registered", appended, append([]any{
			"address", appended.GetAddress(), "previous_address", out.GetPreviousAddress(), "rollback_of", short(appended.GetRollbackOf()),
			"breaking", breakingOf(out.GetFindings()),
		}, overrideAttributes(out.GetAcceptedBy())...)...)
	}
	if err := s.apply(ctx); err != nil {
		// It is kept, and will be served: the caller must not believe that it is not.
		s.log.WarnContext(ctx, "a registration is kept and not served yet", "backend", appended.GetBackend(), "error", err)
	}
	return out, nil
}

// previousAddress returns the address of the current revision if a change replaces it.
func previousAddress(head *adminv1.Revision, address string) string {
	if head == nil || head.GetDeleted() || head.GetAddress() == address {
		return ""
	}
	return head.GetAddress()
}

// countOthers notes what others have registered, and waits until it is served here: what a proposal is checked
// against must have all of it, also what another gateway registered a moment ago. What they register after it
// shows when the proposal is kept.
func (s *Service) countOthers(ctx context.Context, p *proposal) error {
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

// rejected is the message of what breaking findings reject.
const rejected = "the compatibility check rejects this: it would break clients; an override with a reason accepts it"

// blocked is FAILED_PRECONDITION with the findings.
func blocked(out *adminv1.RegisterResponse) error {
	out.Problems = nil
	out.Findings = within64K(out.GetFindings())
	return rejection(out)
}

func rejection(out protoadapt.MessageV1) error {
	st, err := status.New(codes.FailedPrecondition, rejected).WithDetails(out)
	if err != nil {
		return status.Error(codes.FailedPrecondition, rejected)
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
