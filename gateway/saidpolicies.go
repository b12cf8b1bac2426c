package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway/admin"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	optionsv1 "github.com/protean-gateway/protean/proto/protean/options/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// saidPolicies is what was said through the admin service, as schemas are compiled with it. It
// is immutable.
type saidPolicies struct {
	all       []*adminv1.RegisteredPolicy // by selector, none that was taken back
	rules     []*configv1.PolicyRule
	fields    []*configv1.Overlay
	positions map[proto.Message]string
}

var nothingSaid = newSaidPolicies(nil)

func newSaidPolicies(all []*adminv1.RegisteredPolicy) *saidPolicies {
	s := &saidPolicies{all: all, positions: make(map[proto.Message]string)}
	for _, p := range all {
		from := proto.Message(nil)
		switch said := p.GetSaid().(type) {
		case *adminv1.RegisteredPolicy_Policy:
			rule := &configv1.PolicyRule{Selector: proto.String(p.GetSelector()), Policy: said.Policy}
			s.rules, from = append(s.rules, rule), rule
		case *adminv1.RegisteredPolicy_Field:
			field := &configv1.Overlay{Selector: proto.String(p.GetSelector())}
			field.Options = &configv1.Overlay_Field{Field: &optionsv1.FieldOptions{Policy: said.Field}}
			s.fields, from = append(s.fields, field), field
		}
		s.positions[from] = revisionOf(p)
	}
	return s
}

// revisionOf says where a policy stands, which is in no file; empty for one that is only looked at.
func revisionOf(p *adminv1.RegisteredPolicy) string {
	if p.GetNumber() == 0 {
		return ""
	}
	at := fmt.Sprintf("revision %d", p.GetNumber())
	if p.GetDigest() != "" {
		at += " (" + p.GetDigest()[:min(12, len(p.GetDigest()))] + ")"
	}
	if p.GetOwner() != "" {
		at += " of " + p.GetOwner()
	}
	return at
}

// with returns what is said once p is, or is taken back.
func (s *saidPolicies) with(p *adminv1.RegisteredPolicy) *saidPolicies {
	all := slices.DeleteFunc(slices.Clone(s.all), func(other *adminv1.RegisteredPolicy) bool { return other.GetSelector() == p.GetSelector() })
	if !p.GetDeleted() {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *adminv1.RegisteredPolicy) int { return strings.Compare(a.GetSelector(), b.GetSelector()) })
	return newSaidPolicies(all)
}

// same reports whether others are said at the same revisions.
func (s *saidPolicies) same(all []*adminv1.RegisteredPolicy) bool {
	return slices.EqualFunc(s.all, all, func(a, b *adminv1.RegisteredPolicy) bool { return a.GetDigest() == b.GetDigest() })
}

// addTo adds what is said to what is compiled.
func (s *saidPolicies) addTo(in schema.Input) schema.Input {
	if len(s.all) == 0 {
		return in
	}
	in.Registered, in.RegisteredFields = s.rules, s.fields
	in.Positions = maps.Clone(in.Positions)
	if in.Positions == nil {
		in.Positions = make(map[proto.Message]string)
	}
	maps.Copy(in.Positions, s.positions)
	return in
}

