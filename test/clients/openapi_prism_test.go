package clients

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// prismDeviations are calls of openAPICalls that prism holds against the document, and why they are
// right all the same.
var prismDeviations = map[string]string{
	"GET /v1/books?pageSize=2&genres=GENRE_NOVEL&genres=3&createdAfter=2020-01-01T00:00:00Z": "numbers of enums are taken, and names are what the document offers",
	"POST /v1/positions:report": "prism reads the lines of a body as one text; TestOpenAPI validates each",
	"POST /v1/chat":             "likewise",
}

// prismViolations is the header in which prism says what is wrong.
const prismViolations = "Sl-Violations"

// TestOpenAPIProxied sends the calls of the demo through `prism proxy --errors`, which holds requests
// and answers against the document, and answers with an error where they do not fit. Streams are
// asked for as arrays: of the lines of one, prism would make one text.
func TestOpenAPIProxied(t *testing.T) {
	installOpenAPITools(t)
	base := startDemo(t)
	proxy := startPrism(t, base, fetch(t, http.MethodGet, base+"/openapi.json", "", http.StatusOK))
	for _, c := range openAPICalls {
		name := c.method + " " + c.path
		t.Run(name, func(t *testing.T) {
			status, violations := c.proxied(t, proxy)
			fits := status == c.status && violations == ""
			if reason, deviates := prismDeviations[name]; fits == deviates {
				t.Errorf("got %d, want %d; deviation: %q; violations: %s", status, c.status, reason, violations)
			}
		})
	}
}

// proxied makes a call through prism. Violations are those of the request or of the answer.
func (c openAPICall) proxied(t *testing.T, proxy string) (status int, violations string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), c.method, proxy+c.path, strings.NewReader(c.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	var problem struct{ Type string }
	_ = json.Unmarshal(text, &problem) // what is no problem has no type
	if violations = res.Header.Get(prismViolations); violations == "" && strings.Contains(problem.Type, "prism") {
		violations = string(text)
	}
	return res.StatusCode, violations
}

// startPrism runs prism before a server until the test ends, and returns its address.
func startPrism(t *testing.T, upstream string, document []byte) string {
	file := write(t, t.TempDir(), "openapi.json", document)
	port := freePort(t)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", filepath.Join("node_modules", ".bin", "prism"),
		"proxy", file, upstream, "--errors", "--port", port)
	cmd.Dir = openAPITools
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	lines, said := bufio.NewScanner(stdout), ""
	for lines.Scan() {
		if said += lines.Text() + "\n"; strings.Contains(lines.Text(), "Prism is listening on ") {
			go io.Copy(io.Discard, stdout)
			return "http://127.0.0.1:" + port
		}
	}
	t.Fatalf("prism did not start:\n%s", said)
	return ""
}

// freePort returns a port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)
}
