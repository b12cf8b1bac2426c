package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// sharedNames is the lock of GraphQL names as the store has it. It is immutable.
type sharedNames struct {
	text  []byte        // nil: the store has none yet
	names *schema.Names // nil where there are none, or they cannot be read
}

// mostNameTries is how often names are given anew because another gateway gave some first.
const mostNameTries = 20

// rememberedProposals is how many locks a gateway remembers that it proposed.
const rememberedProposals = 16

// sharesNames reports whether other gateways give names too. Where none do, the lock is this one's alone.
func (g *Gateway) sharesNames() bool { return g.first.config.GetRegistry().GetEtcd() != nil }

// locksNames reports whether names, once given, stay given: if there is a place to keep them, or if there are
// registrations, whose names the compatibility check compares. Otherwise names follow from the configuration and the
// descriptors alone, so that they are the same after each start and on each replica.
func (g *Gateway) locksNames() bool {
	return g.state.folder != "" || g.sharesNames() || g.registrations.any()
}

// lockedNames returns the lock to compile with; nil: there is none. The caller holds compiling.
func (g *Gateway) lockedNames() *schema.Names {
	if !g.locksNames() {
		return nil
	}
	return g.swapper.names
}

// namesSettled reports whether what is served now has all that is configured, or has been waited for long enough. Before that,
// a backend that loads fast would take the names of those before it in the configuration.
func (g *Gateway) namesSettled() bool {
	return g.isReady() || g.registry.Loaded() && g.registrations.loaded()
}

// lockNames makes names the lock, unless they are not settled and there is a place where they stay. A disk that fails
// stops nobody. The caller holds compiling.
func (g *Gateway) lockNames(names *schema.Names, settled bool) {
	if !settled && g.locksNames() || names.Equal(g.swapper.names) {
		return
	}
	g.warnOfRenamed(g.swapper.names, names)
	g.swapper.names = names
	if err := g.state.keepNames(names); err != nil {
		g.log.Error("the lock of GraphQL names cannot be written; a restart may rename GraphQL types", "error", err)
	}
}

// warnOfRenamed logs that clients find names changed while the gateway runs, which a lock would have prevented.
func (g *Gateway) warnOfRenamed(before, after *schema.Names) {
	if !g.isReady() || g.locksNames() {
		return
	}
	if renamed := after.Renamed(before); len(renamed) > 0 {
		g.log.Warn("GraphQL names have changed because other elements have the same names; --state DIR or registry.etcd keeps names as they are",
			"count", len(renamed), "first", renamed[0])
	}
}

// takeNames takes the lock that the store has. Where it cannot be read, the one that is known stays.
func (g *Gateway) takeNames(ctx context.Context) {
	if !g.sharesNames() {
		return
	}
	text, err := g.registrations.store.Names(ctx)
	if errors.Is(err, store.ErrDamaged) {
		g.log.ErrorContext(ctx, "the shared lock of GraphQL names is damaged; this gateway writes its own in its place", "error", err)
		text, err = nil, nil
	}
	if err != nil {
		g.log.WarnContext(ctx, "the shared lock of GraphQL names cannot be read; the last one known stays", "error", err)
		return
	}
	if known := g.registrations.names.Load(); known == nil || !bytes.Equal(known.text, text) {
		g.registrations.names.Store(g.parseNames(text))
	}
}

func (g *Gateway) parseNames(text []byte) *sharedNames {
	if text == nil {
		return &sharedNames{}
	}
	names, err := schema.ParseNames(text)
	if err != nil {
		g.log.Error("the shared lock of GraphQL names makes no sense; this gateway writes its own in its place", "error", err)
		names = nil
	}
	return &sharedNames{text, names}
}

// compileAgreed compiles with the names that all gateways share, and with those that it adds once they
// are in the store. While the store is away, it adds them for itself; names that other gateways put there first
// hold when it is back. The caller holds compiling.
func (g *Gateway) compileAgreed(ctx context.Context, with *setup, backends []schema.BackendFiles, settled bool) (*compiled, error) {
	for range mostNameTries {
		lock := g.registrations.names.Load()
		base := g.sharedSwapper()
		result, err := base.compile(ctx, with, backends)
		if err != nil || !g.sharesNames() || !settled || g.agreeOnNames(ctx, lock, result.snapshot.Names) {
			return result, err
		}
	}
	return g.swapper.compile(ctx, with, backends)
}

// sharedSwapper returns the swapper with the names that all gateways share.
func (g *Gateway) sharedSwapper() swapper {
	base := g.swapper
	base.names = g.lockedNames()
	if lock := g.registrations.names.Load(); lock != nil && lock.names != nil {
		base.names = lock.names.With(base.names)
	}
	return base
}

// agreeOnNames puts a lock into the store. It reports false where another gateway put one there since
// seen was read, which is taken then.
func (g *Gateway) agreeOnNames(ctx context.Context, seen *sharedNames, names *schema.Names) bool {
	text, err := names.JSON()
	if err != nil || seen == nil || bytes.Equal(text, seen.text) || g.isProposed(text) {
		return true // without a lock that was read, it is not known what is agreed on
	}
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	current, swapped, err := g.registrations.store.SwapNames(ctx, seen.text, text)
	switch {
	case err != nil:
		g.log.WarnContext(ctx, "GraphQL names cannot be shared; until they are, this gateway gives them alone", "error", err)
		return true
	case swapped:
		g.noteProposed(text)
		g.registrations.names.Store(&sharedNames{text, names})
		return true
	}
	g.registrations.names.Store(g.parseNames(current))
	return false
}

// isProposed reports whether this gateway put the same lock into the store a while ago, and another one
// replaced it: their configurations name types in different ways, and would for ever.
func (g *Gateway) isProposed(text []byte) bool {
	if !slices.Contains(g.proposed, sha256.Sum256(text)) {
		return false
	}
	g.log.Warn("another gateway gives other GraphQL names: their configurations have different options; this one keeps its own")
	return true
}

func (g *Gateway) noteProposed(text []byte) {
	g.proposed = append(g.proposed, sha256.Sum256(text))
	if len(g.proposed) > rememberedProposals {
		g.proposed = g.proposed[1:]
	}
}
