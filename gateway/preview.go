package gateway

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/gateway/admin"
	"github.com/protean-gateway/protean/gateway/gate"
	"github.com/protean-gateway/protean/schema"
)

// preview compiles what would be served with a candidate and compares it with what is. Only
// one schema is compiled at a time, so that registrations cannot take all memory and processors.
func (g *Gateway) preview(ctx context.Context, c admin.Candidate) (p *admin.Preview, err error) {
	ctx, done, err := g.turnToPreview(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	err = g.guardPreview(ctx, func() error {
		p, err = g.previewCandidate(ctx, c)
		return err
	})
	return p, err
}

// previewCandidate is preview for a caller that holds compiling.
func (g *Gateway) previewCandidate(ctx context.Context, c admin.Candidate) (*admin.Preview, error) {
	current := g.views.Load()
	with := g.current()
	snapshot, problems, err := g.swapper.compiler.Compile(ctx, g.said.Load().addTo(with.input(g.withCandidate(c), g.swapper.names)))
	if err != nil {
		return nil, previewError(err)
	}
	next, err := with.maker.of(ctx, snapshot)
	if err != nil {
		return nil, previewError(err)
	}
	updated := g.gateViews(next)
	updated.Registration = gate.Registration{Backend: c.Name, Claims: c.Claimed, TakesOver: c.TakenOver}
	p, err := g.compared(ctx, current, updated)
	if err != nil {
		return nil, err
	}
	g.logPanics(ctx, problems, next.problems)
	p.Current, p.Snapshot, p.Routes, p.Problems = current.snapshot, snapshot, next.rest.Routes(), problemsOf(c.Name, slices.Concat(problems, next.problems))
	return p, nil
}

// compared asks the gate about what would be served, and who would be affected.
func (g *Gateway) compared(ctx context.Context, current *views, next gate.Views) (*admin.Preview, error) {
	findings, err := gate.Compare(ctx, g.gateViews(current), next)
	if err != nil {
		return nil, previewError(err)
	}
	affected, err := g.policies.usage.Affected(ctx, findings, current.graph)
	if err != nil {
		return nil, previewError(err)
	}
	return &admin.Preview{Findings: admin.FindingsOf(findings, affected), Worst: gate.Worst(findings)}, nil
}

// longestPreview bounds the compilation of what somebody asks about.
const longestPreview = 30 * time.Second

var errLongPreview = status.Errorf(codes.ResourceExhausted, "what would be served cannot be compiled within %v", longestPreview)

// turnToPreview waits for the turn to compile and bounds how long it lasts. The caller calls done at the end.
func (g *Gateway) turnToPreview(ctx context.Context) (bounded context.Context, done func(), err error) {
	if err := g.compiling.lock(ctx); err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, longestPreview, errLongPreview)
	return ctx, func() {
		cancel()
		g.compiling.unlock()
	}, nil
}

// previewError makes a status of why a compilation or a comparison ended. A panic is left to guardPreview.
func previewError(err error) error {
	if isPanic(err) {
		return err
	}
	if errors.Is(err, gate.ErrTooDifferent) {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	return status.FromContextError(err).Err()
}

// withCandidate returns what is served, with the candidate in its place: behind the configured
// backends, in the order of registration.
func (g *Gateway) withCandidate(c admin.Candidate) []schema.BackendFiles {
	var backends []schema.BackendFiles
	for _, b := range g.registry.Backends() {
		if b.Name == c.Name {
			continue
		}
		if good, ok := g.swapper.lastGood[b.Name]; ok {
			b = good.BackendFiles
		}
		backends = append(backends, b)
	}
	if c.Files == nil {
		return backends
	}
	at := slices.IndexFunc(backends, func(b schema.BackendFiles) bool {
		return b.Claims != nil && cmp.Or(cmp.Compare(b.Claims.Age(), c.Claims.Age()), cmp.Compare(b.Name, c.Name)) > 0
	})
	if at < 0 {
		at = len(backends)
	}
	return slices.Insert(backends, at, schema.BackendFiles{Name: c.Name, Files: c.Files, Served: c.Served, Claims: c.Claims})
}

func (g *Gateway) gateViews(v *views) gate.Views {
	documents := make(map[string]string)
	for document := range g.policies.usage.Documents() {
		if len(documents) == comparedDocuments {
			break
		}
		documents[document] = document
	}
	return gate.Views{
		Snapshot: v.snapshot, REST: v.rest, Graph: v.graph, Access: v.access, Documents: documents, Selectors: selectorsOf(g.current(), g.said.Load()),
	}
}

// describe compiles one backend alone.
func (g *Gateway) describe(ctx context.Context, c admin.Candidate) (sdl string, openapi []byte, err error) {
	ctx, done, err := g.turnToPreview(ctx)
	if err != nil {
		return "", nil, err
	}
	defer done()
	err = g.guardPreview(ctx, func() error {
		sdl, openapi, err = g.describeAlone(ctx, c)
		return err
	})
	return sdl, openapi, err
}

// describeAlone is describe for a caller that holds compiling.
func (g *Gateway) describeAlone(ctx context.Context, c admin.Candidate) (sdl string, openapi []byte, err error) {
	with := g.current()
	snapshot, problems, err := g.swapper.compiler.Compile(ctx, with.input([]schema.BackendFiles{{Name: c.Name, Files: c.Files, Served: c.Served}}, g.swapper.names))
	if err != nil {
		return "", nil, previewError(err)
	}
	for _, p := range problems {
		if p.Severity == schema.Error {
			return "", nil, status.Error(codes.FailedPrecondition, p.String())
		}
	}
	v, err := with.maker.of(ctx, snapshot)
	if err != nil {
		return "", nil, previewError(err)
	}
	openapi, err = v.openapi.JSON()
	return v.graph.SDL(), openapi, err
}

func problemsOf(backend string, problems []schema.Problem) []schema.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p schema.Problem) bool { return p.Backend != backend })
}

// turn is a lock for which is waited no longer than a context lasts.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

func (t turn) lock(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
}

func (t turn) unlock() { <-t }
