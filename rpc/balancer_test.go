package rpc_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/balancer"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/resolver/dns"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// fleet is a backend of several replicas behind one name, at 127.0.0.1, 127.0.0.2 and so on.
type fleet struct {
	names    *rpctest.DNS
	port     string
	replicas []*rpctest.Backend
	calls    []atomic.Int64
	failing  []atomic.Bool
	health   []*health.Server
}

func startFleet(t *testing.T, n int) *fleet {
	t.Helper()
	f := &fleet{calls: make([]atomic.Int64, n), failing: make([]atomic.Bool, n)}
	var addresses []string
	for i := range n {
		host := fmt.Sprintf("127.0.0.%d", i+1)
		at := net.JoinHostPort(host, "0")
		if i > 0 {
			at = net.JoinHostPort(host, f.port)
		}
		f.health = append(f.health, health.NewServer())
		b := rpctest.Start(t, map[string]rpctest.Handler{get: func(s *rpctest.Stream) error {
			f.calls[i].Add(1)
			if f.failing[i].Load() {
				_, _ = s.Recv() // of a failure before all of the call is sent grpc does not tell
				return status.Error(codes.Unavailable, "failing")
			}
			return rpctest.Echo(s)
		}}, rpctest.At(at), rpctest.Health(f.health[i]))
		_, f.port, _ = net.SplitHostPort(b.Address)
		f.replicas = append(f.replicas, b)
		addresses = append(addresses, host)
	}
	f.names = rpctest.StartDNS(t, addresses...)
	return f
}

func (f *fleet) endpoint() rpc.Endpoint {
	return rpc.Endpoint{
		Name:     rpctest.BackendName,
		Address:  fmt.Sprintf("dns://%s/fleet.test:%s", f.names.Server, f.port),
		Outliers: rpc.DefaultOutliers,
	}
}

// load makes calls one after the other and returns how many failed, and how many each
// replica had.
func (f *fleet) load(t *testing.T, p *rpc.Pool, snap *schema.Snapshot, n int) (failed int, shares []int64) {
	t.Helper()
	before := make([]int64, len(f.calls))
	for i := range f.calls {
		before[i] = f.calls[i].Load()
	}
	for range n {
		if _, err := rpc.Unary(t.Context(), p.Handle, call(t, snap, get, "x")); err != nil {
			failed++
		}
	}
	for i := range f.calls {
		shares = append(shares, f.calls[i].Load()-before[i])
	}
	return failed, shares
}

// waitFor waits until so many addresses of the pool's one backend take calls.
func waitFor(t *testing.T, p *rpc.Pool, n int) {
	t.Helper()
	until(t, fmt.Sprintf("%d addresses that take calls", n), func() bool {
		ready := 0
		for _, a := range p.State()[0].Addresses {
			if a.Ready {
				ready++
			}
		}
		return ready == n
	})
}

// until waits for something to hold.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(rpctest.Patience); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func TestRoundRobin(t *testing.T) {
	snap, f := compile(t), startFleet(t, 3)
	p := connect(t, f.endpoint())
	waitFor(t, p, 3)
	if failed, shares := f.load(t, p, snap, 300); failed > 0 || shares[0] != 100 || shares[1] != 100 || shares[2] != 100 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
}

// TestLeastRequest has one replica that hangs on to its calls.
func TestLeastRequest(t *testing.T) {
	snap, f := compile(t), startFleet(t, 3)
	hang := rpctest.NewHang()
	f.replicas[1].Handle(get, hang.Handle)
	e := f.endpoint()
	e.Balancing = rpc.LeastRequest
	p := connect(t, e)
	waitFor(t, p, 3)
	ctx, cancel := context.WithCancel(t.Context())
	var calls sync.WaitGroup
	var answered atomic.Int64
	for n := range 60 {
		calls.Go(func() {
			if _, err := rpc.Unary(ctx, p.Handle, call(t, snap, get, "x")); err == nil {
				answered.Add(1)
			}
		})
		until(t, "a call that is answered, or hangs", func() bool { return int(answered.Load())+f.replicas[1].Calls(get) > n })
	}
	if n := f.replicas[1].Calls(get); n > 20 { // by turns it would be 20, and with two drawn 1 in 9 draws it twice
		t.Errorf("%d of 60 calls went to the replica that was busy with all of them", n)
	}
	cancel()
	calls.Wait()
	if answered.Load() < 40 {
		t.Errorf("%d of 60 calls were answered", answered.Load())
	}
}

