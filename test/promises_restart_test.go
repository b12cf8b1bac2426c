package test

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestPromiseP5 restarts three replicas one after the other, again and again: first so that
// each finishes its calls, when no call may fail; then as by kill -9, when none may fail that
// can be repeated.
func TestPromiseP5(t *testing.T) {
	rounds := 2
	if *fullPromises {
		rounds = 100
	}
	f := startReplicas(t, 3)
	config := &configv1.Config{
		Backends: []*configv1.Backend{{
			Name: proto.String("ledger"), Address: proto.String(f.address),
			Source: &configv1.Backend_Proto{Proto: protoFolder(t, ledgerService)},
		}},
		Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: &policyv1.Policy{
			Retry: &policyv1.Retry{MaxAttempts: proto.Uint32(3)},
		}}},
	}
	g, stop := startGateway(t, config)
	defer stop()
	if status, _ := postEntry(t, g.Addr(), "ledger", "Add", 1); status != http.StatusOK {
		t.Fatalf("before any restart: %d", status)
	}
	awaitConnections(t, adminOf(t, g), len(f.at))
	drained, failedDrained := f.roll(t, g, rounds, (*rpctest.Backend).Drain, "Read", "Put", "Add")
	killed, failedKilled := f.roll(t, g, rounds, (*rpctest.Backend).Stop, "Read", "Put")
	if failedDrained > 0 || failedKilled > 0 || *fullPromises && drained+killed < 100_000 {
		t.Errorf("%d of %d failed while replicas were drained, %d of %d while they were killed", failedDrained, drained, failedKilled, killed)
	}
	promise(t, "P5", "3 replicas restarted %d times each: %d of %d calls of all kinds failed; and killed as often: %d of %d calls failed that can be repeated",
		rounds, failedDrained, drained, failedKilled, killed)
}

// replicaSet is a backend of several servers under one name.
type replicaSet struct {
	address  string
	at       []string
	replicas []*rpctest.Backend
}

func startReplicas(t *testing.T, n int) *replicaSet {
	t.Helper()
	f := new(replicaSet)
	port := "0"
	var hosts []string
	for i := range n {
		host := fmt.Sprintf("127.0.0.%d", i+1)
		hosts = append(hosts, host)
		r := startReplica(t, net.JoinHostPort(host, port))
		_, port, _ = net.SplitHostPort(r.Address)
		f.replicas, f.at = append(f.replicas, r), append(f.at, r.Address)
	}
	f.address = fmt.Sprintf("dns://%s/replicas.test:%s", rpctest.StartDNS(t, hosts...).Server, port)
	return f
}

func startReplica(t *testing.T, at string) *rpctest.Backend {
	t.Helper()
	handlers := make(map[string]rpctest.Handler)
	for _, method := range []string{"Read", "Put", "Add"} {
		handlers["/ledger.v1.Ledger/"+method] = rpctest.Echo
	}
	return rpctest.Start(t, handlers, rpctest.At(at))
}

// roll restarts all replicas so often, under calls of methods, and counts those and the failures.
func (f *replicaSet) roll(t *testing.T, g *gateway.Gateway, rounds int, end func(*rpctest.Backend), methods ...string) (calls, failed int) {
	t.Helper()
	var called, bad atomic.Int64
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		inParallel(8, 8, func(worker int) {
			for n := worker; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				called.Add(1)
				if status, _ := postEntry(t, g.Addr(), "ledger", methods[n%len(methods)], uint64(n+1)); status != http.StatusOK { //nolint:gosec // not negative
					bad.Add(1)
				}
			}
		})
	}()
	admin := adminOf(t, g)
	for range rounds {
		for i, at := range f.at {
			end(f.replicas[i])
			awaitConnections(t, admin, len(f.at)-1)
			f.replicas[i] = startReplica(t, at)
			awaitConnections(t, admin, len(f.at))
		}
	}
	close(stop)
	<-ended
	return int(called.Load()), int(bad.Load())
}

// awaitConnections waits until the gateway is connected to so many replicas.
func awaitConnections(t *testing.T, admin adminv1.AdminServiceClient, n int) {
	t.Helper()
	await(t, fmt.Sprintf("connections to %d replicas", n), func() bool {
		states, err := admin.ListPolicyStates(t.Context(), &adminv1.ListPolicyStatesRequest{Kind: "outliers"})
		if err != nil {
			t.Fatal(err)
		}
		ready := 0
		for _, s := range states.GetStates() {
			if s.GetOutlier().GetReady() {
				ready++
			}
		}
		return ready == n
	})
}
