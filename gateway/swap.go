package gateway

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/protean-gateway/protean/schema"
)

// swapper compiles what the registry has. It remembers the files with which
// each backend was last served: one team's mistake keeps its own backend on
// those, and freezes nobody else's update.
type swapper struct {
	compiler *schema.Compiler
	names    *schema.Names // the lock
	said     *saidPolicies
	lastGood map[string]schema.BackendFiles
	last     compiledFrom
}

// compiledFrom is all that a compilation depends on. As long as it is the same, another one
// would come to the same.
type compiledFrom struct {
	changed <-chan struct{} // of the registry: open as long as it has nothing new
	setup   *setup
	said    *saidPolicies
	names   *sharedNames
	settled bool // the names of this compilation may be locked
}

func newSwapper(names *schema.Names) swapper {
	return swapper{compiler: new(schema.Compiler), names: names, said: nothingSaid, lastGood: make(map[string]schema.BackendFiles)}
}

// compiled is a snapshot and what it was made of.
type compiled struct {
	snapshot *schema.Snapshot
	problems []schema.Problem
	backends []schema.BackendFiles
}

// compile returns a snapshot in which every backend is served that can be, with
// new files or the last good ones, and all that was found on the way. Its error says that ctx
// ended before.
func (s *swapper) compile(ctx context.Context, with *setup, backends []schema.BackendFiles) (*compiled, error) {
	snapshot, problems, err := s.compiler.Compile(ctx, s.said.addTo(with.input(backends, s.names)))
	if err != nil {
		return nil, err
	}
	broken := backendsWithErrors(problems)
	if len(broken) == 0 {
		return &compiled{snapshot, problems, backends}, nil
	}
	backends = slices.Clone(backends)
	for i, b := range backends {
		if good, ok := s.lastGood[b.Name]; broken[b.Name] && ok {
			backends[i] = good
		}
	}
	snapshot, again, err := s.compiler.Compile(ctx, s.said.addTo(with.input(backends, s.names)))
	if err != nil {
		return nil, err
	}
	return &compiled{snapshot, append(errorsOf(problems, broken), withoutErrors(again, problems)...), backends}, nil
}

// remember keeps the files of the backends that made it into the snapshot.
func (s *swapper) remember(c *compiled) {
	served := make(map[string]bool)
	for _, b := range c.snapshot.Backends {
		served[b.Name] = true
	}
	for _, b := range c.backends {
		if served[b.Name] {
			s.lastGood[b.Name] = b
		}
	}
}

func backendsWithErrors(problems []schema.Problem) map[string]bool {
	broken := make(map[string]bool)
	for _, p := range problems {
		if p.Severity == schema.Error && p.Backend != "" {
			broken[p.Backend] = true
		}
	}
	return broken
}

func errorsOf(problems []schema.Problem, broken map[string]bool) []schema.Problem {
	return slices.DeleteFunc(slices.Clone(problems), func(p schema.Problem) bool {
		return p.Severity != schema.Error || !broken[p.Backend]
	})
}

// withoutErrors returns the problems less the errors that are known.
func withoutErrors(problems, known []schema.Problem) []schema.Problem {
	return newProblems(problems, slices.DeleteFunc(slices.Clone(known), func(p schema.Problem) bool { return p.Severity != schema.Error }))
}

// newProblems returns the problems that are not among those known. There may be very many.
func newProblems(problems, known []schema.Problem) []schema.Problem {
	before := make(map[schema.Problem]bool, len(known))
	for _, p := range known {
		before[p] = true
	}
	return slices.DeleteFunc(problems, func(p schema.Problem) bool { return before[p] })
}

// longestBehind is for how long a compilation is given up for a newer one. Then one is brought to
// its end, whatever changes meanwhile.
const longestBehind = 5 * time.Second

// errSuperseded ends a compilation of what is not the newest any more.
var errSuperseded = errors.New("there is something newer to compile")

// swap compiles what the registry has and puts it before the doors with one
// store. Requests under way keep the views that they began with. What changes meanwhile is compiled in
// place of what was begun. Where ctx ends, everything stays as it is.
func (g *Gateway) swap(ctx context.Context) {
	if g.compiling.lock(ctx) != nil { // whoever holds it is bounded
		return
	}
	defer g.compiling.unlock()
	patience := time.Now().Add(longestBehind)
	for {
		err := g.swapNewest(ctx, patience)
		if !errors.Is(err, errSuperseded) {
			return
		}
	}
}

