package gateway

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/protean-gateway/protean/rpc/socket"
)

// Listen binds the addresses, so that a busy one is known before anything runs.
func (g *Gateway) Listen(ctx context.Context) error {
	var config net.ListenConfig
	var err error
	if g.clients, err = config.Listen(ctx, "tcp", g.first.settings.listen); err != nil {
		return fmt.Errorf("cannot listen for clients: %w", err)
	}
	defer func() { g.own.Store(&[]string{g.Addr(), g.AdminAddr()}) }()
	if g.first.settings.admin == adminOff {
		return nil
	}
	if g.admin, err = config.Listen(ctx, "tcp", g.first.settings.admin); err != nil {
		g.clients.Close()
		return fmt.Errorf("cannot listen for administration: %w", err)
	}
	return nil
}

// Addr returns the address that clients call, as host:port. It is known after Listen.
func (g *Gateway) Addr() string { return g.clients.Addr().String() }

// AdminAddr returns the address of health checks, or nothing where it is off.
func (g *Gateway) AdminAddr() string {
	if g.admin == nil {
		return ""
	}
	return g.admin.Addr().String()
}

const (
	idleTimeout   = 2 * time.Minute // of a connection without requests
	streamsPerTCP = 250             // HTTP/2 streams of one connection
	frameBytes    = 16 << 10        // of HTTP/2, the protocol's own default; net/http would take 1 MiB
	finalNotice   = 2 * time.Second // for streams to hear of the end after the drain
)

// serve runs both listeners until ctx ends and the requests in flight did.
func (g *Gateway) serve(ctx context.Context) error {
	// Requests outlive ctx: they are drained, and then cancelled through base.
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	clients := g.clientServer(base)
	failed := make(chan error, 2)
	var serving sync.WaitGroup
	serving.Go(func() { failed <- serveOn(clients, g.clients) })
	servers := []*http.Server{clients}
	if g.admin != nil {
		admin := g.adminServer(base)
		if !isLoopback(g.first.settings.admin) {
			admin.TLSConfig = clients.TLSConfig.Clone()
		}
		servers = append(servers, admin)
		serving.Go(func() { failed <- serveOn(admin, g.admin) })
	}
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		g.drain(clients, cancel)
	}
	for _, s := range servers {
		_ = s.Close() // what it cannot close is gone
	}
	serving.Wait()
	return err
}

// drain lets requests in flight finish. What has not by then, such as a stream
// that has no end, is cancelled and gets a moment to tell its client.
func (g *Gateway) drain(clients *http.Server, cancel context.CancelFunc) {
	g.stop()
	patience := g.current().settings.drainTimeout
	g.log.Info("draining", "at_most", patience)
	if g.ended(clients, patience) {
		return
	}
	cancel()
	if !g.ended(clients, finalNotice) {
		g.log.Warn("some requests did not end and are cut off")
	}
}

// ended stops taking connections and reports whether all requests ended in time.
// The server does not know of WebSockets; the count of our own does.
func (g *Gateway) ended(clients *http.Server, within time.Duration) bool {
	ctx, stop := context.WithTimeout(context.Background(), within)
	defer stop()
	if err := clients.Shutdown(ctx); err != nil {
		return false
	}
	done := make(chan struct{})
	go func() {
		g.inFlight.Wait()
		close(done)
	}()
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// counted keeps count of the requests in flight.
func (g *Gateway) counted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.inFlight.Add(1)
		defer g.inFlight.Done()
		if r.ProtoMajor == 2 {
			growStack()
		}
		next.ServeHTTP(w, r)
	})
}

func (g *Gateway) clientServer(base context.Context) *http.Server {
	var config *tls.Config
	if g.first.listenerTLS != nil {
		config = &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
				return g.current().listenerTLS, nil // certificates may change with a reload
			},
		}
	}
	server := g.first.settings.server(g.counted(patientWithResets(g)))
	server.TLSConfig = config
	server.BaseContext = func(net.Listener) context.Context { return base }
	server.ErrorLog = slog.NewLogLogger(g.log.Handler(), slog.LevelDebug)
	return server
}

// server serves with all bounds of connections but that of resets, which is [patientWithResets].
func (s settings) server(handler http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{
		Handler:   handler,
		Protocols: &protocols,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: streamsPerTCP,
			MaxReadFrameSize:     frameBytes,
			SendPingTimeout:      30 * time.Second,
		},
		ReadHeaderTimeout: s.headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    s.headerBytes,
		ConnContext:       withClient,
	}
}

func serveOn(s *http.Server, l net.Listener) error {
	var err error
	if s.TLSConfig != nil {
		err = s.ServeTLS(socket.Listener{Listener: l}, "", "")
	} else {
		err = s.Serve(watchClients(s, l))
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fmt.Errorf("the listener failed: %w", err)
}