// TestOutliers leaves a failing replica out.
func TestOutliers(t *testing.T) {
	snap, f := compile(t), startFleet(t, 3)
	e := f.endpoint()
	e.Outliers.EjectFor = time.Minute // longer than the test takes
	p := connect(t, e)
	waitFor(t, p, 3)
	f.failing[1].Store(true)
	if failed, shares := f.load(t, p, snap, 60); failed != 5 || shares[1] != 5 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
	for _, a := range p.State()[0].Addresses {
		if bad := strings.HasPrefix(a.Address, "127.0.0.2:"); a.Ejected != bad || (a.Ejections == 1) != bad || !a.Ready || a.InFlight > 0 {
			t.Errorf("state %+v", a)
		}
	}
	f.failing[2].Store(true) // another is not left out: of three that may be one
	if failed, shares := f.load(t, p, snap, 40); failed != 20 || shares[1] != 0 {
		t.Errorf("two fail: %d failed; shares %v", failed, shares)
	}
}

// TestOutliersWithoutWord hears nothing of some failures, which grpc takes for none. They are no success.
func TestOutliersWithoutWord(t *testing.T) {
	failed := balancer.DoneInfo{Err: status.Error(codes.Unavailable, "failed"), BytesSent: true}
	for name, test := range map[string]struct {
		between func(*rpc.Replica)
		ejected bool
	}{
		"nothing":                        {func(*rpc.Replica) {}, true},
		"a call that was not sent":       {func(r *rpc.Replica) { r.Report(balancer.DoneInfo{}) }, true},
		"a failure while it was sent":    {func(r *rpc.Replica) { r.Report(balancer.DoneInfo{BytesSent: true, BytesReceived: true}) }, true},
		"a call that went well":          {func(r *rpc.Replica) { r.Report(balancer.DoneInfo{BytesSent: true, BytesReceived: true}); r.Answered() }, false},
		"a failure that is the client's": {func(r *rpc.Replica) { r.Report(balancer.DoneInfo{Err: status.Error(codes.NotFound, "")}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := rpc.OneOfTwo(rpc.Outliers{Streak: 3, EjectFor: time.Minute, MaxEjected: 0.5})
			r.Report(failed)
			r.Report(failed)
			test.between(r)
			r.Report(failed)
			if r.IsEjected(time.Now()) != test.ejected {
				t.Errorf("ejected: %v", !test.ejected)
			}
		})
	}
}

// TestOutliersComeBack lets a replica in again, once its time is over.
func TestOutliersComeBack(t *testing.T) {
	snap, f := compile(t), startFleet(t, 3)
	e := f.endpoint()
	e.Outliers.EjectFor = 200 * time.Millisecond
	p := connect(t, e)
	waitFor(t, p, 3)
	state := func() rpc.AddressState { return p.State()[0].Addresses[1] }
	f.failing[1].Store(true)
	began := time.Now()
	for state().Ejections == 0 {
		f.load(t, p, snap, 1)
	}
	f.failing[1].Store(false)
	until(t, "the end of its time", func() bool { return !state().Ejected })
	if took := time.Since(began); took < e.Outliers.EjectFor {
		t.Errorf("it is let in after %v", took)
	}
	if failed, shares := f.load(t, p, snap, 300); failed > 0 || shares[1] < 90 {
		t.Errorf("after it is let in: %d failed; shares %v", failed, shares)
	}
}

// TestOutliersByRatio leaves a replica out that fails now and then.
func TestOutliersByRatio(t *testing.T) {
	snap, f := compile(t), startFleet(t, 2)
	var n atomic.Int64
	f.replicas[0].Handle(get, func(s *rpctest.Stream) error {
		if n.Add(1)%3 > 0 {
			return status.Error(codes.Internal, "two of three")
		}
		return rpctest.Echo(s)
	})
	p := connect(t, f.endpoint())
	waitFor(t, p, 2)
	if _, shares := f.load(t, p, snap, 200); shares[1] < 160 {
		t.Errorf("shares %v", shares)
	}
}

// TestOutliersNeverAll keeps calling a backend that has one address, however it fails.
func TestOutliersNeverAll(t *testing.T) {
	snap, f := compile(t), startFleet(t, 1)
	p := connect(t, f.endpoint())
	waitFor(t, p, 1)
	f.failing[0].Store(true)
	if failed, shares := f.load(t, p, snap, 50); failed != 50 || shares[0] != 50 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
}

// TestHealthCheck gives no calls to a replica that says it is not healthy.
func TestHealthCheck(t *testing.T) {
	snap, f := compile(t), startFleet(t, 2)
	e := f.endpoint()
	e.HealthCheck, e.HealthService = true, "notes.v1.Notes"
	for _, h := range f.health {
		h.SetServingStatus(e.HealthService, healthpb.HealthCheckResponse_SERVING)
	}
	p := connect(t, e)
	waitFor(t, p, 2)
	f.health[0].SetServingStatus(e.HealthService, healthpb.HealthCheckResponse_NOT_SERVING)
	waitFor(t, p, 1)
	if failed, shares := f.load(t, p, snap, 50); failed > 0 || shares[0] > 0 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
	f.health[0].SetServingStatus(e.HealthService, healthpb.HealthCheckResponse_SERVING)
	waitFor(t, p, 2)
}

// TestHealthCheckUnknown counts a server without grpc.health.v1 as healthy.
func TestHealthCheckUnknown(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{get: rpctest.Echo})
	e := b.Endpoint(rpctest.BackendName)
	e.HealthCheck = true
	p := connect(t, e)
	if _, err := rpc.Unary(t.Context(), p.Handle, call(t, snap, get, "x")); err != nil {
		t.Error(err)
	}
}

