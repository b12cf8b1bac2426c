package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/protean-gateway/protean/rpc/socket"
)

// Endpoint says how a backend is reached.
type Endpoint struct {
	Name string
	// Address is `host:port` or `dns:///host:port` in plaintext, `grpcs://host:port`
	// with TLS, `unix:///path`, or `xds:///name` in a binary with xDS. `dns://server/host:port`
	// asks a server of its own for names.
	Address string
	// TLS is used for `grpcs://`; nil takes the system's authorities. It must
	// not be changed once it was given to a pool.
	TLS *tls.Config
	// Keepalive is how long an idle connection waits before it is probed; 0 means 30 s.
	Keepalive time.Duration
	// Guard is asked before each connection is made. Nil permits all.
	Guard Guard
	// Dialer connects to a server within this process, whatever Address says. Nil: the network.
	Dialer Dialer
	// Balancing says which of several addresses gets a call.
	Balancing Balancing
	// HealthCheck asks each address for the health of HealthService (grpc.health.v1); empty
	// is the server as a whole. What is not healthy gets no calls.
	HealthCheck   bool
	HealthService string
	// Outliers says when an address is left out.
	Outliers Outliers
}

// Guard permits connections by what a name was resolved to, so that no answer of a
// name server leads where an address may not. Values are compared with ==.
type Guard interface {
	// Permit returns why no connection may be made. The address is an IP address and
	// port of the network tcp, or the path of network unix.
	Permit(network, address string) error
}

// Dialer makes connections. Values are compared with ==.
type Dialer interface {
	DialContext(ctx context.Context) (net.Conn, error)
}

const (
	defaultKeepalive = 30 * time.Second
	dialTimeout      = 10 * time.Second
	firstBackoff     = 100 * time.Millisecond
	longestBackoff   = 5 * time.Second
	maxHeaderBytes   = 256 << 10

	// streamWindow is how many bytes a backend may send on a stream before its client reads them, and so what a client
	// that does not read holds in memory. grpc-go by itself raises the window of a stream to 16 MiB. One stream carries at
	// most so many bytes a round trip.
	streamWindow = 256 << 10
	// connectionWindow is that of all streams of a connection together. grpc-go gives it back as it receives, so it bounds
	// a connection's throughput and not its memory. Both must be set, or grpc-go sets neither.
	connectionWindow = 16 << 20

	userAgent = "protean"

	// pingInterval is how often a connection with calls is probed within HTTP/2.
	// Servers allow one ping in five minutes unless told otherwise, and end the
	// connection with too_many_pings, and with it every silent stream, for more.
	// So the frequent probes are TCP's, which no server counts; these find the
	// dead backend behind a proxy that is alive. Without calls there are none.
	pingInterval = 5*time.Minute + 10*time.Second
	pingTimeout  = 20 * time.Second // also how long sent bytes may stay unacknowledged
)

// Check reports an address that cannot be one. Nothing is connected to.
func (e Endpoint) Check() error {
	_, _, err := e.target()
	return err
}

// open makes the connection, which then dials on its own.
func (e Endpoint) open(observe func(ConnectionChange)) (*grpc.ClientConn, *replicas, error) {
	target, creds, err := e.target()
	if err != nil {
		return nil, nil, err
	}
	replicas := newReplicas(replicaSettings{e.Balancing, e.Outliers})
	if observe != nil && e.Dialer == nil {
		replicas.observe = func(c ConnectionChange) {
			c.Backend, c.Address = e.Name, e.Address
			observe(c)
		}
	}
	options, done := e.balance(replicas)
	defer done()
	cc, err := grpc.NewClient(target, slices.Concat(dialOptions(), options, []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithContextDialer(e.dialer()),
	})...)
	if err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", e.Name, err)
	}
	cc.Connect()
	return cc, replicas, nil
}

// balance says how calls are spread. What xDS finds, it also spreads; a service config
// of any other resolver is not ours and does not count.
func (e Endpoint) balance(r *replicas) (options []grpc.DialOption, done func()) {
	if strings.HasPrefix(e.Address, xdsScheme) {
		r.settle() // its addresses are never known
		return nil, func() {}
	}
	var health *string
	if e.HealthCheck {
		health = &e.HealthService
	}
	config, done := hand(r, health)
	return []grpc.DialOption{grpc.WithDisableServiceConfig(), grpc.WithDefaultServiceConfig(config)}, done
}

