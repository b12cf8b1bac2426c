package conformance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// suites are the runs of connectconformance, one a protocol. Quick are the cases
// that run where nothing asks for all of them.
var suites = []struct {
	protocol string
	quick    []string
	flaky    string
}{
	{
		protocol: "CONNECT",
		quick:    []string{"Basic/**", "Errors/**", "Connect Unexpected Requests/**", "Connect with GET/**", "Deadline Propagation/**", "Unexpected Requests/**"},
		flaky:    "testdata/connect-known-flaky.txt",
	},
	{
		protocol: "GRPC",
		quick:    []string{"Basic/**", "Errors/**", "gRPC Unexpected Requests/**", "gRPC Proto Sub-Format Requests/**", "Unexpected Requests/**"},
	},
	{
		protocol: "GRPC_WEB",
		quick:    []string{"Basic/**", "Errors/**", "gRPC-Web Unexpected Requests/**", "gRPC-Web Proto Sub-Format Requests/**", "Unexpected Requests/**"},
	},
}

// TestConnectConformance runs connectconformance against the gateway, before the
// suite's reference server. CONFORMANCE=full runs all cases, for which `make conformance` asks.
func TestConnectConformance(t *testing.T) {
	const suite = "connectrpc.com/conformance"
	runner := build(t, ".", suite+"/cmd/connectconformance")
	command := []string{
		build(t, ".", "./connectwrapper"),
		"-gateway", build(t, "../..", "./cmd/protean"),
		"-backend", build(t, ".", suite+"/cmd/referenceserver"),
		"-proto", filepath.Join(moduleDir(t, suite), "proto"),
	}
	full := os.Getenv("CONFORMANCE") == "full"
	for _, s := range suites {
		t.Run(s.protocol, func(t *testing.T) {
			args := []string{"--mode", "server", "--conf", suiteConfig(t, s.protocol)}
			if full {
				if s.flaky != "" {
					args = append(args, "--known-flaky", "@"+s.flaky)
				}
			} else {
				for _, pattern := range s.quick {
					args = append(args, "--run", pattern)
				}
			}
			runSuite(t, runner, append(append(args, "--"), command...))
		})
	}
}

func runSuite(t *testing.T, runner string, args []string) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, runner, args...).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	_, total, _ := strings.Cut(text, "Total cases:")
	t.Log("cases:" + total)
}

// suiteConfig returns the file that says what the gateway serves, for one protocol.
func suiteConfig(t *testing.T, protocol string) string {
	t.Helper()
	all, err := os.ReadFile("testdata/connect.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "connect.yaml")
	one := strings.ReplaceAll(string(all), "$PROTOCOL", "PROTOCOL_"+protocol)
	if err := os.WriteFile(file, []byte(one), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// moduleDir returns where the sources of a module lie.
func moduleDir(t *testing.T, module string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
