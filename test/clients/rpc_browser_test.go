package clients

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/examples"
	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// TestBrowser has a page of another origin, in Chromium, call the example services: with connect-es
// and grpc-web, and with fetch, EventSource and WebSocket.
func TestBrowser(t *testing.T) {
	chromium := installed(t, "chromium")
	runIn(t, rpcTools, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	dir := t.TempDir()
	runIn(t, rpcTools, filepath.Join("node_modules", ".bin", "esbuild"), "page.mjs", "--bundle", "--format=esm", "--log-level=warning",
		"--outfile="+filepath.Join(dir, "page.js"))
	write(t, dir, "index.html", []byte(`<!doctype html><script type="module" src="page.js"></script>`))
	page := httptest.NewServer(http.FileServerFS(os.DirFS(dir)))
	t.Cleanup(page.Close)
	address := startShop(t, page.URL)
	cmd := exec.CommandContext(t.Context(), "node", "browser.mjs", chromium, page.URL+"/?gateway=http://"+address)
	cmd.Dir = rpcTools
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	t.Logf("%s", out)
}

// installed returns the path of a tool of the distribution, which is installed where it is missing.
func installed(t *testing.T, name string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	runIn(t, ".", "apt-get", "update")
	runIn(t, ".", "apt-get", "install", "-y", "--no-install-recommends", name)
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// startShop runs the example services and a gateway that pages of an origin may call, until the
// test ends, and returns the gateway's address.
func startShop(t *testing.T, origin string) string {
	shop, err := examples.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	config := &configv1.Config{
		Listen: proto.String("127.0.0.1:0"),
		Admin:  proto.String("off"),
		Http:   &configv1.HTTP{Cors: &configv1.CORS{Origins: []string{origin}}},
	}
	for _, b := range shop.Backends {
		config.Backends = append(config.Backends, &configv1.Backend{Name: proto.String(b.Name), Address: proto.String(b.Address)})
	}
	g, err := gateway.New(config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- g.Run(t.Context(), nil) }() // which ends before the clean-ups
	t.Cleanup(func() {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-g.Ready()
	return g.Addr()
}