// TestResolvedAnew finds replicas that come while those that are known do well.
func TestResolvedAnew(t *testing.T) {
	dns.SetMinResolutionInterval(10 * time.Millisecond)
	t.Cleanup(func() { dns.SetMinResolutionInterval(30 * time.Second) }) // after the pool is closed
	t.Cleanup(rpc.SetResolveInterval(20 * time.Millisecond))
	snap, f := compile(t), startFleet(t, 3)
	f.names.Set("127.0.0.1")
	p := connect(t, f.endpoint())
	waitFor(t, p, 1)
	f.names.Set("127.0.0.1", "127.0.0.2", "127.0.0.3")
	waitFor(t, p, 3)
	f.names.Set("127.0.0.3")
	waitFor(t, p, 1)
	if failed, shares := f.load(t, p, snap, 30); failed > 0 || shares[2] != 30 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
}

// TestServiceConfigsDoNotCount has a name server ask for five attempts of each call, and for one replica alone. Whoever answers
// for names does not decide what is repeated.
func TestServiceConfigsDoNotCount(t *testing.T) {
	snap, f := compile(t), startFleet(t, 2)
	f.names.SetServiceConfig(`{"loadBalancingConfig":[{"pick_first":{}}],"methodConfig":[{"name":[{}],"retryPolicy":` +
		`{"maxAttempts":5,"initialBackoff":"0.01s","maxBackoff":"0.1s","backoffMultiplier":1,"retryableStatusCodes":["UNAVAILABLE"]}}]}`)
	e := f.endpoint()
	e.Outliers = rpc.Outliers{}
	p := connect(t, e)
	waitFor(t, p, 2)
	f.failing[0].Store(true)
	f.failing[1].Store(true)
	if failed, shares := f.load(t, p, snap, 20); failed != 20 || shares[0] != 10 || shares[1] != 10 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
}

// TestReplicaStops loses at most the calls that were under way.
func TestReplicaStops(t *testing.T) {
	snap, f := compile(t), startFleet(t, 3)
	p := connect(t, f.endpoint())
	waitFor(t, p, 3)
	f.replicas[0].Stop()
	if failed, shares := f.load(t, p, snap, 200); failed > 1 || shares[0] > 0 {
		t.Errorf("%d failed; shares %v", failed, shares)
	}
}

func TestBadAddresses(t *testing.T) {
	p := rpc.NewPool()
	defer p.Close()
	for _, address := range []string{"dns://127.0.0.1:53", "dns://127.0.0.1:53/no-port", "xds:///service"} {
		if err := p.Sync([]rpc.Endpoint{{Name: "a", Address: address}}); err == nil && (address != "xds:///service" || !rpc.WithXDS) {
			t.Errorf("%s: no error", address)
		}
	}
}

// TestReplicasAskedByAddress asks each of two replicas for its descriptors, of which only one tells them.
func TestReplicasAskedByAddress(t *testing.T) {
	snap := compile(t)
	tells := rpctest.Start(t, nil, rpctest.Reflect(snap.Backends[0]))
	_, port, _ := net.SplitHostPort(tells.Address)
	silent := rpctest.Start(t, nil, rpctest.At(net.JoinHostPort("127.0.0.2", port)))
	p := connect(t, rpc.Endpoint{
		Name:    rpctest.BackendName,
		Address: fmt.Sprintf("dns://%s/fleet.test:%s", rpctest.StartDNS(t, "127.0.0.1", "127.0.0.2").Server, port),
	})
	connecting, cancel := context.WithTimeout(t.Context(), rpctest.Patience)
	defer cancel()
	p.Connected(connecting)
	replicas := p.Replicas(rpctest.BackendName)
	if got := replicas.Addresses(); len(got) != 2 || got[0] != tells.Address || got[1] != silent.Address {
		t.Fatalf("the addresses are %v", got)
	}
	for address, want := range map[string]codes.Code{tells.Address: codes.OK, silent.Address: codes.Unimplemented, "127.0.0.3:1": codes.Unavailable} {
		for range 5 {
			ctx, cancel := context.WithCancel(replicas.On(t.Context(), address))
			stream, err := reflectionv1.NewServerReflectionClient(p.Conn(rpctest.BackendName)).ServerReflectionInfo(ctx)
			if err == nil {
				_ = stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{}})
				_, err = stream.Recv()
			}
			if status.Code(err) != want {
				t.Errorf("%s answers %v", address, err)
			}
			cancel()
		}
	}
	if got := p.Replicas("nobody").Addresses(); len(got) != 0 {
		t.Errorf("a backend that is not there has %v", got)
	}
}
