// Package xds proves that a gateway with xDS takes the addresses of a backend from a control plane, and follows them: on a real
// control plane in memory, and a gateway in a process of its own.
package xds

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	routerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/router/v3"
	managerv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/reflection"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/protean-gateway/protean/examples/catalog"
)

// nodeID is what the gateway is called by the control plane, and service what it asks for.
const (
	nodeID  = "the-gateway"
	service = "catalog.example"
)

var proteanBinary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "protean")
	if err != nil {
		panic(err)
	}
	proteanBinary = filepath.Join(folder, "protean")
	build := exec.Command("go", "build", "-tags", "xds", "-o", proteanBinary, "./cmd/protean")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// TestFollowsControlPlane moves a backend from one replica to another, to both, to none and back, and takes the control plane away.
func TestFollowsControlPlane(t *testing.T) {
	a, b := startReplica(t), startReplica(t)
	plane := startControlPlane(t)
	plane.say(t, a.address)
	base := startGateway(t, plane)

	for _, step := range []struct {
		name     string
		replicas []*replica
	}{
		{"the first", []*replica{a}},
		{"the second", []*replica{b}},
		{"both", []*replica{a, b}},
		{"the first again", []*replica{a}},
	} {
		var addresses []string
		for _, r := range step.replicas {
			addresses = append(addresses, r.address)
		}
		load := startLoad(base)
		plane.say(t, addresses...)
		await(t, step.name, func() bool {
			a.calls.Store(0)
			b.calls.Store(0)
			for range 20 {
				if status := get(base); status != http.StatusOK {
					t.Errorf("%s: %d", step.name, status)
				}
			}
			wanted := int64(0)
			for _, r := range step.replicas {
				if r.calls.Load() == 0 {
					return false
				}
				wanted += r.calls.Load()
			}
			return wanted == a.calls.Load()+b.calls.Load()
		})
		if calls, failed := load.stop(); failed > 0 || calls == 0 {
			t.Errorf("%s: %d of %d calls failed on the way", step.name, failed, calls)
		}
	}

	plane.say(t)
	await(t, "calls to fail without replicas", func() bool { return get(base) == http.StatusServiceUnavailable })
	plane.say(t, b.address)
	await(t, "calls to be answered again", func() bool { return get(base) == http.StatusOK })

	plane.server.Stop()
	load := startLoad(base)
	time.Sleep(2 * time.Second)
	if calls, failed := load.stop(); failed > 0 || calls == 0 {
		t.Errorf("without the control plane %d of %d calls failed", failed, calls)
	}
}

// TestWithoutControlPlane starts while there is none. The gateway says that it is not ready, and serves once there is one.
func TestWithoutControlPlane(t *testing.T) {
	a := startReplica(t)
	address := freeAddress(t)
	_, admin := runGateway(t, address, "")
	time.Sleep(time.Second)
	if response, err := http.Get("http://" + admin + "/readyz"); err == nil {
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			t.Error("it is ready without a control plane")
		}
	}
	plane := startControlPlaneAt(t, address)
	plane.say(t, a.address)
	awaitReady(t, admin)
}

// TestTLSFromControlPlane calls by TLS where the control plane says so, and never without it or with an authority of somebody else.
func TestTLSFromControlPlane(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	good, plain, foreign := startReplica(t, ours.server(t)), startReplica(t), startReplica(t, theirs.server(t))
	plane := startControlPlane(t)
	plane.roots = ours.file
	plane.say(t, good.address)
	base := startGateway(t, plane)
	if status := get(base); status != http.StatusOK || good.calls.Load() == 0 {
		t.Errorf("by TLS: %d", status)
	}
	for name, r := range map[string]*replica{"in plaintext": plain, "by a foreign authority": foreign} {
		plane.say(t, r.address)
		await(t, name, func() bool { return get(base) == http.StatusServiceUnavailable })
		time.Sleep(500 * time.Millisecond)
		if status := get(base); status != http.StatusServiceUnavailable || r.calls.Load() > 0 {
			t.Errorf("%s: %d, %d calls", name, status, r.calls.Load())
		}
	}
	plane.say(t, good.address)
	await(t, "the good one again", func() bool { return get(base) == http.StatusOK })
}

// replica is a backend that counts its calls.
type replica struct {
	address string
	calls   atomic.Int64
}

