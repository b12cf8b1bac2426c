package gateway

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// ConfigSource says how a configuration is read again while the gateway runs. The zero
// value is for one that does not change.
type ConfigSource struct {
	// Read reads it anew, the command line and the environment included.
	Read func() (*Configuration, error)
	// Paths are the files whose change calls for that.
	Paths []string
}

// reloader reads the configuration again for a gateway. It belongs to one goroutine, which
// waits for what it started.
type reloader struct {
	*Gateway
	ctx     context.Context //nolint:containedctx // its own life
	running sync.WaitGroup
	changed chan struct{} // holds one value after a file of the configuration changed
	ended   chan struct{} // holds one value after the requests of a retired setup ended
	stop    func()        // ends what keeps the current authenticators' keys fresh
}

func newReloader(ctx context.Context, g *Gateway) *reloader {
	r := &reloader{Gateway: g, ctx: ctx, changed: make(chan struct{}, 1), ended: make(chan struct{}, 1), stop: func() {}}
	r.keepFresh(g.first)
	if g.source.Read != nil && len(g.source.Paths) > 0 {
		r.running.Go(r.watch)
	}
	return r
}

func (r *reloader) watch() {
	began := false
	paths := r.source.Paths
	for _, b := range r.first.config.GetBackends() {
		if path := b.GetServiceConfig(); path != "" {
			paths = append(paths[:len(paths):len(paths)], path)
		}
	}
	schema.Watch(r.ctx, paths, func() {
		if began { // the first time says that the watch has begun
			signal(r.changed)
		}
		began = true
	})
}

// keepFresh keeps the keys of a setup's authenticators fresh, and no longer those of the
// one before.
func (r *reloader) keepFresh(s *setup) {
	r.stop()
	ctx, stop := context.WithCancel(r.ctx)
	r.stop = stop
	r.running.Go(func() { s.authenticators.Run(ctx) })
}

// reload reads the configuration again. A good one is served at once; one with a fault
// changes nothing and is logged.
func (r *reloader) reload() {
	if r.source.Read == nil {
		return
	}
	var next *setup
	err := schema.Guard(func() (err error) {
		next, err = r.read()
		return err
	})
	if err != nil {
		r.logPanic(r.ctx, "reading the configuration panicked", err)
		r.reloads.count(err)
		r.log.ErrorContext(r.ctx, "the configuration is refused; the last good one stays", "error", err)
		return
	}
	r.adopt(next)
	r.reloads.count(nil)
	r.log.InfoContext(r.ctx, "the configuration was read again and is served")
	r.logProblems()
}

// read makes a setup of the configuration as it is now. What only a restart can change
// stays as it is, and is checked together with what does change.
func (r *reloader) read() (*setup, error) {
	config, err := r.source.Read()
	if err != nil {
		return nil, err
	}
	if _, err := settingsOf(config.Config); err != nil {
		return nil, config.locate(err) // it must do for a restart as well
	}
	for _, part := range keepFixed(r.first.config.Config, config.Config) {
		r.log.WarnContext(r.ctx, "a part of the configuration counts after a restart", "part", part,
			"position", config.positions.of(config.Config, part))
	}
	return newSetup(config, r.lasting, r.current())
}

// adopt puts a setup before the doors. Backends that are new are connected to before,
// those that are gone are left after their last request.
func (r *reloader) adopt(next *setup) {
	before := r.current()
	r.policies.follow(next)
	r.registrations.service.Follow(next.rules)
	r.replace(before, next)
	r.keepFresh(next)
	before.uses.end()
	r.running.Go(func() {
		if before.redis != next.redis {
			defer closeRedis(before.redis)
		}
		patience := time.NewTimer(before.settings.drainTimeout)
		defer patience.Stop()
		select {
		case <-before.uses.ended:
		case <-patience.C:
			// What is left are streams, which hold their connections themselves.
			before.uses.abandoned.Store(true)
		case <-r.ctx.Done():
			return
		}
		signal(r.ended)
	})
}

func (r *reloader) replace(before, next *setup) {
	r.registrations.applying.Lock()
	defer r.registrations.applying.Unlock()
	r.retired = append(r.retired, before)
	r.setup.Store(next)
	// What is registered depends on what is configured: names that are taken.
	ctx, cancel := context.WithTimeout(r.ctx, storePatience)
	defer cancel()
	if err := r.takeRegistrations(ctx); err != nil {
		r.log.ErrorContext(r.ctx, "registrations cannot be read; those that are served stay", "error", err)
		r.sync()
	}
	r.swap(r.ctx)
}

