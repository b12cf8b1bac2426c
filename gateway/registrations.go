package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/protean-gateway/protean/gateway/admin"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// reconcileInterval is how often all registrations are read, whatever was heard of changes.
const reconcileInterval = 30 * time.Second

// registrationsFile is the store in the state folder.
const registrationsFile = "registrations.db"

// registrations are the backends that teams registered, as far as they are served here.
type registrations struct {
	store    *store.Store
	service  *admin.Service
	listener *admin.Listener

	applying sync.Mutex // one takes what the store has, and swaps, at a time
	mu       sync.RWMutex
	served   map[string]*registration
}

// registration is one backend. It is immutable.
type registration struct {
	revision *adminv1.Revision
	endpoint rpc.Endpoint
	source   schema.RegistryBackend
}

// openRegistrations opens the store and the service over it.
func (g *Gateway) openRegistrations() error {
	s, err := g.openStore()
	if err != nil {
		return err
	}
	r := &registrations{store: s, served: make(map[string]*registration)}
	if r.service, err = admin.NewService(adminView{g}, s, g.config.GetRegistry(), secret, g.log); err != nil {
		return errors.Join(err, s.Close())
	}
	r.listener = admin.Listen(r.service)
	g.registrations = r
	return nil
}

// openStore returns a store that lasts as long as there is a place for it.
func (g *Gateway) openStore() (*store.Store, error) {
	if g.state.folder == "" {
		return store.InMemory(), nil
	}
	return store.OpenFile(filepath.Join(g.state.folder, registrationsFile))
}

// KeepsRegistrations says for people what becomes of registrations.
func (g *Gateway) KeepsRegistrations() string {
	if g.state.folder == "" {
		return "registrations are not kept: say --state DIR to keep them"
	}
	return "registrations are kept in " + g.state.folder
}

func (r *registrations) close() {
	r.listener.Close()
	_ = r.store.Close() // everything that was answered is on the disk
}

// all returns what is served, in the order of names.
func (r *registrations) all() []*registration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.SortedFunc(maps.Values(r.served), func(a, b *registration) int {
		return cmp.Compare(a.revision.GetBackend(), b.revision.GetBackend())
	})
}

// of returns the registration of a backend, or nil.
func (r *registrations) of(backend string) *registration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.served[backend]
}

// takeRegistrations makes backends of what the store has. A registration that cannot be
// read leaves its backend as it is and hurts no other. The caller holds applying, or is alone.
func (g *Gateway) takeRegistrations(ctx context.Context) error {
	r := g.registrations
	heads, err := r.store.Heads(ctx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	next := make(map[string]*registration, len(heads))
	if err != nil {
		g.log.ErrorContext(ctx, "some registrations cannot be read; those backends stay as they are", "error", err)
		next = maps.Clone(r.served)
	}
	for _, head := range heads {
		name := head.GetBackend()
		known := r.of(name)
		switch {
		case head.GetDeleted():
			delete(next, name)
			continue
		case g.isConfigured(name):
			g.log.WarnContext(ctx, "a registration is not served: the configuration has a backend of its name", "backend", name)
			continue
		}
		made, err := g.registrationOf(ctx, known, head)
		if err != nil {
			g.log.ErrorContext(ctx, "a registration cannot be served; the backend stays as it is", "backend", name, "error", err)
			made = known
		}
		if made != nil {
			next[name] = made
		}
	}
	r.mu.Lock()
	r.served = next
	r.mu.Unlock()
	return g.syncBackends()
}

// registrationOf makes a backend of a revision; known is what it is now, or nil. An address
// that stays keeps its connection.
func (g *Gateway) registrationOf(ctx context.Context, known *registration, head *adminv1.Revision) (*registration, error) {
	if known != nil && known.revision.GetDigest() == head.GetDigest() {
		return known, nil
	}
	made := &registration{revision: head}
	if known != nil && known.revision.GetAddress() == head.GetAddress() && known.revision.GetOwner() == head.GetOwner() {
		made.endpoint = known.endpoint
	} else {
		made.endpoint = rpc.Endpoint{
			Name: head.GetBackend(), Address: head.GetAddress(),
			Guard: g.registrations.service.Guard(head.GetOwner(), head.GetAddress()),
		}
	}
	if known != nil && known.revision.GetDescriptorsDigest() == head.GetDescriptorsDigest() {
		made.source = known.source
	} else {
		descriptors, err := g.registrations.store.Descriptors(ctx, head)
		if err != nil {
			return nil, err
		}
		files, err := schema.ParseDescriptors(descriptors)
		if err != nil {
			return nil, fmt.Errorf("revision %d: %w", head.GetNumber(), err)
		}
		made.source = schema.RegistryBackend{Name: head.GetBackend(), Source: &schema.Pushed{Files: files}}
	}
	made.source.Served = head.GetServices()
	return made, nil
}

// syncBackends gives pool and registry the configured backends and, after them, the registered ones.
func (g *Gateway) syncBackends() error {
	endpoints, sources := slices.Clone(g.configured.endpoints), slices.Clone(g.configured.sources)
	for _, r := range g.registrations.all() {
		endpoints = append(endpoints, r.endpoint)
		sources = append(sources, r.source)
	}
	err := g.pool.Sync(endpoints)
	g.registry.Sync(sources)
	return err
}

func (g *Gateway) isConfigured(name string) bool {
	return slices.ContainsFunc(g.configured.sources, func(b schema.RegistryBackend) bool { return b.Name == name })
}

// apply serves what the store has. It returns when it is served.
func (g *Gateway) apply(ctx context.Context) error {
	g.registrations.applying.Lock()
	defer g.registrations.applying.Unlock()
	if err := g.takeRegistrations(ctx); err != nil {
		return err
	}
	g.swap()
	return nil
}

// followStore serves what others registered.
func (g *Gateway) followStore(ctx context.Context) {
	every := time.NewTicker(reconcileInterval)
	defer every.Stop()
	for {
		select {
		case <-g.registrations.store.Changes():
		case <-every.C:
		case <-ctx.Done():
			return
		}
		if err := g.apply(ctx); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "registrations cannot be read; what is served stays served", "error", err)
		}
	}
}
