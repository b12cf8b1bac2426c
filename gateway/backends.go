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

// endpointsOf says how each backend is reached.
func endpointsOf(backends []*configv1.Backend) ([]rpc.Endpoint, error) {
	var endpoints []rpc.Endpoint
	seen := make(map[string]bool)
	for _, b := range backends {
		name := BackendName(b)
		if seen[name] {
			return nil, fmt.Errorf("two backends are named %q; give one of them another name", name)
		}
		seen[name] = true
		tls, err := backendTLS(b.GetTls())
		if err != nil {
			return nil, fmt.Errorf("backend %q: %w", name, err)
		}
		if tls != nil && !strings.HasPrefix(b.GetAddress(), "grpcs://") {
			return nil, fmt.Errorf("backend %q has TLS settings and a plaintext address; write grpcs://%s", name, b.GetAddress())
		}
		endpoints = append(endpoints, rpc.Endpoint{
			Name:      name,
			Address:   b.GetAddress(),
			TLS:       tls,
			Keepalive: b.GetKeepalive().AsDuration(),
		})
	}
	return endpoints, nil
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
