package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/protean-gateway/protean/gateway/admin"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/schema/store"
)

// reconcileInterval is how often all registrations are read, whatever was heard of changes.
const reconcileInterval = 30 * time.Second

// storePatience is how long a start waits for the store.
const storePatience = 750 * time.Millisecond

// registrationsFile is the store in the state folder.
const registrationsFile = "registrations.db"

// registrations are the backends that teams registered, as far as they are served here.
type registrations struct {
	store    *store.Store
	service  *admin.Service
	listener *admin.Listener

	applying sync.Mutex    // one takes what the store has, and swaps, at a time
	wanted   chan struct{} // holds one request to read the store
	next     *applied      // what is waited for, or nil; guarded by mu
	mu       sync.RWMutex
	served   map[string]*registration
	counted  store.Owners // before what is served was read
	known    bool         // served is what the store had, now or in an earlier run

	read chan struct{} // holds a value after the store was read

	names atomic.Pointer[sharedNames] // nil: not read yet, or not shared
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
	r := &registrations{store: s, served: make(map[string]*registration), wanted: make(chan struct{}, 1), read: make(chan struct{}, 1)}
	r.service = admin.NewService(adminView{g}, s, g.first.rules, g.log, g.audit)
	r.listener = admin.Listen(r.service)
	g.registrations = r
	g.policies.unknown.Store(true) // until they are read
	return nil
}

// openStore returns a store that lasts as long as there is a place for it.
func (g *Gateway) openStore() (*store.Store, error) {
	if c := g.first.config.GetRegistry().GetEtcd(); c != nil {
		return openEtcd(c)
	}
	if g.state.folder == "" {
		return store.InMemory(), nil
	}
	return store.OpenFile(filepath.Join(g.state.folder, registrationsFile))
}

func openEtcd(c *configv1.Etcd) (*store.Store, error) {
	secret, err := password(c.GetPassword())
	if err != nil {
		return nil, configv1.Fault(c, "password", err)
	}
	tls, err := tlsSettings(nil).of(&configv1.BackendTLS{CaFile: c.CaFile, CertFile: c.CertFile, KeyFile: c.KeyFile}, make(tlsSettings))
	if err != nil {
		return nil, configv1.Faultf(c, "", "%s", err.Error()) // what it was made of stands nowhere
	}
	return store.OpenEtcd(store.Etcd{
		Endpoints: c.GetEndpoints(), Prefix: c.GetPrefix(), Username: c.GetUsername(), Password: secret, TLS: tls,
	})
}

// KeepsRegistrations says for people what becomes of registrations.
func (g *Gateway) KeepsRegistrations() string {
	if c := g.first.config.GetRegistry().GetEtcd(); c != nil {
		return "registrations are kept in etcd at " + strings.Join(c.GetEndpoints(), ", ")
	}
	if g.state.folder == "" {
		return "registrations are not kept: say --state DIR to keep them"
	}
	return "registrations are kept in " + g.state.folder
}

func (r *registrations) close() {
	r.listener.Close()
	_ = r.store.Close() // everything that was answered is on the disk
}

// all returns what is served, in the order of registration: of two backends that want one route or name the one
// that was there first gets it.
func (r *registrations) all() []*registration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.SortedFunc(maps.Values(r.served), func(a, b *registration) int {
		return cmp.Or(cmp.Compare(a.source.Claims.Age(), b.source.Claims.Age()), cmp.Compare(a.source.Name, b.source.Name))
	})
}

// any reports whether there are registrations.
func (r *registrations) any() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.served) > 0
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
	if err := g.takePolicies(ctx); err != nil {
		return err
	}
	heads, err := r.store.Heads(ctx)
	if err != nil && !errors.Is(err, store.ErrDamaged) {
		return err
	}
	g.takeNames(ctx)
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
		var made *registration
		err := schema.Guard(func() (err error) {
			made, err = g.registrationOf(ctx, known, head)
			return err
		})
		if err != nil {
			g.logPanic(ctx, "reading a registration panicked", err)
			g.log.ErrorContext(ctx, "a registration cannot be served; the backend stays as it is", "backend", name, "error", err)
			made = known
		}
		if made != nil {
			next[name] = made
		}
	}
	r.serve(next)
	g.keepRegistrations()
	return g.syncBackends()
}

func (r *registrations) serve(next map[string]*registration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.served, r.known = next, true
	signal(r.read)
}

// count notes that what is served has all that was counted.
func (r *registrations) count(counted store.Owners) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted = counted
}

// has reports whether what is served has all that was counted.
func (r *registrations) has(counted store.Owners) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return maps.Equal(r.counted, counted)
}

// loaded reports whether it is known what is registered.
func (r *registrations) loaded() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.known
}

