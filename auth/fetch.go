package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// maxDocument bounds what issuers and files may say, in bytes.
const maxDocument = 1 << 20

// newClient follows no redirects: what an issuer said elsewhere is not what the
// operator has named.
func newClient(transport http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// checkURL refuses addresses whose answers anybody on the way could write.
func checkURL(what, address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("%s: %q is not the address of a server", what, address)
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return nil
	}
	return fmt.Errorf("%s: %q must be https", what, address)
}

// configURL is checkURL for an address that a configuration says.
func configURL(in proto.Message, field, address string) error {
	if err := checkURL("the address", address); err != nil {
		return configv1.Fault(in, field, err)
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// keyLoader returns what fetches the keys of a configuration.
func keyLoader(c *configv1.JWT, client *http.Client) (func(context.Context) ([]byte, error), error) {
	switch {
	case c.GetJwksFile() != "":
		return func(context.Context) ([]byte, error) { return readFile(c.GetJwksFile()) }, nil
	case c.GetJwksUrl() != "":
		return func(ctx context.Context) ([]byte, error) { return get(ctx, client, c.GetJwksUrl()) },
			configURL(c, "jwks_url", c.GetJwksUrl())
	default:
		d := discovery{client, c.GetIssuer()}
		return d.keys, configURL(c, "issuer", c.GetIssuer())
	}
}

// discovery finds keys by OpenID Connect Discovery 1.0, section 4.
type discovery struct {
	client *http.Client
	issuer string
}

func (d discovery) keys(ctx context.Context) ([]byte, error) {
	text, err := get(ctx, d.client, strings.TrimSuffix(d.issuer, "/")+"/.well-known/openid-configuration")
	if err != nil {
		return nil, err
	}
	var document struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if json.Unmarshal(text, &document) != nil {
		return nil, errors.New("the issuer's configuration is not JSON")
	}
	if document.Issuer != d.issuer {
		return nil, errors.New("the issuer's configuration is another issuer's")
	}
	if err := checkURL("jwks_uri", document.JWKSURI); err != nil {
		return nil, err
	}
	return get(ctx, d.client, document.JWKSURI)
}

func get(ctx context.Context, client *http.Client, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, errors.New("the address is not valid")
	}
	r.Header.Set("Accept", "application/json")
	return send(client, r)
}

// send returns the body of a 200. Its errors are fit for logs.
func send(client *http.Client, r *http.Request) ([]byte, error) {
	response, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be reached", r.URL.Host)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered with status %d", r.URL.Host, response.StatusCode)
	}
	return readBounded(response.Body)
}

func readBounded(r io.Reader) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxDocument+1))
	if err != nil {
		return nil, errors.New("the answer broke off")
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("larger than %d bytes", maxDocument)
	}
	return text, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := readBounded(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return text, nil
}
