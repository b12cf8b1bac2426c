package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net/http"
	"sync/atomic"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth"
	"github.com/protean-gateway/protean/gateway/admin"
	"github.com/protean-gateway/protean/gateway/audit"
	"github.com/protean-gateway/protean/gateway/telemetry"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/resilience"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate/transport"
)

// lasting is what outlives every configuration: connections, and the state of policies.
type lasting struct {
	log      *slog.Logger
	metrics  *telemetry.Metrics // nil where nobody can ask for them
	pool     *rpc.Pool
	policies *policies
	audit    *audit.Log
	stopping context.Context // done when the gateway begins to drain
	views    atomic.Pointer[views]
}

// takeViews returns the views of now, which the caller uses until it calls setup.uses.end; nil before there are any.
func (l *lasting) takeViews() *views {
	v := l.views.Load()
	for v != nil && !v.setup.uses.take() { // it was replaced just now
		v = l.views.Load()
	}
	return v
}

// authenticators are those of now.
func (l *lasting) authenticators() *auth.Authenticators {
	if v := l.views.Load(); v != nil {
		return v.setup.authenticators
	}
	return new(auth.Authenticators)
}

func newLasting(stopping context.Context, log *slog.Logger, metrics *telemetry.Metrics, record *audit.Log) *lasting {
	pool := rpc.NewPool()
	pool.Observe(connectionChanged(log))
	return &lasting{
		log:      log,
		metrics:  metrics,
		pool:     pool,
		policies: newPolicies(log, metrics),
		audit:    record,
		stopping: stopping,
	}
}

// close frees what lasts. Nothing runs any more.
func (l *lasting) close() {
	l.policies.close()
	l.pool.Close()
}

// newFirst makes what lasts, and the first setup on it, with connections to its backends.
func newFirst(stopping context.Context, config *Configuration, log *slog.Logger, metrics *telemetry.Metrics, record *audit.Log) (*lasting, *setup, error) {
	l := newLasting(stopping, log, metrics, record)
	s, err := newSetup(config, l, nil)
	if err == nil {
		l.policies.follow(s)
		err = l.pool.Sync(s.endpoints)
	}
	if err != nil {
		l.close()
		return nil, nil, err
	}
	return l, s, nil
}

// setup is all that a gateway makes of a configuration. It is built whole, so that a
// configuration with a fault changes nothing, and a reload replaces it whole.
type setup struct {
	config   *Configuration
	settings settings
	log      *slog.Logger
	metrics  *telemetry.Metrics
	audit    *audit.Log

	listenerTLS        *tls.Config // nil: plaintext
	authenticators     *auth.Authenticators
	keepsAuthorization bool

	flood     *resilience.Flood // nil: no bound
	redis     *resilience.Redis // nil: none
	endpoints []rpc.Endpoint
	tls       tlsSettings
	sources   []schema.RegistryBackend // by backend of the configuration
	overlays  []*configv1.Overlay
	positions map[proto.Message]string
	rules     *admin.Rules // of registrations
	maker     *viewMaker

	uses uses
}

// newSetup checks a configuration and makes all of it that needs no backend. What the
// one before has and this one says in the same way goes on with its state. Errors are the
// operator's to mend, and have positions as far as these are known.
func newSetup(c *Configuration, l *lasting, before *setup) (*setup, error) {
	s := &setup{config: c, log: l.log, metrics: l.metrics, audit: l.audit, tls: make(tlsSettings), keepsAuthorization: keepsAuthorization(c.Config)}
	if err := s.build(l, before); err != nil {
		if before == nil || s.redis != before.redis {
			closeRedis(s.redis)
		}
		return nil, c.locate(err)
	}
	s.uses.init()
	return s, nil
}