// firstRegistrations takes what the store has, or where it does not answer soon, what it had when this
// gateway last heard from it.
func (g *Gateway) firstRegistrations() {
	ctx, cancel := context.WithTimeout(context.Background(), storePatience)
	defer cancel()
	err := g.takeRegistrations(ctx)
	if err == nil {
		return
	}
	g.log.Error("registrations cannot be read; the last ones known are served, if there are any", "error", err)
	g.sayLastKnown()
	next := make(map[string]*registration)
	for _, r := range g.state.registrations() {
		files := g.state.files(r.GetBackend())
		if files == nil || g.isConfigured(r.GetBackend()) {
			continue
		}
		// The store may have another revision of that name by now; without digests it is read anew.
		r.Digest, r.DescriptorsDigest = "", ""
		next[r.GetBackend()] = &registration{
			revision: r,
			endpoint: g.endpointFor(r),
			source: schema.RegistryBackend{
				Name: r.GetBackend(), Source: g.pushed(r.GetBackend(), files), Served: r.GetServices(), Claims: admin.ClaimsOf(r),
			},
		}
	}
	if len(next) == 0 {
		return
	}
	g.registrations.serve(next)
	if err := g.syncBackends(); err != nil {
		g.log.Error("some registered backends cannot be called", "error", err)
	}
}

func (g *Gateway) endpointFor(r *adminv1.Revision) rpc.Endpoint {
	return rpc.Endpoint{
		Name: r.GetBackend(), Address: r.GetAddress(),
		Guard: g.registrations.service.Guard(r.GetOwner(), r.GetAddress()),
	}
}

// keepRegistrations writes what a gateway needs to start while etcd is away.
func (g *Gateway) keepRegistrations() {
	if g.first.config.GetRegistry().GetEtcd() == nil {
		return
	}
	var revisions []*adminv1.Revision
	for _, r := range g.registrations.all() {
		revisions = append(revisions, r.revision)
	}
	if err := g.state.keepRegistrations(revisions); err != nil {
		g.log.Error("registrations cannot be kept on this machine", "error", err)
	}
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
		made.endpoint = g.endpointFor(head)
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
		made.source = schema.RegistryBackend{Name: head.GetBackend(), Source: g.pushed(head.GetBackend(), files)}
	}
	made.source.Served, made.source.Claims = head.GetServices(), admin.ClaimsOf(head)
	return made, nil
}

// pushed is the source of registered files. The servers are asked whether they run them.
func (g *Gateway) pushed(name string, files *schema.Files) *schema.Pushed {
	return &schema.Pushed{Files: files, Running: &schema.Reflection{Conn: g.pool.Conn(name), Replicas: g.pool.Replicas(name)}}
}

// syncBackends gives pool and registry the configured backends and, after them, the registered
// ones. The caller holds applying, or is alone.
func (g *Gateway) syncBackends() error {
	current := g.current()
	endpoints, sources := slices.Clone(current.endpoints), slices.Clone(current.sources)
	for _, r := range g.registrations.all() {
		endpoints = append(endpoints, r.endpoint)
		sources = append(sources, r.source)
	}
	err := g.pool.Sync(g.withRetired(endpoints))
	g.registry.Sync(sources)
	return err
}

func (g *Gateway) isConfigured(name string) bool {
	return slices.ContainsFunc(g.current().sources, func(b schema.RegistryBackend) bool { return b.Name == name })
}

// applied is one time that the store is read and swapped. Many wait for one.
type applied struct {
	done chan struct{}
	err  error // once done is closed
}

// apply serves what the store has, and returns when it is served, or ctx is done. Who comes while the store
// is being read waits for it to be read once more, together with all others that do.
func (g *Gateway) apply(ctx context.Context) error {
	r := g.registrations
	r.mu.Lock()
	if r.next == nil {
		r.next = &applied{done: make(chan struct{})}
	}
	next := r.next
	r.mu.Unlock()
	select {
	case r.wanted <- struct{}{}:
	default: // it is wanted already
	}
	select {
	case <-next.done:
		return next.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// followStore serves what was registered, here or elsewhere.
func (g *Gateway) followStore(ctx context.Context) {
	every := time.NewTicker(reconcileInterval)
	defer every.Stop()
	for {
		select {
		case <-g.registrations.wanted:
		case <-g.registrations.store.Changes():
		case <-every.C:
		case <-ctx.Done():
			return
		}
		if err := g.applyNext(ctx); err != nil && ctx.Err() == nil {
			g.log.WarnContext(ctx, "registrations cannot be read; what is served stays served", "error", err)
		}
	}
}

// applyNext reads the store for all who wait.
func (g *Gateway) applyNext(ctx context.Context) (err error) {
	r := g.registrations
	r.mu.Lock()
	next := r.next
	r.next = nil // who comes from here on may have kept what is not seen any more
	r.mu.Unlock()
	if next != nil {
		defer func() {
			next.err = err
			close(next.done)
		}()
	}
	r.applying.Lock()
	defer r.applying.Unlock()
	counted, err := r.store.Owners(ctx)
	if err != nil {
		return err
	}
	if err := g.takeRegistrations(ctx); err != nil {
		return err
	}
	g.swap(ctx)
	r.count(counted)
	return nil
}