const xdsScheme = "xds:///"

// dialOptions are those that all endpoints share. Backends' service configs and
// grpc's retries are off, because what is repeated and when is policy here;
// transparent retries of calls that no backend has seen stay.
func dialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithDisableRetry(),
		grpc.WithNoProxy(),
		grpc.WithUserAgent(userAgent),
		grpc.WithMaxHeaderListSize(maxHeaderBytes),
		grpc.WithStaticStreamWindowSize(streamWindow),
		grpc.WithStaticConnWindowSize(connectionWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingInterval, Timeout: pingTimeout}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{
				BaseDelay: firstBackoff, Multiplier: 1.6, Jitter: 0.2, MaxDelay: longestBackoff,
			},
			MinConnectTimeout: dialTimeout,
		}),
	}
}

// target returns the address in grpc's form, and how the backend is authenticated.
func (e Endpoint) target() (string, credentials.TransportCredentials, error) {
	if e.Dialer != nil {
		return "passthrough:///" + e.Name, insecure.NewCredentials(), nil
	}
	if path, ok := strings.CutPrefix(e.Address, "unix://"); ok {
		if !strings.HasPrefix(path, "/") {
			return "", nil, e.badAddress("the path of a unix socket must be absolute")
		}
		return e.Address, insecure.NewCredentials(), nil
	}
	creds := insecure.NewCredentials()
	if strings.HasPrefix(e.Address, xdsScheme) && e.Guard == nil {
		creds, err := xdsCredentials()
		if err != nil {
			return "", nil, e.badAddress(err.Error())
		}
		return e.Address, creds, nil
	}
	address, secure := strings.CutPrefix(e.Address, "grpcs://")
	server := ""
	if secure {
		creds = credentials.NewTLS(e.TLS)
	} else if rest, named := strings.CutPrefix(address, "dns://"); named {
		if server, address, named = strings.Cut(rest, "/"); !named {
			return "", nil, e.badAddress("want dns:///host:port or dns://server/host:port")
		}
		if server != "" && e.Guard != nil {
			return "", nil, e.badAddress("a name server of its own is not permitted here")
		}
	}
	host, port, err := net.SplitHostPort(address)
	if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host == "" || strings.ContainsAny(host, "/@ ") {
		return "", nil, e.badAddress("want host:port, dns:///host:port, grpcs://host:port or unix:///path")
	}
	return "dns://" + server + "/" + address, creds, nil
}

func (e Endpoint) badAddress(hint string) error {
	return fmt.Errorf("backend %s: address %q: %s", e.Name, e.Address, hint)
}

// dialer returns what grpc-go opens connections with.
func (e Endpoint) dialer() func(context.Context, string) (net.Conn, error) {
	if e.Dialer != nil {
		return func(ctx context.Context, _ string) (net.Conn, error) { return e.Dialer.DialContext(ctx) }
	}
	sockets := e.sockets()
	return func(ctx context.Context, address string) (net.Conn, error) {
		network := "tcp"
		if path, ok := strings.CutPrefix(address, "unix://"); ok {
			network, address = "unix", path
		}
		conn, err := sockets.DialContext(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return socket.Direct(conn), nil
	}
}

// sockets opens sockets that the kernel probes while they are idle, and gives up while bytes stay unacknowledged. Grpc-go
// would see to the latter, but does not know direct connections.
func (e Endpoint) sockets() *net.Dialer {
	idle := e.Keepalive
	if idle == 0 {
		idle = defaultKeepalive
	}
	return &net.Dialer{
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: idle, Interval: max(idle/3, time.Second), Count: 3},
		Control: func(network, address string, raw syscall.RawConn) error { // sees the address that is dialled in the end
			network = strings.TrimRight(network, "46")
			if e.Guard != nil {
				if err := e.Guard.Permit(network, address); err != nil {
					return err
				}
			}
			if network != "tcp" {
				return nil
			}
			return socket.LimitUnacknowledged(raw, pingTimeout)
		},
	}
}