func startReplica(t *testing.T, options ...grpc.ServerOption) *replica {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &replica{address: l.Addr().String()}
	s := grpc.NewServer(append(options, grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		r.calls.Add(1)
		return h(ctx, in)
	}))...)
	catalog.New().Register(s)
	reflection.Register(s)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(s.Stop)
	return r
}

// controlPlane tells by ADS where a service is.
type controlPlane struct {
	address string
	server  *grpc.Server
	cache   cache.SnapshotCache
	version int
	roots   string // the file of the authority of the cluster's TLS; empty: plaintext
}

func startControlPlane(t *testing.T) *controlPlane {
	t.Helper()
	return startControlPlaneAt(t, "127.0.0.1:0")
}

func startControlPlaneAt(t *testing.T, address string) *controlPlane {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &controlPlane{address: l.Addr().String(), server: grpc.NewServer(), cache: cache.NewSnapshotCache(true, cache.IDHash{}, nil)}
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(p.server, server.NewServer(t.Context(), p.cache, nil))
	go func() { _ = p.server.Serve(l) }()
	t.Cleanup(p.server.Stop)
	return p
}

// say has the service be at these addresses from now on.
func (p *controlPlane) say(t *testing.T, addresses ...string) {
	t.Helper()
	p.version++
	ads := &corev3.ConfigSource{ConfigSourceSpecifier: &corev3.ConfigSource_Ads{Ads: &corev3.AggregatedConfigSource{}}, ResourceApiVersion: corev3.ApiVersion_V3}
	manager := &managerv3.HttpConnectionManager{
		RouteSpecifier: &managerv3.HttpConnectionManager_Rds{Rds: &managerv3.Rds{ConfigSource: ads, RouteConfigName: "routes"}},
		HttpFilters: []*managerv3.HttpFilter{{
			Name: "router", ConfigType: &managerv3.HttpFilter_TypedConfig{TypedConfig: anyOf(t, &routerv3.Router{})},
		}},
	}
	listener := &listenerv3.Listener{Name: service, ApiListener: &listenerv3.ApiListener{ApiListener: anyOf(t, manager)}}
	routes := &routev3.RouteConfiguration{Name: "routes", VirtualHosts: []*routev3.VirtualHost{{
		Name: "all", Domains: []string{"*"},
		Routes: []*routev3.Route{{
			Match:  &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{}},
			Action: &routev3.Route_Route{Route: &routev3.RouteAction{ClusterSpecifier: &routev3.RouteAction_Cluster{Cluster: "cluster"}}},
		}},
	}}}
	cluster := &clusterv3.Cluster{
		Name:                 "cluster",
		ClusterDiscoveryType: &clusterv3.Cluster_Type{Type: clusterv3.Cluster_EDS},
		EdsClusterConfig:     &clusterv3.Cluster_EdsClusterConfig{EdsConfig: ads, ServiceName: "endpoints"},
		LbPolicy:             clusterv3.Cluster_ROUND_ROBIN,
	}
	if p.roots != "" {
		cluster.TransportSocket = &corev3.TransportSocket{
			Name: "envoy.transport_sockets.tls", ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: anyOf(t, upstreamTLS())},
		}
	}
	snapshot, err := cache.NewSnapshot(fmt.Sprint(p.version), map[resource.Type][]types.Resource{
		resource.ListenerType: {listener},
		resource.RouteType:    {routes},
		resource.ClusterType:  {cluster},
		resource.EndpointType: {endpointsAt(t, addresses)},
	})
	if err == nil {
		err = p.cache.SetSnapshot(t.Context(), nodeID, snapshot)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func endpointsAt(t *testing.T, addresses []string) *endpointv3.ClusterLoadAssignment {
	t.Helper()
	all := &endpointv3.ClusterLoadAssignment{ClusterName: "endpoints"}
	for i, address := range addresses {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		at := &corev3.Address{Address: &corev3.Address_SocketAddress{SocketAddress: &corev3.SocketAddress{
			Address: tcp.IP.String(), PortSpecifier: &corev3.SocketAddress_PortValue{PortValue: uint32(tcp.Port)},
		}}}
		if i == 0 {
			all.Endpoints = []*endpointv3.LocalityLbEndpoints{{
				Locality: &corev3.Locality{Region: "here"}, LoadBalancingWeight: wrapperspb.UInt32(1),
			}}
		}
		all.Endpoints[0].LbEndpoints = append(all.Endpoints[0].LbEndpoints, &endpointv3.LbEndpoint{
			HostIdentifier: &endpointv3.LbEndpoint_Endpoint{Endpoint: &endpointv3.Endpoint{Address: at}},
		})
	}
	return all
}

// upstreamTLS checks the server by the authority that the bootstrap file calls roots.
func upstreamTLS() *tlsv3.UpstreamTlsContext {
	return &tlsv3.UpstreamTlsContext{CommonTlsContext: &tlsv3.CommonTlsContext{
		ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{ValidationContext: &tlsv3.CertificateValidationContext{
			CaCertificateProviderInstance: &tlsv3.CertificateProviderPluginInstance{InstanceName: "roots"},
		}},
	}}
}

// authority signs certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	file        string
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{file: filepath.Join(t.TempDir(), "ca.pem")}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der := a.sign(t, template)
	a.certificate, _ = x509.ParseCertificate(der)
	if err := os.WriteFile(a.file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return a
}

// sign makes a certificate, the first one by itself.
func (a *authority) sign(t *testing.T, template *x509.Certificate) []byte {
	t.Helper()
	parent, signer := a.certificate, a.key
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if a.key = key; parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// server has a server show a certificate of this authority, the only one that it signs.
func (a *authority) server(t *testing.T) grpc.ServerOption {
	t.Helper()
	der := a.sign(t, &x509.Certificate{SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: a.key}))
}

func anyOf(t *testing.T, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// startGateway returns the address of a gateway that is ready.
func startGateway(t *testing.T, plane *controlPlane) (base string) {
	t.Helper()
	base, admin := runGateway(t, plane.address, plane.roots)
	awaitReady(t, admin)
	return base
}

func runGateway(t *testing.T, plane, roots string) (base, admin string) {
	t.Helper()
	known := map[string]any{
		"xds_servers": []any{map[string]any{
			"server_uri": plane, "channel_creds": []any{map[string]string{"type": "insecure"}}, "server_features": []string{"xds_v3"},
		}},
		"node": map[string]string{"id": nodeID},
	}
	if roots != "" {
		known["certificate_providers"] = map[string]any{"roots": map[string]any{
			"plugin_name": "file_watcher", "config": map[string]string{"ca_certificate_file": roots},
		}}
	}
	bootstrap, err := json.Marshal(known)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for name, text := range map[string]string{
		"bootstrap.json": string(bootstrap),
		"protean.yaml":   "backends: [{name: catalog, address: 'xds:///" + service + "'}]\npollInterval: 1s\nstartupGrace: 60s\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	listen, admin := freeAddress(t), freeAddress(t)
	command := exec.Command(proteanBinary, "serve", "--config", filepath.Join(folder, "protean.yaml"), "--listen", listen, "--admin", admin)
	command.Env = append(os.Environ(), "GRPC_XDS_BOOTSTRAP="+filepath.Join(folder, "bootstrap.json"))
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	return "http://" + listen, admin
}

func awaitReady(t *testing.T, admin string) {
	t.Helper()
	await(t, "the gateway to be ready", func() bool {
		response, err := http.Get("http://" + admin + "/readyz")
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// get calls the backend through the gateway.
func get(base string) int {
	client := http.Client{Timeout: 10 * time.Second}
	response, err := client.Get(base + "/v1/books/emma")
	if err != nil {
		return 0
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// load calls all the time.
type load struct {
	done          chan struct{}
	ended         sync.WaitGroup
	calls, failed atomic.Int64
}

func startLoad(base string) *load {
	l := &load{done: make(chan struct{})}
	for range 3 {
		l.ended.Go(func() {
			for {
				select {
				case <-l.done:
					return
				case <-time.After(2 * time.Millisecond):
				}
				l.calls.Add(1)
				if get(base) != http.StatusOK {
					l.failed.Add(1)
				}
			}
		})
	}
	return l
}

func (l *load) stop() (calls, failed int64) {
	close(l.done)
	l.ended.Wait()
	return l.calls.Load(), l.failed.Load()
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 600 {
		if holds() {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("waited 30 s for %s", what)
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
