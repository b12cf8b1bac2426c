package gateway

import (
	"context"
	"errors"
	"log/slog"
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
	lastGood map[string]goodFiles
	last     compiledFrom
}

// goodFiles are files with which a backend was served.
type goodFiles struct {
	schema.BackendFiles
	// whole says that all of them was served. Files of which a part was served give way to newer ones of
	// which a part can be.
	whole bool
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
	return swapper{compiler: new(schema.Compiler), names: names, said: nothingSaid, lastGood: make(map[string]goodFiles)}
}

// compiled is a snapshot and what it was made of.
type compiled struct {
	snapshot *schema.Snapshot
	problems []schema.Problem
	backends []schema.BackendFiles
	broken   map[string]bool // backends of which a part is not served
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
	restored, last := s.restore(snapshot, backends, broken)
	if !last {
		return &compiled{snapshot, problems, backends, broken}, nil
	}
	snapshot, again, err := s.compiler.Compile(ctx, s.said.addTo(with.input(restored, s.names)))
	if err != nil {
		return nil, err
	}
	all := append(errorsOf(problems, broken), withoutErrors(again, problems)...)
	return &compiled{snapshot, all, restored, backendsWithErrors(again)}, nil
}

// restore puts the last good files in the place of broken ones, unless those are all that there is to serve a part
// of. It reports whether it did so.
func (s *swapper) restore(snapshot *schema.Snapshot, backends []schema.BackendFiles, broken map[string]bool) (restored []schema.BackendFiles, did bool) {
	restored = slices.Clone(backends)
	for i, b := range backends {
		good, ok := s.lastGood[b.Name]
		if !broken[b.Name] || !ok || b.Files != nil && good.Files.Digest == b.Files.Digest {
			continue
		}
		if good.whole || !servesAny(snapshot, b.Name) {
			restored[i], did = good.BackendFiles, true
		}
	}
	return restored, did
}

// servesAny reports whether a snapshot has a service of a backend.
func servesAny(snapshot *schema.Snapshot, backend string) bool {
	return slices.ContainsFunc(snapshot.Backends, func(b *schema.Backend) bool { return b.Name == backend && len(b.Services) > 0 })
}

// remember keeps the files of the backends of which the snapshot serves something, unless the graph omits a backend that
// it had before.
func (s *swapper) remember(c *compiled, omitted []string) {
	for _, b := range c.backends {
		if _, known := s.lastGood[b.Name]; known && slices.Contains(omitted, b.Name) {
			continue
		}
		if whole := !c.broken[b.Name]; whole || servesAny(c.snapshot, b.Name) {
			s.lastGood[b.Name] = goodFiles{b, whole}
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
		err := schema.Guard(func() error { return g.swapNewest(ctx, patience) })
		if !errors.Is(err, errSuperseded) {
			g.logPanic(ctx, "the new schema cannot be served; the last good one stays served", err)
			return
		}
	}
}

// swapNewest is one attempt, which gives up for a newer one until patience ends. The caller holds compiling.
func (g *Gateway) swapNewest(ctx context.Context, patience time.Time) error {
	from := compiledFrom{g.registry.Changed(), g.current(), g.said.Load(), g.registrations.names.Load(), g.namesSettled()}
	if g.swapper.last == from {
		g.logStates()
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
		g.logStates()
		return nil
	}
	base := g.sharedSwapper()
	result, next, err := base.viewsOf(ctx, with, result)
	if err != nil {
		return err
	}
	snapshot = result.snapshot
	g.swapper.remember(result, next.graph.Omitted())
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
	g.logStates()
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

// logStates logs the backends whose state, error or skew changed since it was last called. Before the gateway is ready
// only failures to load count: what refers to a backend that is not loaded yet cannot be right.
func (g *Gateway) logStates() {
	g.logging.Lock()
	defer g.logging.Unlock()
	before, ready := g.loggedStates, g.isReady()
	g.loggedStates = make(map[string]string)
	for _, s := range g.backendStates() {
		if !ready && s.Err == nil && s.Skew == nil {
			continue
		}
		text := s.shown()
		g.loggedStates[s.Name] = text
		if text == before[s.Name] || text == stateWaiting {
			continue
		}
		level := slog.LevelWarn
		if s.State == stateLoaded && s.Skew == nil {
			level = slog.LevelInfo
		}
		g.log.Log(context.Background(), level, "the state of a backend's schema changed", s.attributes()...)
	}
}

// logProblems logs each problem once; those with the GraphQL names of one service or package in one line. It waits until
// the gateway is ready: while only some backends are loaded, what refers to the others cannot be right.
func (g *Gateway) logProblems() {
	if !g.isReady() {
		return
	}
	g.logStates()
	v := g.views.Load()
	var names []schema.Problem
	for _, p := range newProblems(slices.Clone(v.problems), g.logged) {
		if p.Scope != "" {
			names = append(names, p)
			continue
		}
		attributes := []any{"severity", p.Severity.String(), "backend", p.Backend, "element", p.Element, "position", p.Position, "message", p.Message}
		if p.Stack != "" {
			attributes = append(attributes, "stack", p.Stack)
		}
		g.log.Warn("problem", attributes...)
	}
	for _, group := range schema.GroupByScope(names) {
		g.log.Warn("GraphQL names differ from those of the .proto files because other elements have the same names; `protean check` and the admin service list them",
			"backend", group[0].Backend, "scope", group[0].Scope, "count", len(group))
	}
	g.logged = v.problems
}
