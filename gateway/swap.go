package gateway

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/protean-gateway/protean/schema"
)

// swapper compiles what the registry has. It remembers the files with which
// each backend was last served: one team's mistake keeps its own backend on
// those, and freezes nobody else's update.
type swapper struct {
	names    *schema.Names
	lastGood map[string]schema.BackendFiles
}

func newSwapper(names *schema.Names) swapper {
	return swapper{names: names, lastGood: make(map[string]schema.BackendFiles)}
}

// compile returns a snapshot in which every backend is served that can be, with
// new files or the last good ones, and all that was found on the way.
func (s *swapper) compile(with *setup, backends []schema.BackendFiles) (*schema.Snapshot, []schema.Problem) {
	snapshot, problems := schema.Compile(with.input(backends, s.names))
	broken := backendsWithErrors(problems)
	if len(broken) == 0 {
		s.remember(snapshot, backends)
		return snapshot, problems
	}
	backends = slices.Clone(backends)
	for i, b := range backends {
		if good, ok := s.lastGood[b.Name]; broken[b.Name] && ok {
			backends[i] = good
		}
	}
	snapshot, again := schema.Compile(with.input(backends, s.names))
	s.remember(snapshot, backends)
	return snapshot, append(errorsOf(problems, broken), without(again, problems)...)
}

// remember keeps the files of the backends that made it into the snapshot.
func (s *swapper) remember(snapshot *schema.Snapshot, backends []schema.BackendFiles) {
	s.names = snapshot.Names
	served := make(map[string]bool)
	for _, b := range snapshot.Backends {
		served[b.Name] = true
	}
	for _, b := range backends {
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

// without returns the problems that are not among those known.
func without(problems, known []schema.Problem) []schema.Problem {
	return slices.DeleteFunc(problems, func(p schema.Problem) bool {
		return p.Severity == schema.Error && slices.Contains(known, p)
	})
}

// swap compiles what the registry has and puts it before the doors with one
// store. Requests under way keep the views that they began with.
func (g *Gateway) swap() {
	_ = g.compiling.lock(context.Background()) // whoever holds it is bounded
	defer g.compiling.unlock()
	with := g.current()
	snapshot, problems := g.swapper.compile(with, g.registry.Backends())
	current := g.views.Load()
	if current != nil && current.setup == with && current.snapshot.Digest == snapshot.Digest {
		g.logSources()
		return
	}
	next := with.maker.of(snapshot)
	next.setup, next.handler = with, with.front(next)
	next.problems = append(problems, next.problems...)
	next.since = time.Now()
	g.views.Store(next)
	if current != nil {
		close(current.replaced)
	}
	g.swaps.Add(1)
	g.keep(snapshot)
	g.logSources()
	if current == nil && len(snapshot.Backends) == 0 {
		return // before anything is loaded
	}
	g.log.Info("serving a new schema", "digest", snapshot.Digest[:12],
		"services", len(snapshot.Services), "methods", len(snapshot.Methods), "problems", len(next.problems))
}

// keep writes what must survive a restart. A disk that fails stops nobody.
func (g *Gateway) keep(snapshot *schema.Snapshot) {
	if err := g.state.keepNames(snapshot.Names); err != nil {
		g.log.Error("the names cannot be kept; a restart may rename GraphQL types", "error", err)
	}
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

// logProblems logs each problem once. It waits until the gateway is ready: while
// only some backends are loaded, what refers to the others cannot be right.
func (g *Gateway) logProblems() {
	if !g.isReady() {
		return
	}
	v := g.views.Load()
	for _, p := range v.problems {
		if !slices.Contains(g.logged, p) {
			g.log.Warn("problem", "severity", p.Severity.String(), "backend", p.Backend, "element", p.Element, "position", p.Position, "message", p.Message)
		}
	}
	g.logged = v.problems
}
