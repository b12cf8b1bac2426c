package rpc

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/balancer/base"
	_ "google.golang.org/grpc/health" // asks addresses for their health, where an endpoint wants that
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/serviceconfig"
)

// balancerName is our balancer's in grpc's registry.
const balancerName = "protean"

func init() { balancer.Register(balancerBuilder{}) }

// resolveInterval is how often names are resolved anew, so that replicas which came are
// found while those that are known do well. grpc itself does so when a connection is lost.
var resolveInterval = 30 * time.Second

// balancerBuilder makes a balancer for each connection. grpc keeps one connection to
// each address that takes any; which one gets a call is decided by [replicas].
type balancerBuilder struct{}

func (balancerBuilder) Name() string { return balancerName }

func (balancerBuilder) Build(cc balancer.ClientConn, o balancer.BuildOptions) balancer.Balancer {
	b := &spread{cc: cc}
	b.Balancer = base.NewBalancerBuilder(balancerName, b, base.Config{HealthCheck: true}).Build(watched{cc, b}, o)
	return b
}

// spreadConfig is a balancer's configuration. grpc hands it over as JSON alone, which is
// the number of replicas that are waiting in handover.
type spreadConfig struct {
	serviceconfig.LoadBalancingConfig
	replicas *replicas
}

var handover struct {
	waiting sync.Map // number → *replicas
	last    atomic.Uint64
}

// hand returns a service config for replicas, and what must be called when the connection
// was made of it.
func hand(r *replicas, healthCheck *string) (config string, done func()) {
	number := handover.last.Add(1)
	handover.waiting.Store(number, r)
	parts := map[string]any{
		"loadBalancingConfig": []any{map[string]any{balancerName: number}},
	}
	if healthCheck != nil {
		parts["healthCheckConfig"] = map[string]string{"serviceName": *healthCheck}
	}
	text, err := json.Marshal(parts)
	if err != nil {
		panic(err) // texts and numbers always can be
	}
	return string(text), func() { handover.waiting.Delete(number) }
}

func (balancerBuilder) ParseConfig(text json.RawMessage) (serviceconfig.LoadBalancingConfig, error) {
	number, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("not a number: %w", err)
	}
	r, ok := handover.waiting.Load(number)
	if !ok {
		return nil, fmt.Errorf("nobody handed over %d", number)
	}
	return &spreadConfig{replicas: r.(*replicas)}, nil
}

// spread is the balancer of one connection. grpc calls its methods one at a time.
type spread struct {
	balancer.Balancer
	cc       balancer.ClientConn
	replicas *replicas
	resolve  *time.Ticker
	closed   chan struct{}
	ended    sync.WaitGroup
}

func (b *spread) UpdateClientConnState(s balancer.ClientConnState) error {
	if config, ok := s.BalancerConfig.(*spreadConfig); ok {
		b.replicas = config.replicas
	}
	if b.resolve == nil {
		b.resolve, b.closed = time.NewTicker(b.replicas.resolveInterval), make(chan struct{})
		b.ended.Go(b.keepResolving)
	}
	err := b.Balancer.UpdateClientConnState(s)
	b.replicas.settle()
	return err
}

// ResolverError implements [balancer.Balancer].
func (b *spread) ResolverError(err error) {
	if b.replicas != nil {
		b.replicas.settle()
	}
	b.Balancer.ResolverError(err)
}

func (b *spread) keepResolving() {
	for {
		select {
		case <-b.resolve.C:
			b.cc.ResolveNow(resolver.ResolveNowOptions{})
		case <-b.closed:
			return
		}
	}
}

func (b *spread) Close() {
	if b.resolve != nil {
		b.resolve.Stop()
		close(b.closed)
		b.ended.Wait()
	}
	b.Balancer.Close()
}

// Build implements [base.PickerBuilder].
func (b *spread) Build(info base.PickerBuildInfo) balancer.Picker {
	if len(info.ReadySCs) == 0 {
		b.replicas.ready(nil)
		return base.NewErrPicker(balancer.ErrNoSubConnAvailable)
	}
	p := &picker{replicas: b.replicas}
	for conn, about := range info.ReadySCs {
		p.ready = append(p.ready, target{conn, b.replicas.of(about.Address.Addr)})
	}
	b.replicas.ready(p.ready)
	return p
}
