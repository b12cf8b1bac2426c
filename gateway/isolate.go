package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/schema"
)

// viewsOf makes the views of what was compiled. A backend with which that panics, or with which the graph cannot be built, is
// served with its last good files. If it has none, it is not served, or not in the graph.
func (s *swapper) viewsOf(ctx context.Context, with *setup, result *compiled) (*compiled, *views, error) {
	backends := result.backends
	next, err := with.maker.of(ctx, result.snapshot)
	var faults []schema.Fault[schema.BackendFiles]
	if isPanic(err) {
		result, next, faults, err = s.isolate(ctx, with, backends)
	}
	if err != nil {
		return nil, nil, err
	}
	for _, f := range faults {
		result.problems = append(result.problems, f.Problem(f.Part.Name, "the gateway cannot serve this backend"))
	}
	restored := s.restored(backends, faults, next.graph.Omitted())
	if restored == nil {
		return result, next, nil
	}
	again, newer, err := s.attempt(ctx, with, restored)
	switch {
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case err != nil:
		return result, next, nil //nolint:nilerr // the last good files no longer go together with the others
	}
	again.problems = slices.Concat(result.problems, omissions(next), newProblems(again.problems, result.problems))
	return again, newer, nil
}

// omissions returns the problems of backends that the graph omits.
func omissions(v *views) []schema.Problem {
	omitted := v.graph.Omitted()
	return slices.DeleteFunc(slices.Clone(v.problems), func(p schema.Problem) bool {
		return p.Severity != schema.Error || !slices.Contains(omitted, p.Backend)
	})
}

// attempt compiles backends and makes views of them.
func (s *swapper) attempt(ctx context.Context, with *setup, backends []schema.BackendFiles) (*compiled, *views, error) {
	result, err := s.compile(ctx, with, backends)
	if err != nil {
		return nil, nil, err
	}
	next, err := with.maker.of(ctx, result.snapshot)
	return result, next, err
}

// isolate finds the backends with which making the views panics, and returns the views of the others.
func (s *swapper) isolate(ctx context.Context, with *setup, backends []schema.BackendFiles) (*compiled, *views, []schema.Fault[schema.BackendFiles], error) {
	var result *compiled
	var next *views
	_, faults, err := schema.Isolate(backends, func(part []schema.BackendFiles) (err error) {
		result, next, err = s.attempt(ctx, with, part)
		return err
	})
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return result, next, faults, err
}

// restored returns the backends, those at fault and those omitted with their last good files. It returns nil if there are no such files.
func (s *swapper) restored(backends []schema.BackendFiles, faults []schema.Fault[schema.BackendFiles], omitted []string) (restored []schema.BackendFiles) {
	some := false
	for _, b := range backends {
		atFault := slices.ContainsFunc(faults, func(f schema.Fault[schema.BackendFiles]) bool { return f.Part.Name == b.Name })
		good, known := s.lastGood[b.Name]
		switch known = known && (b.Files == nil || good.Files.Digest != b.Files.Digest); {
		case known && (atFault || slices.Contains(omitted, b.Name)):
			restored, some = append(restored, good.BackendFiles), true
		case !atFault:
			restored = append(restored, b)
		}
	}
	if !some {
		return nil
	}
	return restored
}

func isPanic(err error) bool {
	_, ok := errors.AsType[*schema.PanicError](err)
	return ok
}

// logPanic logs a panic with its stack, and no other error.
func (g *Gateway) logPanic(ctx context.Context, message string, err error) {
	if p, ok := errors.AsType[*schema.PanicError](err); ok {
		g.log.ErrorContext(ctx, message, "panic", fmt.Sprint(p.Value), "stack", p.Stack)
	}
}

// logPanics logs the problems that stand for panics.
func (g *Gateway) logPanics(ctx context.Context, lists ...[]schema.Problem) {
	for _, p := range slices.Concat(lists...) {
		if p.Stack != "" {
			g.log.ErrorContext(ctx, "a proposed schema makes the gateway panic", "backend", p.Backend, "message", p.Message, "stack", p.Stack)
		}
	}
}

// guardPreview calls f, which compiles or compares what somebody asks about. A panic in it fails this call alone.
func (g *Gateway) guardPreview(ctx context.Context, f func() error) error {
	err := schema.Guard(f)
	if !isPanic(err) {
		return err
	}
	g.logPanic(ctx, "a schema that was proposed cannot be compiled or compared", err)
	return status.Error(codes.Internal, err.Error()+"; the log of the gateway has the stack")
}
