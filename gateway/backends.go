package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// BackendName returns the name of a backend: its address, where it has none.
func BackendName(b *configv1.Backend) string { return or(b.GetName(), b.GetAddress()) }

// endpointsOf says how each backend and each authorizer is reached.
func endpointsOf(config *configv1.Config) ([]rpc.Endpoint, error) {
	var endpoints []rpc.Endpoint
	for _, b := range config.GetBackends() {
		e, err := endpointOf(BackendName(b), b.GetAddress(), b.GetTls())
		if err != nil {
			return nil, fmt.Errorf("backend %q %w", BackendName(b), err)
		}
		e.Keepalive = b.GetKeepalive().AsDuration()
		e.HealthCheck, e.HealthService = b.HealthCheck != nil, b.GetHealthCheck().GetService()
		e.Outliers = outliersOf(b.GetOutliers())
		if b.GetBalancing() == configv1.Balancing_BALANCING_LEAST_REQUEST {
			e.Balancing = rpc.LeastRequest
		}
		endpoints = append(endpoints, e)
	}
	for _, a := range config.GetAuthorizers() {
		e, err := endpointOf(authorizerEndpoint(a), a.GetAddress(), a.GetTls())
		if err != nil {
			return nil, fmt.Errorf("authorizer %q %w", a.GetName(), err)
		}
		endpoints = append(endpoints, e)
	}
	seen := make(map[string]bool)
	for _, e := range endpoints {
		if seen[e.Name] {
			return nil, fmt.Errorf("two backends are named %q; give one of them another name", e.Name)
		}
		seen[e.Name] = true
	}
	return endpoints, nil
}

func endpointOf(name, address string, c *configv1.BackendTLS) (rpc.Endpoint, error) {
	tls, err := backendTLS(c)
	if err != nil {
		return rpc.Endpoint{}, err
	}
	if tls != nil && !strings.HasPrefix(address, "grpcs://") {
		return rpc.Endpoint{}, fmt.Errorf("has TLS settings and a plaintext address; write grpcs://%s", address)
	}
	return rpc.Endpoint{Name: name, Address: address, TLS: tls}, nil
}

// outliersOf fills in the defaults. What is 0 is the default, as if it were not said.
func outliersOf(c *configv1.Outliers) rpc.Outliers {
	if c.GetDisabled() {
		return rpc.Outliers{}
	}
	o := rpc.DefaultOutliers
	return rpc.Outliers{
		Streak:       int(or(c.GetConsecutiveFailures(), uint32(o.Streak))), //nolint:gosec // a small number
		FailureRatio: or(c.GetFailureRatio(), o.FailureRatio),
		MinCalls:     int(or(c.GetMinRequests(), uint32(o.MinCalls))), //nolint:gosec // a small number
		EjectFor:     orDefault(c.GetEjectFor(), o.EjectFor),
		MaxEjected:   or(c.GetMaxEjected(), o.MaxEjected),
	}
}

// sourcesOf says where each backend's descriptors come from. Connections for
// reflection are those of the pool.
func sourcesOf(backends []*configv1.Backend, pool *rpc.Pool, s settings) ([]schema.RegistryBackend, error) {
	var sources []schema.RegistryBackend
	for _, b := range backends {
		name := BackendName(b)
		source, err := sourceOf(b, pool)
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", name, err)
		}
		sources = append(sources, schema.RegistryBackend{
			Name:         name,
			Source:       source,
			Served:       b.GetServices(),
			PollInterval: s.pollIntervalOf(b),
		})
	}
	return sources, nil
}

// pollIntervalOf is zero for files, which are watched.
func (s settings) pollIntervalOf(b *configv1.Backend) time.Duration {
	if b.GetDescriptors() != "" || b.GetProto() != "" {
		return 0
	}
	return orDefault(b.GetReflection().GetPollInterval(), s.pollInterval)
}

func sourceOf(b *configv1.Backend, pool *rpc.Pool) (schema.Source, error) {
	switch {
	case b.GetDescriptors() != "":
		return &schema.DescriptorFile{Path: b.GetDescriptors()}, nil
	case b.GetProto() != "":
		return &schema.ProtoFolder{Dir: b.GetProto()}, nil
	}
	conn := pool.Conn(BackendName(b))
	if conn == nil {
		return nil, errors.New("there is no connection to reflect on")
	}
	said := b.GetReflection().GetMetadata()
	if _, err := reflectionMetadata(said); err != nil {
		return nil, err
	}
	return &schema.Reflection{
		Conn:     conn,
		Metadata: func() (metadata.MD, error) { return reflectionMetadata(said) },
		Timeout:  b.GetReflection().GetTimeout().AsDuration(),
		Services: b.GetServices(),
	}, nil
}

func reflectionMetadata(said map[string]string) (metadata.MD, error) {
	md := make(metadata.MD, len(said))
	for key, value := range said {
		text, err := secret(value)
		if err != nil {
			return nil, fmt.Errorf("reflection.metadata.%s: %w", key, err)
		}
		md.Append(key, text)
	}
	return md, nil
}
