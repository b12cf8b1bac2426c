package schema

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// RegistryBackend is a backend whose source a [Registry] keeps loaded.
type RegistryBackend struct {
	Name   string // unique in the registry
	Source Source
	// PollInterval is how often the source is loaded when nothing calls for it.
	// Default: [DefaultPollInterval], or [DefaultWatchedPollInterval] if the source has paths.
	PollInterval time.Duration
	// Served are the full names of the services to serve; empty: all.
	Served []string
	// Claims are those of a registered backend; nil: it is configured.
	Claims *Claims
}

// BackendState is what is known of a backend's files.
type BackendState struct {
	Name   string
	Kind   string   // of the source
	Served []string // as configured
	Claims *Claims  // as registered
	// Files are the newest good ones, or nil if there never were any.
	Files *Files
	// LoadedAt is when Files were last found to be current; zero if they were seeded.
	LoadedAt time.Time
	// Err is why the last load failed, for the operator; nil if it did not.
	Err error
	// LastGood says that Files are older than what the last load found or failed to find.
	LastGood bool
	// Skew says that the backend's replicas run different versions, or others than what was
	// registered; nil if not. Files are what they agreed on before, or what was registered.
	Skew *SkewError
}

// Registry keeps the sources of backends loaded. A source that fails keeps its
// last good files and takes no other down. It is safe for concurrent use.
type Registry struct {
	changes chan struct{}
	next    atomic.Pointer[chan struct{}] // closed with the next change

	mu       sync.Mutex
	backends []*registered     // a new slice with every change
	start    func(*registered) // keeps a backend loaded; nil while Run does not run
}

type registered struct {
	RegistryBackend
	wake chan struct{}      // holds one request to load
	stop context.CancelFunc // ends what keeps it loaded; nil if nothing does

	mu    sync.Mutex
	state BackendState
}

// NewRegistry returns a registry that has not loaded anything yet.
func NewRegistry(backends []RegistryBackend) *Registry {
	r := &Registry{changes: make(chan struct{}, 1)}
	r.next.Store(new(make(chan struct{})))
	for _, b := range backends {
		r.backends = append(r.backends, newRegistered(b))
	}
	return r
}

func newRegistered(b RegistryBackend) *registered {
	return &registered{
		RegistryBackend: b,
		wake:            make(chan struct{}, 1),
		state:           BackendState{Name: b.Name, Kind: b.Source.Kind(), Served: b.Served, Claims: b.Claims},
	}
}

// Sync replaces the backends. One with the same name, source and settings goes on as it
// is; one with the same name alone keeps its files until its new source has loaded.
func (r *Registry) Sync(backends []RegistryBackend) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := make(map[string]*registered, len(r.backends))
	for _, b := range r.backends {
		old[b.Name] = b
	}
	next := make([]*registered, len(backends))
	for i, b := range backends {
		next[i] = r.renew(old[b.Name], b)
		if next[i] == old[b.Name] {
			delete(old, b.Name)
		}
	}
	for _, b := range old {
		if b.stop != nil {
			b.stop()
		}
	}
	same := slices.Equal(r.backends, next)
	r.backends = next
	if !same {
		r.changed()
	}
}

// renew returns old where b is the same. The caller holds r.mu.
func (r *Registry) renew(old *registered, b RegistryBackend) *registered {
	if old != nil && old.same(b) {
		return old
	}
	next := newRegistered(b)
	if pushed, ok := b.Source.(*Pushed); ok {
		next.note(pushed.Files, nil)
		if r.start != nil && pushed.Running != nil {
			r.start(next)
		}
		return next
	}
	if old != nil {
		next.seed(old.current().Files)
	}
	if r.start != nil {
		r.start(next)
	}
	return next
}

func (b *registered) same(other RegistryBackend) bool {
	return b.Source == other.Source && b.PollInterval == other.PollInterval && slices.Equal(b.Served, other.Served) && b.Claims.equal(other.Claims)
}

// all returns the backends as they are now.
func (r *Registry) all() []*registered {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.backends
}

// Seed gives a backend files from an earlier run, until its source has loaded.
// It does nothing if there are files already or no such backend.
func (r *Registry) Seed(name string, files *Files) {
	for _, b := range r.all() {
		if b.Name == name && b.seed(files) {
			r.changed()
		}
	}
}

// Run loads all sources, and again whenever something calls for it, until ctx ends.
// It returns when all of its goroutines have ended. It may be called once.
func (r *Registry) Run(ctx context.Context) {
	var running sync.WaitGroup
	r.mu.Lock()
	r.start = func(b *registered) {
		ctx, stop := context.WithCancel(ctx)
		b.stop = stop
		running.Go(func() { r.keep(ctx, b) })
		if paths := b.Source.Paths(); len(paths) > 0 {
			running.Go(func() { Watch(ctx, paths, b.ask) })
		}
	}
	for _, b := range r.backends {
		r.start(b)
	}
	r.mu.Unlock()
	<-ctx.Done()
	r.mu.Lock()
	r.start = nil // so that nothing starts while the last ones are waited for
	r.mu.Unlock()
	running.Wait()
}

