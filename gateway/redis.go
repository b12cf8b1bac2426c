package gateway

import (
	"fmt"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/resilience"
)

// redisOf makes the store that gateways share, unless that of the setup before is the same.
func (s *setup) redisOf(before *setup) error {
	c := s.config.GetRedis()
	if c == nil {
		return nil
	}
	var known tlsSettings
	if before != nil {
		known = before.tls
	}
	o, err := redisOptions(c, known, s.tls)
	switch {
	case err != nil:
		return err
	case before != nil && before.redis.Is(o):
		s.redis = before.redis
	default:
		s.redis = resilience.NewRedis(o)
	}
	return nil
}

// closeRedis closes a store that nobody asks any more; nothing is lost with its connections.
func closeRedis(r *resilience.Redis) {
	if r != nil {
		_ = r.Close()
	}
}

func redisOptions(c *configv1.Redis, known, next tlsSettings) (o resilience.RedisOptions, err error) {
	config, err := known.of(c.GetTls(), next)
	if err != nil {
		return o, err
	}
	secret, err := password(c.GetPassword())
	if err != nil {
		return o, configv1.Fault(c, "password", err)
	}
	seal, err := password(c.GetCacheSeal())
	if err == nil && c.GetCacheSeal() != "" && len(seal) < leastSeal {
		err = fmt.Errorf("the secret has %d bytes; it needs %d", len(seal), leastSeal)
	}
	if err != nil {
		return o, configv1.Fault(c, "cache_seal", err)
	}
	return resilience.RedisOptions{
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
		Seal:       seal,
	}, nil
}

// leastSeal is how many bytes a secret has that answers are sealed with.
const leastSeal = 32

var outages = map[configv1.Redis_Outage]resilience.Outage{
	configv1.Redis_OUTAGE_CLOSED: resilience.RefuseAll,
	configv1.Redis_OUTAGE_OPEN:   resilience.AllowAll,
}