// takePolicies makes what the store has what is said. What is damaged stays as it was; where that
// is not known, calls are refused, since they could be calls that a policy forbids. The caller holds
// applying, or is alone.
func (g *Gateway) takePolicies(ctx context.Context) error {
	kept, err := g.registrations.store.Policies(ctx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	next := make(map[string]*adminv1.RegisteredPolicy, len(kept))
	if err == nil {
		err = checkKept(kept)
	}
	if err != nil {
		g.log.ErrorContext(ctx, "some policies of the admin service cannot be used; say them anew, or take them back", "error", err)
		if g.policies.unknown.Load() {
			g.sayLastKnown()
		}
		if g.policies.unknown.Load() {
			return nil // and calls stay refused
		}
		for _, p := range g.said.Load().all {
			next[p.GetSelector()] = p
		}
	}
	for _, p := range kept {
		switch {
		case p.GetDeleted():
			delete(next, p.GetSelector())
		case checkKept([]*adminv1.RegisteredPolicy{p}) == nil:
			next[p.GetSelector()] = p
		}
	}
	g.say(slices.SortedFunc(maps.Values(next), func(a, b *adminv1.RegisteredPolicy) int {
		return strings.Compare(a.GetSelector(), b.GetSelector())
	}))
	if g.first.config.GetRegistry().GetEtcd() != nil {
		if err := g.state.keepPolicies(g.said.Load().all); err != nil {
			g.log.ErrorContext(ctx, "policies of the admin service cannot be kept on this machine", "error", err)
		}
	}
	return nil
}

// checkKept looks at the form of what a store has. What it names may be missing here: methods that it
// is about are closed then.
func checkKept(kept []*adminv1.RegisteredPolicy) error {
	var faults []error
	for _, p := range kept {
		if p.GetDeleted() {
			continue
		}
		for _, v := range formOf(p) {
			faults = append(faults, fmt.Errorf("%w: %s of %s: %s", store.ErrDamaged, v.GetField(), p.GetSelector(), v.GetDescription()))
		}
	}
	return errors.Join(faults...)
}

// say lets policies hold from the next swap on.
func (g *Gateway) say(all []*adminv1.RegisteredPolicy) {
	if !g.said.Load().same(all) {
		g.said.Store(newSaidPolicies(all))
	}
	g.policies.unknown.Store(false)
}

// sayLastKnown says what was said when this gateway last heard from its store. Where it never did, calls are
// refused until it does.
func (g *Gateway) sayLastKnown() {
	all, known := g.state.policies()
	if !known || checkKept(all) != nil {
		g.policies.unknown.Store(true)
		g.log.Error("it is not known what policies were said through the admin service; calls are refused until the store answers")
		return
	}
	g.say(all)
}

var errPoliciesUnknown = status.Error(codes.Unavailable, "the gateway does not know all of its policies yet")

// whenKnown refuses calls while it is not known what policies were said.
func (p *policies) whenKnown(next rpc.Handler) rpc.Handler {
	return func(ctx context.Context, c *rpc.Call, s rpc.Stream) error {
		if p.unknown.Load() {
			return errPoliciesUnknown
		}
		return next(ctx, c, s)
	}
}

// previewPolicy compiles what is served with a policy that is said, or taken back, and compares it with
// what is. Only what is new is among its problems.
func (g *Gateway) previewPolicy(ctx context.Context, p *adminv1.RegisteredPolicy) (out *admin.Preview, err error) {
	ctx, done, err := g.turnToPreview(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	err = g.guardPreview(ctx, func() error {
		out, err = g.previewPolicyOf(ctx, p)
		return err
	})
	return out, err
}

// previewPolicyOf is previewPolicy for a caller that holds compiling.
func (g *Gateway) previewPolicyOf(ctx context.Context, p *adminv1.RegisteredPolicy) (*admin.Preview, error) {
	current, with := g.views.Load(), g.current()
	said := g.said.Load().with(p)
	snapshot, problems, err := g.swapper.compiler.Compile(ctx, said.addTo(with.input(g.servedFiles(), g.swapper.names)))
	if err != nil {
		return nil, previewError(err)
	}
	next, err := with.maker.of(ctx, snapshot)
	if err != nil {
		return nil, previewError(err)
	}
	updated := g.gateViews(next)
	updated.Selectors = selectorsOf(with, said)
	out, err := g.compared(ctx, current, updated)
	if err != nil {
		return nil, err
	}
	out.Snapshot, out.Problems = snapshot, newProblems(slices.Concat(problems, next.problems), current.problems)
	return out, nil
}

// servedFiles are the files with which each backend is served.
func (g *Gateway) servedFiles() []schema.BackendFiles {
	backends := g.registry.Backends()
	for i, b := range backends {
		if good, ok := g.swapper.lastGood[b.Name]; ok {
			backends[i] = good.BackendFiles
		}
	}
	return backends
}

// selectorsOf are those of the policies about methods that operators say.
func selectorsOf(with *setup, said *saidPolicies) (selectors []string) {
	for _, rule := range slices.Concat(with.config.GetPolicies(), said.rules) {
		selectors = append(selectors, rule.GetSelector())
	}
	return selectors
}
