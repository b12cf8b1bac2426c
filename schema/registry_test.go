package schema

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/test/bufconn"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

// site is an address where one server after another may run.
type site struct {
	mu       sync.Mutex
	server   *grpc.Server
	listener *bufconn.Listener
	served   sync.WaitGroup
}

func (s *site) start(register func(*grpc.Server)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server, s.listener = grpc.NewServer(), bufconn.Listen(1<<16)
	register(s.server)
	reflection.Register(s.server)
	server, listener := s.server, s.listener
	s.served.Go(func() { _ = server.Serve(listener) })
}

func (s *site) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.server.Stop()
	s.served.Wait()
	s.server, s.listener = nil, nil
}

func (s *site) dial(ctx context.Context) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil, errors.New("nobody is there")
	}
	return s.listener.DialContext(ctx)
}

// backend returns a registry's backend at this site.
func (s *site) backend(t *testing.T, name string) RegistryBackend {
	t.Helper()
	conn := dialPipe(t, s.dial)
	t.Cleanup(func() { conn.Close() })
	return RegistryBackend{Name: name, Source: &Reflection{Conn: conn}}
}

func registerCatalog(s *grpc.Server) {
	catalogv1.RegisterCatalogServiceServer(s, catalogv1.UnimplementedCatalogServiceServer{})
}

func registerBoth(s *grpc.Server) {
	registerCatalog(s)
	trackingv1.RegisterTrackingServiceServer(s, trackingv1.UnimplementedTrackingServiceServer{})
}

// run runs a registry until the test ends or the returned function is called.
func run(t *testing.T, r *Registry) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); r.Run(ctx) }()
	stop = func() { cancel(); <-done }
	t.Cleanup(stop)
	return stop
}

// changed waits for a change and returns how long it took.
func changed(r *Registry) time.Duration {
	start := time.Now()
	<-r.Changes()
	return time.Since(start)
}

func wantServices(t *testing.T, state BackendState, want ...string) {
	t.Helper()
	if state.Files == nil {
		t.Fatalf("backend %s has no files: %v", state.Name, state.Err)
	}
	if !slices.Equal(state.Files.Services, want) {
		t.Errorf("backend %s has services %v, want %v", state.Name, state.Files.Services, want)
	}
}

func TestRegistryWaitsForBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s site
		r := NewRegistry([]RegistryBackend{s.backend(t, "shop")})
		run(t, r)
		changed(r)
		state := r.State()[0]
		if state.Err == nil || state.Files != nil || state.LastGood || r.Loaded() || len(r.Backends()) != 0 {
			t.Errorf("before the backend is up: %+v", state)
		}
		time.Sleep(time.Minute)
		s.start(registerCatalog)
		defer s.stop()
		for r.State()[0].Err != nil {
			changed(r) // the connection's failures have different texts
		}
		state = r.State()[0]
		wantServices(t, state, catalogService)
		if state.LastGood || state.LoadedAt != time.Now() || !r.Loaded() || len(r.Backends()) != 1 {
			t.Errorf("after the backend is up: %+v", state)
		}
	})
}

func TestRegistrySeesRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s site
		s.start(registerCatalog)
		r := NewRegistry([]RegistryBackend{s.backend(t, "shop")})
		run(t, r)
		changed(r)
		before := r.State()[0]
		wantServices(t, before, catalogService)

		s.stop()
		changed(r)
		down := r.State()[0]
		wantServices(t, down, catalogService)
		if !down.LastGood || down.Err == nil || !r.Loaded() {
			t.Errorf("while the backend is down: %+v", down)
		}

		s.start(registerBoth)
		defer s.stop()
		for r.State()[0].Err != nil {
			changed(r)
		}
		after := r.State()[0]
		wantServices(t, after, catalogService, trackingService)
		if after.LastGood || after.Files.Digest == before.Files.Digest {
			t.Errorf("after the restart: %+v", after)
		}
	})
}

// A backend that changes between two polls is noticed within the interval, and one
// that does not change calls for nothing.
func TestRegistryPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s site
		s.start(registerCatalog)
		backend := s.backend(t, "shop")
		backend.PollInterval = 20 * time.Second
		r := NewRegistry([]RegistryBackend{backend})
		run(t, r)
		changed(r)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		select {
		case <-r.Changes():
			t.Error("nothing changed, but there is a change")
		default:
		}
		if age := time.Since(r.State()[0].LoadedAt); age > 22*time.Second {
			t.Errorf("the last load was %v ago, want at most 22s", age)
		}
		s.stop()
		s.start(registerBoth)
		defer s.stop()
		if took := changed(r); took > 22*time.Second {
			t.Errorf("the change took %v, want at most 22s", took)
		}
	})
}

func TestRegistryReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s site
		s.start(registerCatalog)
		r := NewRegistry([]RegistryBackend{s.backend(t, "shop")})
		run(t, r)
		changed(r)
		s.stop()
		s.start(registerBoth)
		defer s.stop()
		synctest.Wait()
		r.Reload()
		for len(r.State()[0].Files.Services) == 1 {
			if took := changed(r); took > time.Second {
				t.Fatalf("the change took %v, which is a poll, not a reload", took)
			}
		}
		wantServices(t, r.State()[0], catalogService, trackingService)
	})
}

func TestRegistryKeepsBackendsApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		good, refusing := site{}, dialServer(t, registerCatalog) // without reflection
		good.start(registerCatalog)
		defer good.stop()
		r := NewRegistry([]RegistryBackend{
			{Name: "broken", Source: panicking{}},
			{Name: "refusing", Source: &Reflection{Conn: refusing}},
			good.backend(t, "good"),
		})
		run(t, r)
		synctest.Wait()
		states := r.State()
		wantError(t, states[0].Err, "the gateway failed on these files, which is a defect in it: out of order")
		wantError(t, states[1].Err, "no server reflection; switch it on in the server, or give the backend --descriptors or --proto")
		wantError(t, states[2].Err, "no error")
		if backends := r.Backends(); len(backends) != 1 || backends[0].Name != "good" {
			t.Errorf("backends to compile %v, want only good", backends)
		}
	})
}

// panicking is a source with a defect.
type panicking struct{}

func (panicking) Load(context.Context) (*Files, error) { panic("out of order") }
func (panicking) Kind() string                         { return "panicking" }
func (panicking) Paths() []string                      { return nil }

func TestRegistrySeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seed, err := NewFiles(catalogSet(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var s site
		r := NewRegistry([]RegistryBackend{s.backend(t, "shop")})
		r.Seed("shop", seed)
		r.Seed("unknown", seed)
		r.Seed("shop", nil)
		changed(r)
		if state := r.State()[0]; state.Files != seed || !state.LastGood || !r.Loaded() {
			t.Errorf("seeded: %+v", state)
		}
		s.start(registerBoth)
		defer s.stop()
		run(t, r)
		changed(r)
		r.Seed("shop", seed)
		state := r.State()[0]
		wantServices(t, state, catalogService, trackingService)
		if state.LastGood {
			t.Error("files that were just loaded count as last good ones")
		}
	})
}

func TestRegistryLoadOnce(t *testing.T) {
	conn := dialServer(t, func(s *grpc.Server) { registerShop(s); reflection.Register(s) })
	r := NewRegistry([]RegistryBackend{
		{Name: "a", Source: &DescriptorFile{Path: "testdata/none"}},
		{Name: "b", Source: &Reflection{Conn: conn}, Served: []string{catalogService}},
		{Name: "c", Source: &ProtoFolder{Dir: "testdata/none"}},
	})
	wantError(t, r.LoadOnce(t.Context()), strings.Join([]string{
		"backend a: open testdata/none: no such file or directory",
		"backend c: open testdata/none: no such file or directory",
	}, "\n"))
	var kinds []string
	for _, state := range r.State() {
		kinds = append(kinds, state.Kind)
	}
	if want := []string{"descriptors", "reflection", "proto"}; !slices.Equal(kinds, want) {
		t.Errorf("kinds %v, want %v", kinds, want)
	}
	backends := r.Backends()
	if len(backends) != 1 || backends[0].Name != "b" || !slices.Equal(backends[0].Served, []string{catalogService}) {
		t.Errorf("backends to compile: %+v", backends)
	}
}

// A load that hangs does not keep the registry from ending, nor counts as a failure.
func TestRegistryEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := dialPipe(t, func(ctx context.Context) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		})
		defer conn.Close()
		r := NewRegistry([]RegistryBackend{{Name: "silent", Source: &Reflection{Conn: conn, Timeout: time.Hour}}})
		stop := run(t, r)
		synctest.Wait()
		stop()
		if err := r.State()[0].Err; err != nil {
			t.Errorf("error %v, want none", err)
		}
	})
}

// The pause after a failure doubles up to the interval, and starts over after a success.
func TestPace(t *testing.T) {
	failure := errors.New("failure")
	p := newPace(RegistryBackend{Source: &Reflection{}, PollInterval: time.Second})
	for i, step := range []struct {
		err  error
		want time.Duration
	}{
		{failure, firstRetry}, {failure, 2 * firstRetry}, {failure, time.Second}, {failure, time.Second},
		{nil, time.Second}, {failure, firstRetry},
	} {
		got := p.after(step.err)
		if got < step.want*9/10 || got > step.want*11/10 {
			t.Errorf("step %d: pause %v, want about %v", i, got, step.want)
		}
	}
}
