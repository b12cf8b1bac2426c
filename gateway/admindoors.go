package gateway

import (
	"net/http"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/gateway/admin"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// adminDoors serve the admin service as any backend is served, from a snapshot of its own.
type adminDoors struct {
	http.Handler
	*lasting
	settings settings
}

// newAdminDoors puts doors before the service. They have its methods and nothing else.
func (g *Gateway) newAdminDoors() (*adminDoors, error) {
	config := adminConfig(g.registrations.service.Owned())
	files, err := admin.Files()
	if err != nil {
		return nil, err
	}
	l, s, err := newFirst(g.stopping, &Configuration{Config: config}, g.log, nil, g.audit)
	if err != nil {
		return nil, err
	}
	if err := l.pool.Sync([]rpc.Endpoint{{Name: "admin", Dialer: g.registrations.listener}}); err != nil {
		l.close()
		return nil, err
	}
	if g.registrations.service.Owned() {
		s.maker.auth.Authenticators = []string{admin.Authenticator}
	}
	snapshot, _ := schema.Compile(schema.Input{
		Backends: []schema.BackendFiles{{Name: "admin", Files: files}},
		Policies: config.GetPolicies(),
	})
	v, err := s.maker.of(g.stopping, snapshot)
	if err != nil {
		l.close()
		return nil, err
	}
	doors := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { v.serve(&s.settings.paths, w, r) })
	edge := s.settings.edge(observer{log: g.log}, nil, g.registrations.service.Authenticated(doors))
	return &adminDoors{Handler: edge, lasting: l, settings: s.settings}, nil
}

// longestAdminCall is how long a call of the admin service may take: a registration waits for its server, for its turn,
// and for its compilation.
const longestAdminCall = 2 * time.Minute

// adminConfig is the configuration of the doors of the admin service.
func adminConfig(owned bool) *configv1.Config {
	p := &policyv1.Policy{
		Timeout: &policyv1.Timeout{Call: durationpb.New(longestAdminCall)},
		Limits:  &policyv1.Limits{RequestBytes: proto.Uint32(admin.MaxRequestBytes), ResponseBytes: proto.Uint32(2 * admin.MaxRequestBytes)},
	}
	if owned {
		p.Authorize = &policyv1.Authorize{}
	}
	return &configv1.Config{
		AllowUnauthenticated: proto.Bool(true), // it never listens itself
		Policies:             []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: p}},
	}
}
