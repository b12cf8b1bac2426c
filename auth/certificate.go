package auth

import (
	"crypto/tls"
	"crypto/x509"
	"time"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc"
)

// certificates makes principals of client certificates that TLS has verified
// against the authorities of the listener.
type certificates struct {
	name   string
	config *configv1.ClientCertificates
}

// authenticate returns nil for a connection without a client certificate. The end
// of a certificate is checked again: a connection may outlive it.
func (c *certificates) authenticate(state *tls.ConnectionState, now time.Time) (*rpc.Principal, error) {
	if len(state.PeerCertificates) == 0 {
		return nil, nil
	}
	if len(state.VerifiedChains) == 0 {
		return nil, invalid("the client certificate was not verified")
	}
	leaf := state.PeerCertificates[0]
	if now.After(leaf.NotAfter) {
		return nil, expired("the client certificate has expired")
	}
	subject := c.subject(leaf)
	if subject == "" {
		return nil, invalid("the client certificate does not name its owner as the configuration wants it")
	}
	p := &rpc.Principal{
		Authenticator: c.name,
		Issuer:        leaf.Issuer.String(),
		Subject:       subject,
		Claims:        certificateClaims(leaf),
		Expires:       leaf.NotAfter,
	}
	if c.config.GetRolesFromUnits() {
		p.Roles = leaf.Subject.OrganizationalUnit
	}
	return p, nil
}

func (c *certificates) subject(leaf *x509.Certificate) string {
	switch c.config.GetSubject() {
	case configv1.ClientCertificates_SUBJECT_URI:
		return firstURI(leaf)
	case configv1.ClientCertificates_SUBJECT_DNS:
		if len(leaf.DNSNames) > 0 {
			return leaf.DNSNames[0]
		}
		return ""
	case configv1.ClientCertificates_SUBJECT_COMMON_NAME:
		return leaf.Subject.CommonName
	default:
		if uri := firstURI(leaf); uri != "" {
			return uri
		}
		return leaf.Subject.CommonName
	}
}

func firstURI(leaf *x509.Certificate) string {
	if len(leaf.URIs) == 0 {
		return ""
	}
	return leaf.URIs[0].String()
}

func certificateClaims(leaf *x509.Certificate) map[string]any {
	var names, uris []any
	for _, name := range leaf.DNSNames {
		names = append(names, name)
	}
	for _, uri := range leaf.URIs {
		uris = append(uris, uri.String())
	}
	return map[string]any{
		"common_name": leaf.Subject.CommonName,
		"dns_names":   names,
		"uris":        uris,
		"serial":      leaf.SerialNumber.String(),
	}
}
