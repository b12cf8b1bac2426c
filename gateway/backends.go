package gateway

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/schema"
)

// BackendName returns the name of a backend: its address, where it has none.
func BackendName(b *configv1.Backend) string { return or(b.GetName(), b.GetAddress()) }

// endpointsOf says how each backend and each authorizer is reached.
func (s *setup) endpointsOf(known tlsSettings) error {
	var faults []error
	taken := make(map[string]bool)
	add := func(in proto.Message, e rpc.Endpoint, tls *configv1.BackendTLS) {
		var err error
		switch e.TLS, err = known.of(tls, s.tls); {
		case err != nil:
			faults = append(faults, err)
		case e.TLS != nil && !strings.HasPrefix(e.Address, "grpcs://") && !strings.HasPrefix(e.Address, "xds:///"):
			faults = append(faults, configv1.Faultf(in, "address", "it has TLS settings and a plaintext address; write grpcs://%s", e.Address))
		case taken[e.Name]:
			faults = append(faults, configv1.Faultf(in, "name", "two backends are named %q; give one of them another name", e.Name))
		}
		if err := e.Check(); err != nil {
			faults = append(faults, configv1.Fault(in, "address", err))
		}
		taken[e.Name] = true
		s.endpoints = append(s.endpoints, e)
	}
	for _, b := range s.config.GetBackends() {
		add(b, endpointOf(b), b.GetTls())
		faults = append(faults, checkXDS(b))
	}
	for _, a := range s.config.GetAuthorizers() {
		add(a, rpc.Endpoint{Name: authorizerEndpoint(a), Address: a.GetAddress()}, a.GetTls())
	}
	return errors.Join(faults...)
}

// checkXDS refuses what the control plane says instead.
func checkXDS(b *configv1.Backend) error {
	if !strings.HasPrefix(b.GetAddress(), "xds:///") {
		return nil
	}
	const instead = "with xds:/// the control plane says this; leave it out"
	var faults []error
	for _, part := range []struct {
		name string
		said bool
	}{{"tls", b.Tls != nil}, {"balancing", b.Balancing != nil}, {"health_check", b.HealthCheck != nil}, {"outliers", b.Outliers != nil}} {
		if part.said {
			faults = append(faults, configv1.Faultf(b, part.name, instead))
		}
	}
	return errors.Join(faults...)
}

// endpointOf leaves out TLS.
func endpointOf(b *configv1.Backend) rpc.Endpoint {
	e := rpc.Endpoint{
		Name:          BackendName(b),
		Address:       b.GetAddress(),
		Keepalive:     b.GetKeepalive().AsDuration(),
		HealthCheck:   b.HealthCheck != nil,
		HealthService: b.GetHealthCheck().GetService(),
		Outliers:      outliersOf(b.GetOutliers()),
	}
	if b.GetBalancing() == configv1.Balancing_BALANCING_LEAST_REQUEST {
		e.Balancing = rpc.LeastRequest
	}
	return e
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

// sourcesOf says where each backend's descriptors come from. A source that was there
// before goes on. Connections for reflection are those of the pool.
func (s *setup) sourcesOf(pool *rpc.Pool, before *setup) error {
	var faults []error
	for _, b := range s.config.GetBackends() {
		source := before.sourceFor(b)
		if err := checkSecrets(b); err != nil {
			faults = append(faults, err)
		}
		if source == nil {
			source = sourceOf(b, pool)
		}
		s.sources = append(s.sources, schema.RegistryBackend{
			Name:         BackendName(b),
			Source:       source,
			Served:       b.GetServices(),
			PollInterval: s.settings.pollIntervalOf(b),
		})
	}
	return errors.Join(faults...)
}

// sourceFor returns the source of a backend that is asked for its descriptors in the same way.
func (s *setup) sourceFor(b *configv1.Backend) schema.Source {
	if s == nil {
		return nil
	}
	for i, known := range s.config.GetBackends() {
		if BackendName(known) == BackendName(b) && proto.Equal(askedBy(known), askedBy(b)) {
			return s.sources[i].Source
		}
	}
	return nil
}

// askedBy is the part of a backend that its source is made of.
func askedBy(b *configv1.Backend) *configv1.Backend {
	return &configv1.Backend{Source: b.GetSource(), Services: b.GetServices(), ProtoImports: b.GetProtoImports()}
}

// pollIntervalOf is zero for files, which are watched.
func (s settings) pollIntervalOf(b *configv1.Backend) time.Duration {
	if b.GetDescriptors() != "" || b.GetProto() != "" {
		return 0
	}
	return orDefault(b.GetReflection().GetPollInterval(), s.pollInterval)
}

func sourceOf(b *configv1.Backend, pool *rpc.Pool) schema.Source {
	switch {
	case b.GetDescriptors() != "":
		return &schema.DescriptorFile{Path: b.GetDescriptors()}
	case b.GetProto() != "":
		return &schema.ProtoFolder{Dir: b.GetProto(), Imports: b.GetProtoImports()}
	}
	said := b.GetReflection().GetMetadata()
	return &schema.Reflection{
		Conn:     pool.Conn(BackendName(b)),
		Replicas: pool.Replicas(BackendName(b)),
		Metadata: func() (metadata.MD, error) { return reflectionMetadata(said) },
		Timeout:  b.GetReflection().GetTimeout().AsDuration(),
		Services: b.GetServices(),
	}
}

// checkSecrets finds secrets of a backend that are not there.
func checkSecrets(b *configv1.Backend) error {
	var faults []error
	for key, value := range b.GetReflection().GetMetadata() {
		if _, err := secret(value); err != nil {
			faults = append(faults, configv1.Fault(b, "reflection.metadata["+key+"]", err))
		}
	}
	return errors.Join(faults...)
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
