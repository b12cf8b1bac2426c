package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// writeConfig writes the gateway's configuration, with its files beside it. The
// suite sees the timeouts that reach the backend, so the gateway adds none.
func writeConfig(path string, backend int, want request) error {
	text := fmt.Sprintf(`
listen: 127.0.0.1:0
admin: 127.0.0.1:0
backends:
  - name: suite
    address: 127.0.0.1:%d
    proto: %q
policies:
  - selector: "*"
    policy:
      timeout: {call: 0s}
      limits: {request_bytes: %d}
`, backend, *protos, want.receiveLimit)
	if want.tls {
		tls, err := writeTLS(filepath.Dir(path), want)
		if err != nil {
			return err
		}
		text += tls
	}
	return os.WriteFile(path, []byte(text), 0o600)
}

// writeTLS writes certificates into a folder and returns the configuration that names them.
func writeTLS(dir string, want request) (string, error) {
	certificate, key, authority := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), filepath.Join(dir, "clients.pem")
	if err := errors.Join(os.WriteFile(certificate, want.certificate, 0o600), os.WriteFile(key, want.key, 0o600)); err != nil {
		return "", err
	}
	text := fmt.Sprintf("tls:\n  cert_file: %q\n  key_file: %q\n", certificate, key)
	if len(want.clientAuthority) == 0 {
		return text, nil
	}
	text += fmt.Sprintf("  client_ca_file: %q\n  client_certificate_required: true\n", authority)
	return text, os.WriteFile(authority, want.clientAuthority, 0o600)
}

// startGateway starts the gateway and returns the port for clients and the address
// for health checks, which it prints in this order.
func startGateway(ctx context.Context, config string) (port int, health string, stop func(), err error) {
	stdout, stop, err := begin(exec.CommandContext(ctx, *gateway, "serve", "--config", config))
	if err != nil {
		return 0, "", nil, err
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		_, rest, ok := strings.Cut(lines.Text(), "://")
		if !ok {
			continue
		}
		url, err := url.Parse("http://" + strings.Fields(rest)[0])
		if err != nil {
			continue
		}
		if port > 0 {
			return port, url.String(), stop, nil
		}
		port, _ = strconv.Atoi(url.Port())
	}
	stop()
	return 0, "", nil, errors.New("the gateway printed no addresses")
}

// awaitReady returns once the gateway knows the suite's methods. The health checks
// say so without TLS, for which the suite gives away no client's key.
func awaitReady(ctx context.Context, health string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for ; ctx.Err() == nil; time.Sleep(20 * time.Millisecond) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, health, nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return nil
		}
	}
	return errors.New("the gateway does not get ready")
}
