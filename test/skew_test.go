package test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// rollout is a backend of replicas at 127.0.0.1, 127.0.0.2 and so on, whose versions change one by one.
type rollout struct {
	address string // by which all are found
	port    string
	running []*grpc.Server
	at      []net.Listener
}

func startRollout(t *testing.T, replicas int, source string) *rollout {
	t.Helper()
	r := &rollout{port: "0", running: make([]*grpc.Server, replicas), at: make([]net.Listener, replicas)}
	var hosts []string
	for i := range replicas {
		r.deploy(t, i, source)
		hosts = append(hosts, host(i))
	}
	t.Cleanup(func() {
		for _, s := range r.running {
			s.Stop()
		}
	})
	r.address = fmt.Sprintf("dns://%s/fleet.test:%s", rpctest.StartDNS(t, hosts...).Server, r.port)
	return r
}

func host(replica int) string { return fmt.Sprintf("127.0.0.%d", replica+1) }

// deploy replaces one replica by another version.
func (r *rollout) deploy(t *testing.T, replica int, source string) {
	t.Helper()
	if old := r.running[replica]; old != nil {
		old.Stop()
		_ = r.at[replica].Close() // a server that has not begun to serve leaves it open
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host(replica), r.port))
	if err != nil {
		t.Fatal(err)
	}
	_, r.port, _ = net.SplitHostPort(l.Addr().String())
	s := greeter(t, source)
	r.running[replica], r.at[replica] = s, l
	go func() { _ = s.Serve(l) }()
}

// skewShown returns what each place says of replicas that differ.
func skewShown(t *testing.T, g *gateway.Gateway) (readyz, listed, metrics string) {
	t.Helper()
	_, readyz = fetch(t, "http://"+g.AdminAddr()+"/readyz")
	backends, err := adminOf(t, g).ListBackends(t.Context(), &adminv1.ListBackendsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range backends.GetBackends()[0].GetProblems() {
		listed += p.GetMessage()
	}
	resp, err := http.Get("http://" + g.AdminAddr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	return readyz, listed, string(text)
}

// TestVersionSkew rolls a new version out, replica by replica. What all had stays served until all have
// the new one; what differs is shown, with names.
func TestVersionSkew(t *testing.T) {
	r := startRollout(t, 3, greeterBefore)
	backend := backendAt("greeter", r.address)
	backend.Source = &configv1.Backend_Reflection{Reflection: &configv1.Reflection{PollInterval: durationpb.New(100 * time.Millisecond)}}
	g, stop := startGateway(t, &configv1.Config{Backends: []*configv1.Backend{backend}})
	defer stop()
	base := "http://" + g.Addr()
	if code, _ := fetch(t, base+"/v1/greetings/ada"); code != http.StatusOK {
		t.Fatal(code)
	}
	for i := range 2 {
		r.deploy(t, i, greeterAfter)
		await(t, "the skew to be shown", func() bool {
			readyz, listed, metrics := skewShown(t, g)
			return strings.Contains(readyz, host(i)+":"+r.port) && strings.Contains(listed, "greet.v1.Greeter") &&
				strings.Contains(metrics, `protean_backend_skewed{protean_backend="greeter"} 1`)
		})
		if code, _ := fetch(t, base+"/v1/farewells"); code != http.StatusNotFound {
			t.Errorf("a route that only some replicas have answers %d", code)
		}
		if _, readyz := fetch(t, "http://"+g.AdminAddr()+"/readyz"); !strings.Contains(readyz, `"status":"ready"`) {
			t.Errorf("not ready: %s", readyz)
		}
	}
	r.deploy(t, 2, greeterAfter)
	await(t, "the new route", func() bool {
		code, _ := fetch(t, base+"/v1/farewells")
		return code == http.StatusOK
	})
	await(t, "the end of the skew", func() bool {
		readyz, listed, metrics := skewShown(t, g)
		return !strings.Contains(readyz, "skew") && listed == "" && strings.Contains(metrics, `protean_backend_skewed{protean_backend="greeter"} 0`)
	})
}

// TestRegisteredSkew registers another version than runs: that is shown, and what is registered stays served.
func TestRegisteredSkew(t *testing.T) {
	r := startRollout(t, 1, greeterBefore)
	g, stop := startGateway(t, &configv1.Config{})
	defer stop()
	client := adminOf(t, g)
	_, err := client.Register(t.Context(), &adminv1.RegisterRequest{
		Backend: "greeter", Address: host(0) + ":" + r.port, Descriptors: descriptorsOf(t, "greet.proto", greeterAfter),
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, "the skew to be shown", func() bool {
		_, listed, _ := skewShown(t, g)
		return strings.Contains(listed, "than is registered") && strings.Contains(listed, "greet.v1.Greeter")
	})
	r.deploy(t, 0, greeterAfter)
	await(t, "the end of the skew", func() bool {
		_, listed, _ := skewShown(t, g)
		return listed == ""
	})
	if code, _ := fetch(t, "http://"+g.Addr()+"/v1/farewells"); code != http.StatusOK {
		t.Errorf("the registered route answers %d", code)
	}
}

// TestSkewChecked finds the skew with one load, as `protean check` does.
func TestSkewChecked(t *testing.T) {
	r := startRollout(t, 2, greeterBefore)
	r.deploy(t, 1, greeterAfter)
	loaded, err := gateway.Load(t.Context(), &gateway.Configuration{Config: &configv1.Config{
		Backends: []*configv1.Backend{backendAt("greeter", r.address)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range loaded.Problems {
		if strings.Contains(p.Message, "different versions") && strings.Contains(p.Message, host(1)+":"+r.port) {
			return
		}
	}
	t.Errorf("it is not among the problems: %v", loaded.Problems)
}
