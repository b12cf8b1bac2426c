package conformance

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	"github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"
)

// h2Deviations are the cases that the gateway's listener does not pass, with the reasons.
var h2Deviations = map[string]string{
	"http2/6.5.3 Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE": "net/http ends a connection that says a setting twice in a frame, " +
		"as a defence; no client does",
	"http2/8.1.2.2 Sends a HEADERS frame that contains the connection-specific header field": "net/http answers 400, " +
		"as RFC 9113, section 8.1.1, allows, and does not reset the stream after it",
	`http2/8.1.2.2 Sends a HEADERS frame that contains the TE header field with any value other than "trailers"`: "the same",
}

// TestH2Spec runs h2spec's cases, the strict ones too, against the listener of the gateway
// with TLS. In plaintext the same port takes HTTP/1, and answers an invalid preface with a 400
// where the suite wants nothing.
func TestH2Spec(t *testing.T) {
	host, port, err := net.SplitHostPort(startTLS(t))
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	c := &config.Config{
		Host: host, Port: number, TLS: true, Insecure: true, Strict: true,
		Path:    "/empty", // which reads a body before it answers
		Timeout: 2 * time.Second, MaxHeaderLen: 4000,
	}
	passed, all := 0, 0
	for _, group := range []*spec.TestGroup{generic.Spec(), http2.Spec(), hpack.Spec()} {
		group.Test(c)
		eachCase(group, func(name string, failed bool) {
			all++
			reason, expected := h2Deviations[name]
			switch {
			case !failed:
				passed++
				if expected {
					t.Errorf("%s passes, and is listed: %s", name, reason)
				}
			case !expected:
				t.Errorf("%s fails", name)
			}
		})
	}
	if t.Logf("%d of %d cases", passed, all); all < 145 {
		t.Errorf("only %d cases", all)
	}
}

// startTLS starts gRPC's interoperability server, and the gateway with a certificate before it.
func startTLS(t *testing.T) (address string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "run", filepath.Join(runtime.GOROOT(), "src/crypto/tls/generate_cert.go"), "--host", "127.0.0.1")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	file := filepath.Join(dir, "c.yaml")
	text := fmt.Sprintf("listen: 127.0.0.1:0\nadmin: \"off\"\ntls: {cert_file: %q, key_file: %q}\nbackends: [{address: %q}]\n"+
		"overlays: [{selector: grpc.testing.TestService.EmptyCall, http: {get: /empty, additional_bindings: [{post: /empty, body: \"*\"}]}}]\n",
		filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), start(t, build(t, ".", "./interopserver")))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	address = start(t, build(t, "../..", "./cmd/protean"), "serve", "--config", file)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for begin := time.Now(); time.Since(begin) < 30*time.Second; time.Sleep(20 * time.Millisecond) {
		resp, err := client.Get("https://" + address + "/empty")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return address
		}
	}
	t.Fatal("the interop server is not served")
	return ""
}

// eachCase visits the cases that were run.
func eachCase(group *spec.TestGroup, visit func(name string, failed bool)) {
	for _, cases := range [][]*spec.TestCase{group.Tests, group.StrictTests} {
		for _, c := range cases {
			if c.Result != nil && !c.Result.Skipped {
				visit(group.ID()+" "+c.Desc, c.Result.Failed)
			}
		}
	}
	for _, g := range group.Groups {
		eachCase(g, visit)
	}
}
