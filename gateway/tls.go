package gateway

import (
	"crypto/tls"
	"crypto/x509"
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
		pem, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("tls.ca_file: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("tls.ca_file: %s has no certificate in PEM", file)
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
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
	}, nil
}
