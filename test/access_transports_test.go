package test

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// wayTo is a transport to a gateway.
type wayTo struct {
	name   string
	scheme string // of HTTP
	addr   string
	client *http.Client
	conn   *grpc.ClientConn
	tls    *tls.Config // nil: plaintext
}

// waysTo opens each transport: HTTP/1.1 and HTTP/2 in plaintext, and both with TLS, to a
// second gateway with the same configuration.
func (h *vaultHouse) waysTo(t *testing.T) []wayTo {
	t.Helper()
	dir := t.TempDir()
	ca := newAuthority(t, dir)
	certFile, keyFile := ca.issue(t, dir, "server", "127.0.0.1", false)
	config := h.config()
	config.Tls = &configv1.ListenerTLS{CertFile: &certFile, KeyFile: &keyFile}
	g, stop := startGateway(t, config)
	t.Cleanup(stop)
	if h.started != nil {
		h.started(g)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca.certificate)
	secure := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return []wayTo{
		h.way(t, "HTTP/1.1", h.address, nil, false),
		h.way(t, "h2c", h.address, nil, true),
		h.way(t, "HTTP/1.1 with TLS", g.Addr(), secure, false),
		h.way(t, "h2", g.Addr(), secure, true),
	}
}

func (h *vaultHouse) way(t *testing.T, name, address string, secure *tls.Config, http2 bool) wayTo {
	t.Helper()
	var protocols http.Protocols
	protocols.SetHTTP1(!http2)
	protocols.SetHTTP2(http2 && secure != nil)
	protocols.SetUnencryptedHTTP2(http2 && secure == nil)
	transport := &http.Transport{TLSClientConfig: secure.Clone(), Protocols: &protocols, MaxIdleConnsPerHost: 16}
	t.Cleanup(transport.CloseIdleConnections)
	creds := insecure.NewCredentials()
	if secure != nil {
		creds = credentials.NewTLS(secure)
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(creds))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := wayTo{name: name, scheme: "http", addr: address, client: &http.Client{Transport: transport}, conn: conn, tls: secure}
	if secure != nil {
		w.scheme = "https"
	}
	return w
}

func (w wayTo) webSocket() string { return strings.Replace(w.scheme, "http", "ws", 1) + "://" + w.addr }