func (s *setup) build(l *lasting, before *setup) error {
	var known tlsSettings
	var authenticators *auth.Authenticators
	if before != nil {
		known, authenticators = before.tls, before.authenticators
	}
	settings, wrong := settingsOf(s.config.Config)
	s.settings = settings
	s.flood = s.floodOf(before)
	faults := []error{wrong}
	s.authenticators, wrong = newAuthenticators(s.config.Config, authenticators, l.authenticators)
	faults = append(faults, wrong)
	s.listenerTLS, wrong = listenerTLS(s.config.GetTls())
	faults = append(faults, wrong, s.endpointsOf(known), s.sourcesOf(l.pool, before), s.readOverlays(), s.redisOf(before))
	s.rules, wrong = admin.NewRules(s.config.GetRegistry(), secret)
	faults = append(faults, wrong)
	if err := errors.Join(faults...); err != nil {
		return err
	}
	s.maker, wrong = s.newViewMaker(l, before)
	return wrong
}

// readOverlays reads the service configurations. What the configuration itself says of a
// method goes before what they say.
func (s *setup) readOverlays() error {
	overlays, positions, err := serviceOverlays(s.config.GetBackends())
	s.overlays = append(overlays, s.config.GetOverlays()...)
	s.positions = s.config.positions.policies(s.config.Config)
	for overlay, position := range positions {
		s.positions[overlay] = position
	}
	return err
}

func (s *setup) newViewMaker(l *lasting, before *setup) (*viewMaker, error) {
	headers, err := transport.NewHeaders(s.config.GetHttp().GetForwardHeaders(), append(s.authenticators.Headers(), "Authorization")...)
	if err != nil {
		return nil, configv1.Faultf(s.config.GetHttp(), "forward_headers", "%w; a backend's forward_credentials passes tokens on", err)
	}
	m := &viewMaker{
		config:         s.config.Config,
		headers:        headers,
		auth:           policyOptions(s.config.Config, l.pool, denied(l.log, l.audit)),
		authenticators: s.authenticators,
		policies:       l.policies,
		backend:        l.pool.Handle,
		stopping:       l.stopping,
		now:            l.takeViews,
		audit:          l.audit,
	}
	if m.knowsCallers() {
		m.auth.CallerHeaders = m.callerHeaders()
	}
	if before != nil {
		m.clients = before.maker.clients
	}
	m.clients, err = graphClients(s.config.GetGraphql(), m.clients)
	return m, err
}

// input is what to compile with this configuration.
func (s *setup) input(backends []schema.BackendFiles, names *schema.Names) schema.Input {
	graphql := s.config.GetGraphql()
	return schema.Input{
		Backends:     backends,
		Overlays:     s.overlays,
		Positions:    s.positions,
		Policies:     s.config.GetPolicies(),
		Names:        names,
		AIPVerbsOff:  graphql != nil && graphql.AipVerbs != nil && !graphql.GetAipVerbs(),
		PrefixFields: graphql.GetPrefixFields(),
	}
}

// front is the way of a request to the doors of views that were made with this setup.
func (s *setup) front(v *views) http.Handler {
	doors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.serve(&s.settings.paths, w, r)
	})
	o := observer{log: s.log, metrics: s.metrics, limited: func() bool { return v.limited }}
	return s.settings.edge(o, s.flood, s.authenticated(doors))
}

// uses counts the requests that a setup serves, so that what it alone needs can go after
// the last of them. The gateway holds one use for as long as the setup is current.
type uses struct {
	count     atomic.Int64
	ended     chan struct{} // closed after the last
	abandoned atomic.Bool   // the last is not waited for any more
}

func (u *uses) init() {
	u.ended = make(chan struct{})
	u.count.Store(1)
}

// take reports false where the last use has ended.
func (u *uses) take() bool {
	for {
		n := u.count.Load()
		if n == 0 {
			return false
		}
		if u.count.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (u *uses) end() {
	if u.count.Add(-1) == 0 {
		close(u.ended)
	}
}

// over reports whether nobody waits for a use any more.
func (u *uses) over() bool { return u.count.Load() == 0 || u.abandoned.Load() }
