package gateway

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// tlsSettings are the TLS settings of backends by the digest of what they are made of.
// While that stays the same, a new configuration keeps them, and so the connections
// that were made with them.
type tlsSettings map[[sha256.Size]byte]*tls.Config

// of returns settings that were made before or makes them. It returns nil where the
// defaults serve.
func (known tlsSettings) of(c *configv1.BackendTLS, next tlsSettings) (*tls.Config, error) {
	if c == nil {
		return nil, nil //nolint:nilnil // nothing said is nothing set
	}
	files, err := readTLSFiles(c)
	if err != nil {
		return nil, err
	}
	digest := files.digest(c.GetServerName())
	if next[digest] == nil {
		next[digest] = known[digest]
	}
	if next[digest] == nil {
		if next[digest], err = files.config(c); err != nil {
			return nil, err
		}
	}
	return next[digest], nil
}

// tlsFiles are the contents of the files that TLS settings name; nil where none is named.
type tlsFiles struct{ ca, cert, key []byte }

func readTLSFiles(c *configv1.BackendTLS) (f tlsFiles, err error) {
	for _, file := range []struct {
		name, path string
		data       *[]byte
	}{{"ca_file", c.GetCaFile(), &f.ca}, {"cert_file", c.GetCertFile(), &f.cert}, {"key_file", c.GetKeyFile(), &f.key}} {
		if file.path == "" {
			continue
		}
		if *file.data, err = readSmall(file.path); err != nil {
			return f, configv1.Fault(c, file.name, err)
		}
	}
	return f, nil
}

// maxTLSBytes bounds a file with certificates or a key.
const maxTLSBytes = 4 << 20

func readSmall(path string) ([]byte, error) {
	return readBounded(path, maxTLSBytes, fmt.Errorf("%s: larger than %d bytes", path, maxTLSBytes))
}

func (f tlsFiles) digest(serverName string) (sum [sha256.Size]byte) {
	h := sha256.New()
	for _, part := range [][]byte{[]byte(serverName), f.ca, f.cert, f.key} {
		one := sha256.Sum256(part)
		h.Write(one[:])
	}
	h.Sum(sum[:0])
	return sum
}

func (f tlsFiles) config(c *configv1.BackendTLS) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.GetServerName()}
	if f.ca != nil {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(f.ca) {
			return nil, configv1.Faultf(c, "ca_file", "%s has no certificate in PEM", c.GetCaFile())
		}
	}
	if f.cert == nil && f.key == nil {
		return config, nil
	}
	pair, err := tls.X509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, configv1.Faultf(c, "cert_file", "with key_file: %w", err)
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
		return nil, configv1.Fault(c, "cert_file", err)
	}
	config := &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{pair},
		NextProtos:   []string{"h2", "http/1.1"},
	}
	if c.GetClientCaFile() == "" {
		if c.GetClientCertificateRequired() {
			return nil, configv1.Faultf(c, "client_certificate_required", "it needs client_ca_file")
		}
		return config, nil
	}
	if config.ClientCAs, err = authorities(c.GetClientCaFile()); err != nil {
		return nil, configv1.Fault(c, "client_ca_file", err)
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
