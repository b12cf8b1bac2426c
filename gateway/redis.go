package gateway

import (
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/resilience"
)

// newRedis returns the store that gateways share, or nil where none is configured.
func newRedis(c *configv1.Redis) (*resilience.Redis, error) {
	if c == nil {
		return nil, nil
	}
	config, err := tlsSettings(nil).of(c.GetTls(), make(tlsSettings))
	if err != nil {
		return nil, err
	}
	secret, err := password(c.GetPassword())
	if err != nil {
		return nil, configv1.Fault(c, "password", err)
	}
	return resilience.NewRedis(resilience.RedisOptions{
		Address:  c.GetAddress(),
		TLS:      config,
		Username: c.GetUsername(),
		Password: secret,
		Database: int(c.GetDatabase()),
		Prefix:   or(c.GetPrefix(), "protean:"),
		Budget:   c.GetBudget().AsDuration(),
		Replicas: int(c.GetReplicas()),
		Outage:   outages[c.GetOutage()],

		ValueBytes: int(c.GetCacheValueBytes()),
	}), nil
}

var outages = map[configv1.Redis_Outage]resilience.Outage{
	configv1.Redis_OUTAGE_CLOSED: resilience.RefuseAll,
	configv1.Redis_OUTAGE_OPEN:   resilience.AllowAll,
}
