package rpc_test

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// doorman permits connections until it is told not to, and remembers what it was asked.
type doorman struct {
	mu     sync.Mutex
	asked  []string
	closed bool
}

func (d *doorman) Permit(network, address string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, network+" "+address)
	if d.closed {
		return errors.New("not here")
	}
	return nil
}

func (d *doorman) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// TestGuard asks the guard of an endpoint about what its name leads to, for each connection anew, and makes
// none that it does not permit. The client does not hear why.
func TestGuard(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{get: rpctest.Echo})
	_, port, err := net.SplitHostPort(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	socket := rpctest.Start(t, map[string]rpctest.Handler{get: rpctest.Echo}, rpctest.Unix(t))
	for address, dialled := range map[string]string{
		b.Address:                  "tcp 127.0.0.1:" + port,
		"dns:///localhost:" + port: "tcp 127.0.0.1:" + port,
		socket.Address:             "unix " + strings.TrimPrefix(socket.Address, "unix://"),
	} {
		d := &doorman{}
		pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: address, Guard: d})
		if _, _, err := exchange(t, pool, call(t, snap, get, "m")); err != nil {
			t.Errorf("%s: %v", address, err)
		}
		d.mu.Lock()
		if !slices.Contains(d.asked, dialled) {
			t.Errorf("%s: it was asked about %q", address, d.asked)
		}
		d.mu.Unlock()
	}
	before := b.Calls(get)
	d := &doorman{}
	d.close()
	pool := connect(t, rpc.Endpoint{Name: rpctest.BackendName, Address: b.Address, Guard: d})
	_, _, err = exchange(t, pool, call(t, snap, get, "m"))
	wantMade(t, err, codes.Unavailable, "the backend is not reachable")
	if b.Calls(get) != before {
		t.Error("the call reached a backend that the guard does not permit")
	}
	if err := connect(t).Sync([]rpc.Endpoint{{Name: "a", Address: "dns://127.0.0.1:53/host:80", Guard: d}}); err == nil {
		t.Error("a guarded backend has a name server of its own")
	}
}