// leaveUnused leaves the backends that nobody needs any more.
func (r *reloader) leaveUnused() {
	r.registrations.applying.Lock()
	defer r.registrations.applying.Unlock()
	r.retired = slices.DeleteFunc(r.retired, func(s *setup) bool { return s.uses.over() })
	r.sync()
}

func (r *reloader) sync() {
	if err := r.syncBackends(); err != nil {
		r.log.ErrorContext(r.ctx, "a backend cannot be connected to", "error", err)
	}
}

// withRetired adds the endpoints that requests on replaced setups may still call.
func (g *Gateway) withRetired(endpoints []rpc.Endpoint) []rpc.Endpoint {
	for _, s := range slices.Backward(g.retired) {
		for _, e := range s.endpoints {
			if !slices.ContainsFunc(endpoints, func(known rpc.Endpoint) bool { return known.Name == e.Name }) {
				endpoints = append(endpoints, e)
			}
		}
	}
	return endpoints
}

// close waits for all that was started. Its context has ended.
func (r *reloader) close() {
	r.stop()
	r.running.Wait()
}

// reloads counts how often the configuration was read again.
type reloads struct{ served, refused atomic.Int64 }

func (r *reloads) count(err error) {
	if err != nil {
		r.refused.Add(1)
		return
	}
	r.served.Add(1)
}

// keepFixed puts those parts of a configuration back that were read when the gateway
// started, and returns the names of those that differ: listeners and what belongs to them,
// stores, and the log. So nothing new is checked against an address that is not listened on.
func keepFixed(running, next *configv1.Config) (differing []string) {
	fixed := func(name string, same bool, keep func()) {
		if !same {
			keep()
			differing = append(differing, name)
		}
	}
	fixed("listen", running.GetListen() == next.GetListen(), func() { next.Listen = running.Listen })
	fixed("admin", running.GetAdmin() == next.GetAdmin(), func() { next.Admin = running.Admin })
	fixed("state", running.GetState() == next.GetState(), func() { next.State = running.State })
	fixed("tls", (running.GetTls() == nil) == (next.GetTls() == nil), func() { next.Tls = running.GetTls() })
	keepRegistry(running.GetRegistry(), next, fixed)
	fixed("audit", proto.Equal(running.GetAudit(), next.GetAudit()), func() { next.Audit = running.GetAudit() })
	fixed("log_level", running.GetLogLevel() == next.GetLogLevel(), func() { next.LogLevel = running.LogLevel })
	fixed("log_format", running.GetLogFormat() == next.GetLogFormat(), func() { next.LogFormat = running.LogFormat })
	was, is := running.GetHttp(), next.GetHttp()
	fixed("http.header_bytes", was.GetHeaderBytes() == is.GetHeaderBytes(), func() {
		next.Http = withHTTP(is, func(h *configv1.HTTP) { h.HeaderBytes = proto.Uint32(was.GetHeaderBytes()) })
	})
	is = next.GetHttp()
	fixed("http.header_timeout", proto.Equal(was.GetHeaderTimeout(), is.GetHeaderTimeout()), func() {
		next.Http = withHTTP(is, func(h *configv1.HTTP) { h.HeaderTimeout = was.GetHeaderTimeout() })
	})
	return differing
}

// keepRegistry keeps of the registry where registrations are kept, how the admin address is called, and whether
// a token is needed there. Who the owners are and what the gate does changes at once.
func keepRegistry(was *configv1.Registry, next *configv1.Config, fixed func(name string, same bool, keep func())) {
	is := next.GetRegistry()
	if is == nil {
		is = new(configv1.Registry)
	}
	part := func(name string, same bool, keep func()) {
		fixed("registry."+name, same, func() {
			keep()
			next.Registry = is
		})
	}
	part("etcd", proto.Equal(was.GetEtcd(), is.GetEtcd()), func() { is.Etcd = was.GetEtcd() })
	part("hosts", slices.Equal(was.GetHosts(), is.GetHosts()), func() { is.Hosts = was.GetHosts() })
	part("plaintext_tokens", was.GetPlaintextTokens() == is.GetPlaintextTokens(), func() {
		is.PlaintextTokens = proto.Bool(was.GetPlaintextTokens())
	})
	part("owners", (len(was.GetOwners()) == 0) == (len(is.GetOwners()) == 0), func() { is.Owners = was.GetOwners() })
}

func withHTTP(h *configv1.HTTP, change func(*configv1.HTTP)) *configv1.HTTP {
	if h == nil {
		h = new(configv1.HTTP)
	}
	change(h)
	return h
}

// signal leaves one value in a channel that holds one.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