// LoadOnce loads each source once, for commands that do not go on running. The
// error names every backend whose source failed; the others are loaded.
// It must not be called while [Registry.Run] runs.
func (r *Registry) LoadOnce(ctx context.Context) error {
	backends := r.all()
	errs := make([]error, len(backends))
	var loading sync.WaitGroup
	for i, b := range backends {
		loading.Go(func() {
			if err := r.load(ctx, b); !isSkew(err) && err != nil {
				errs[i] = fmt.Errorf("backend %s: %w", b.Name, err)
			}
		})
	}
	loading.Wait()
	return errors.Join(errs...)
}

// Reload asks for all sources to be loaded now. It does not wait for them.
func (r *Registry) Reload() {
	for _, b := range r.all() {
		b.ask()
	}
}

// Changes yields a value after the files or the error of any backend changed,
// one for all changes since the last was received. One receiver sees them all.
func (r *Registry) Changes() <-chan struct{} { return r.changes }

// Changed returns a channel that is closed with the next change of files or errors. Whoever looks at the
// backends after Changed has returned, and finds it open later, has seen the newest.
func (r *Registry) Changed() <-chan struct{} { return *r.next.Load() }

// changed tells of a change that was made.
func (r *Registry) changed() {
	close(*r.next.Swap(new(make(chan struct{}))))
	signal(r.changes)
}

// Loaded reports whether every backend has files, be they current or the last good ones.
func (r *Registry) Loaded() bool {
	for _, state := range r.State() {
		if state.Files == nil {
			return false
		}
	}
	return true
}

// State returns what is known of each backend, in the order given to [NewRegistry] or [Registry.Sync].
func (r *Registry) State() []BackendState {
	backends := r.all()
	states := make([]BackendState, len(backends))
	for i, b := range backends {
		states[i] = b.current()
	}
	return states
}

// Backends returns what there is to compile: the files of all backends that have
// any, in the order given to [NewRegistry] or [Registry.Sync].
func (r *Registry) Backends() []BackendFiles {
	var backends []BackendFiles
	for _, state := range r.State() {
		if state.Files != nil {
			backends = append(backends, BackendFiles{Name: state.Name, Files: state.Files, Served: state.Served, Claims: state.Claims})
		}
	}
	return backends
}

// keep loads a source again and again. What was registered is there, and a rollout that goes with it
// is given its time before servers are asked.
func (r *Registry) keep(ctx context.Context, b *registered) {
	pace := newPace(b.RegistryBackend)
	_, loaded := b.Source.(*Pushed)
	for ctx.Err() == nil {
		var err error
		if !loaded {
			err = r.load(ctx, b)
		}
		loaded = false
		pause := time.NewTimer(pace.after(err))
		select {
		case <-pause.C:
		case <-b.wake:
			pace.reset()
		case <-ctx.Done():
		}
		pause.Stop()
	}
}

// load loads a source once and notes what came of it. What fails because ctx
// ended says nothing about the backend.
func (r *Registry) load(ctx context.Context, b *registered) error {
	var files *Files
	err := Guard(func() (err error) {
		files, err = b.Source.Load(ctx)
		return err
	})
	if err != nil && ctx.Err() != nil {
		return err
	}
	if b.note(files, err) {
		r.changed()
	}
	return err
}

func (b *registered) current() BackendState {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state
}

func (b *registered) seed(files *Files) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state.Files != nil || files == nil {
		return false
	}
	b.state.Files, b.state.LastGood = files, true
	return true
}

// note keeps the outcome of a load and reports whether it is another one than before.
func (b *registered) note(files *Files, err error) (changed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := &b.state
	skew, skewed := errors.AsType[*SkewError](err)
	if skewed {
		err = nil
		if s.Files != nil {
			files = s.Files // so that what is served does not change to and fro in a rollout
		}
	}
	changed = said(err) != said(s.Err) || skewed != (s.Skew != nil)
	if skewed || err == nil {
		s.Skew = skew
	}
	s.Err = err
	s.LastGood = err != nil && s.Files != nil
	if err != nil {
		return changed
	}
	s.LoadedAt = time.Now()
	if s.Files == nil || s.Files.Digest != files.Digest || !slices.Equal(s.Files.Problems, files.Problems) {
		s.Files, changed = files, true
	}
	return changed
}

func isSkew(err error) bool {
	_, ok := errors.AsType[*SkewError](err)
	return ok
}

// said returns the text of an error, or "".
func said(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// ask calls for a load. A load under way is followed by another.
func (b *registered) ask() { signal(b.wake) }

// signal leaves one value in a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