// swapNewest is one attempt, which gives up for a newer one until patience ends. The caller holds compiling.
func (g *Gateway) swapNewest(ctx context.Context, patience time.Time) error {
	from := compiledFrom{g.registry.Changed(), g.current(), g.said.Load(), g.registrations.names.Load(), g.namesSettled()}
	if g.swapper.last == from {
		g.logSources()
		return nil
	}
	ctx, stop := whileNewest(ctx, from.changed, patience)
	defer stop()
	with := from.setup
	g.swapper.said = from.said
	result, err := g.compileAgreed(ctx, with, g.registry.Backends(), from.settled)
	if err != nil {
		return err
	}
	snapshot := result.snapshot
	from.names = g.registrations.names.Load() // with what was agreed on
	current := g.views.Load()
	if current != nil && current.setup == with && current.said == from.said && current.snapshot.Digest == snapshot.Digest {
		g.swapper.last = from
		g.lockNames(snapshot.Names, from.settled)
		g.logSources()
		return nil
	}
	next, err := with.maker.of(ctx, snapshot)
	if err != nil {
		return err
	}
	g.swapper.remember(result)
	g.lockNames(snapshot.Names, from.settled)
	g.swapper.last = from
	next.setup, next.said, next.handler = with, from.said, with.front(next)
	next.problems = append(result.problems, next.problems...)
	next.since = time.Now()
	g.views.Store(next)
	if current != nil {
		close(current.replaced)
	}
	g.swaps.Add(1)
	g.keepFiles()
	g.logSources()
	if current == nil && len(snapshot.Backends) == 0 {
		return nil // before anything is loaded
	}
	g.log.Info("serving a new schema", "digest", snapshot.Digest[:12],
		"services", len(snapshot.Services), "methods", len(snapshot.Methods), "problems", len(next.problems))
	return nil
}

// whileNewest returns a context that ends when something changed, unless patience is over by then.
func whileNewest(ctx context.Context, changed <-chan struct{}, patience time.Time) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		select {
		case <-changed:
			if time.Now().Before(patience) {
				cancel(errSuperseded)
			}
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// keepFiles writes the last good files of backends into the state folder. A disk that fails stops nobody.
func (g *Gateway) keepFiles() {
	for _, name := range slices.Sorted(maps.Keys(g.swapper.lastGood)) {
		files := g.swapper.lastGood[name].Files
		if g.kept[name] == files.Digest {
			continue
		}
		if err := g.state.keepFiles(name, files); err != nil {
			g.log.Error("the files of a backend cannot be kept", "backend", name, "error", err)
			continue
		}
		g.kept[name] = files.Digest
	}
}

func (g *Gateway) logSources() {
	for _, s := range g.registry.State() {
		switch {
		case s.Skew != nil:
			g.log.Warn("a backend's servers run different versions", "backend", s.Name, "source", s.Kind, "skew", s.Skew)
		case s.Err == nil:
		case s.LastGood:
			g.log.Warn("a backend's schema cannot be loaded; the last good one is served", "backend", s.Name, "source", s.Kind, "error", s.Err)
		default:
			g.log.Warn("a backend's schema cannot be loaded; trying again", "backend", s.Name, "source", s.Kind, "error", s.Err)
		}
	}
}

// logProblems logs each problem once; those with the GraphQL names of one service or package in one line. It waits until
// the gateway is ready: while only some backends are loaded, what refers to the others cannot be right.
func (g *Gateway) logProblems() {
	if !g.isReady() {
		return
	}
	v := g.views.Load()
	var names []schema.Problem
	for _, p := range newProblems(slices.Clone(v.problems), g.logged) {
		if p.Scope != "" {
			names = append(names, p)
			continue
		}
		g.log.Warn("problem", "severity", p.Severity.String(), "backend", p.Backend, "element", p.Element, "position", p.Position, "message", p.Message)
	}
	for _, group := range schema.GroupByScope(names) {
		g.log.Warn("GraphQL names differ from those of the .proto files because other elements have the same names; `protean check` and the admin service list them",
			"backend", group[0].Backend, "scope", group[0].Scope, "count", len(group))
	}
	g.logged = v.problems
}
