package gateway

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// backendTLS returns nil where the defaults serve.
func backendTLS(c *configv1.BackendTLS) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.GetServerName()}
	if file := c.GetCaFile(); file != "" {
		var err error
		if config.RootCAs, err = authorities(file); err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
	}
	if c.GetCertFile() == "" && c.GetKeyFile() == "" {
		return config, nil
	}
	pair, err := tls.LoadX509KeyPair(c.GetCertFile(), c.GetKeyFile())
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, nil
}

func listenerTLS(c *configv1.ListenerTLS) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.GetCertFile(), c.GetKeyFile())
	if err != nil {
		return nil, fmt.Errorf("tls: %w", err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
	}
	if c.GetClientCaFile() == "" {
		if c.GetClientCertificateRequired() {
			return nil, errors.New("tls.client_certificate_required needs tls.client_ca_file")
		}
		return config, nil
	}
	if config.ClientCAs, err = authorities(c.GetClientCaFile()); err != nil {
		return nil, fmt.Errorf("tls.client_ca_file: %w", err)
	}
	config.ClientAuth = tls.VerifyClientCertIfGiven
	if c.GetClientCertificateRequired() {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// authorities reads certificate authorities in PEM.
func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s has no certificate in PEM", file)
	}
	return pool, nil
}
