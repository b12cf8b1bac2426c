package test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/auth/authtest"
	"github.com/protean-gateway/protean/gateway"
	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// configured is a gateway that runs from a file.
type configured struct {
	*gateway.Gateway
	base   string
	path   string
	hangup chan os.Signal
	log    *lockedBuffer

	mu      sync.Mutex
	written int // how often the file was
	read    int // which of those was read last
	logged  int // how long the log was then
}

// lockedBuffer is a log that tests read while it is written.
type lockedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// startConfigured runs a gateway from a file with this text, on free ports.
func startConfigured(t *testing.T, text string) *configured {
	t.Helper()
	c := &configured{path: filepath.Join(t.TempDir(), "c.yaml"), hangup: make(chan os.Signal), log: &lockedBuffer{}}
	c.write(t, text)
	read := func() (*gateway.Configuration, error) {
		c.isRead()
		config, err := gateway.ReadConfig(c.path)
		if err == nil {
			config.Listen, config.Admin = proto.String(or(config.GetListen(), "127.0.0.1:0")), proto.String("127.0.0.1:0")
		}
		return config, err
	}
	config, err := read()
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(c.log, nil))
	g, err := gateway.Open(config, gateway.ConfigSource{Read: read, Paths: []string{c.path}}, log)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, c.hangup) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	<-g.Ready()
	c.Gateway, c.base = g, "http://"+g.Addr()
	return c
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// write replaces the file whole, as editors and Kubernetes do.
func (c *configured) write(t *testing.T, text string) {
	t.Helper()
	next := c.path + ".next"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, c.path); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.written++
}

// isRead notes that the file is read now.
func (c *configured) isRead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.read, c.logged = c.written, len(c.log.String())
}

// came reports whether the file as it is was read, with an outcome.
func (c *configured) came(outcome string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.read == c.written && strings.Contains(c.log.String()[c.logged:], outcome)
}

const (
	reloadServed  = "the configuration was read again and is served"
	reloadRefused = "the configuration is refused"
)

func (c *configured) count(text string) int { return strings.Count(c.log.String(), text) }

// reload writes the file, says SIGHUP, and waits for the outcome. The file is watched as well, so it may be read twice.
func (c *configured) reload(t *testing.T, text, outcome string) {
	t.Helper()
	c.write(t, text)
	c.hangup <- syscall.SIGHUP
	await(t, outcome, func() bool { return c.came(outcome) })
}

func greeterAt(t *testing.T) string {
	t.Helper()
	listener := listenForHandover(t)
	server := greeter(t, greeterBefore)
	t.Cleanup(server.Stop)
	go func() { _ = server.Serve(handover{listener}) }()
	return listener.Addr().String()
}

// TestConfigReloadUnderLoad changes all that can change while requests of every door
// run: none of them fails, and a configuration with a fault changes nothing.
func TestConfigReloadUnderLoad(t *testing.T) {
	greeters := []string{greeterAt(t), greeterAt(t)}
	silent := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
	other := rpctest.Start(t, map[string]rpctest.Handler{"/silent.v1.Silent/Get": rpctest.Answer(nil)}, rpctest.Reflect(silent.Backends[0]))
	good := func(n int) string {
		text := fmt.Sprintf("backends: [{name: greeter, address: %q}", greeters[n%2])
		if n%3 == 1 {
			text += fmt.Sprintf(", {name: other, address: %q}", other.Address)
		}
		return text + fmt.Sprintf("]\nhttp: {cors: {origins: ['https://%d.example']}, headerBytes: %d}\n", n, 70000+n%2) +
			fmt.Sprintf("policies: [{selector: '*', policy: {timeout: {call: %ds}}}]\ngraphql: {maxDepth: %d}\n", 10+n%5, 5+n%5)
	}
	c := startConfigured(t, good(0))
	load := startLoad(t, strings.TrimPrefix(c.base, "http://"))
	for n := 1; n <= 12; n++ {
		c.reload(t, good(n), reloadServed)
		load.wait(t, 20)
		if n%4 == 0 {
			c.reload(t, good(n)+"bakends: []\n", reloadRefused)
			load.wait(t, 20)
		}
	}
	done, failures := load.stop()
	for _, f := range failures {
		t.Error(f)
	}
	t.Logf("%d requests, %d failures, %d configurations served, %d refused", done, len(failures), c.count(reloadServed), c.count(reloadRefused))
	if text := c.log.String(); !strings.Contains(text, c.path+`:5:1: unknown field \"bakends\"`) {
		t.Errorf("the log does not say where the fault is: %s", text)
	}
	if text := c.log.String(); !strings.Contains(text, "part=http.header_bytes") || !strings.Contains(text, "position="+c.path+":2:") {
		t.Errorf("the log does not say what counts after a restart: %s", text)
	}
}

// TestOwnersReload has other owners, tokens and rules of the gate hold with a reload. That there are owners at all stays.
func TestOwnersReload(t *testing.T) {
	digest := func(token string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(token))) }
	withOwners := func(more string) string {
		return fmt.Sprintf("registry: {owners: [{name: ops, operator: true, tokens: [%s]}%s]}\n", digest("ops"), more)
	}
	c := startConfigured(t, withOwners(fmt.Sprintf(", {name: books, packages: [greet], tokens: [%s]}", digest("old"))))
	client := adminOf(t, c.Gateway)
	tries := 0
	register := func(token, proto string) error {
		tries++
		_, err := client.Register(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token), &adminv1.RegisterRequest{
			Backend: "greeter", Address: fmt.Sprintf("192.0.2.1:%d", tries), Descriptors: descriptorsOf(t, "greet.proto", proto),
		})
		return err
	}
	if err := register("old", greeterBefore); err != nil {
		t.Fatal(err)
	}
	breaks := strings.Replace(greeterBefore, "string text = 1", "int64 text = 1", 1)
	if err := register("old", breaks); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("what breaks clients: %v", err)
	}
	c.reload(t, withOwners(fmt.Sprintf(", {name: books, packages: [greet], tokens: [%s]}", digest("new"))), reloadServed)
	if err := register("old", greeterBefore); status.Code(err) != codes.Unauthenticated {
		t.Errorf("a token that was taken away: %v", err)
	}
	if err := register("new", greeterBefore); err != nil {
		t.Errorf("a new token: %v", err)
	}
	c.reload(t, withOwners(fmt.Sprintf(", {name: books, packages: [other], tokens: [%s]}", digest("new"))), reloadServed)
	if err := register("new", greeterBefore); status.Code(err) != codes.PermissionDenied {
		t.Errorf("a package that was taken away: %v", err)
	}
	c.reload(t, "registry: {gate: GATE_WARN}\n", reloadServed) // without owners
	if text := c.log.String(); !strings.Contains(text, "part=registry.owners position="+c.path+":1:") {
		t.Errorf("the log does not say that owners stay: %s", text)
	}
	if err := register("nobody", breaks); status.Code(err) != codes.Unauthenticated {
		t.Errorf("without a token: %v", err)
	}
	if err := register("ops", breaks); err != nil {
		t.Errorf("what breaks clients, with a warning only: %v", err)
	}
	c.reload(t, withOwners(", {name: books, tokens: ['env:NOBODY_HAS_SET_THIS']}"), reloadRefused)
	if text := c.log.String(); !strings.Contains(text, c.path+":1:") || !strings.Contains(text, "NOBODY_HAS_SET_THIS is not set") {
		t.Errorf("the log does not say where the fault is: %s", text)
	}
}

// TestConfigFileIsWatched changes what is served without a word to the process.
func TestConfigFileIsWatched(t *testing.T) {
	first := fmt.Sprintf("backends: [{name: greeter, address: %q}]\n", greeterAt(t))
	c := startConfigured(t, first)
	allowed := func() string {
		r, err := http.NewRequest(http.MethodGet, c.base+"/v1/greetings/ada", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Origin", "https://app.example")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		_, _ = io.Copy(io.Discard, response.Body)
		return response.Header.Get("Access-Control-Allow-Origin")
	}
	if allowed() != "" {
		t.Fatal("the origin is allowed before the configuration says so")
	}
	time.Sleep(50 * time.Millisecond) // the watch begins beside the gateway
	await(t, "the origin of the new file", func() bool {
		c.write(t, first+"http: {cors: {origins: ['https://app.example']}}\n")
		time.Sleep(150 * time.Millisecond)
		return allowed() == "https://app.example"
	})
}

// TestReloadKeepsKeys reloads while the issuer is down: authenticators that are as they
// were keep their keys, and with them the callers.
func TestReloadKeepsKeys(t *testing.T) {
	issuer := authtest.Start(t)
	text := fmt.Sprintf("backends: [{name: greeter, address: %q}]\n", greeterAt(t)) +
		fmt.Sprintf("authenticators: [{name: login, jwt: {issuer: %q, audiences: [%s]}}]\n", issuer.URL, authtest.Audience)
	rule := "policies: [{selector: '*', policy: {authorize: {}}}]\n"
	c := startConfigured(t, text+rule)
	token := issuer.Token("alice", nil)
	status := func() int {
		r, err := http.NewRequest(http.MethodGet, c.base+"/v1/greetings/ada", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	if got := status(); got != http.StatusOK {
		t.Fatalf("status %d before the reload", got)
	}
	issuer.SetDown(true)
	c.reload(t, text+"policies: [{selector: '*', policy: {authorize: {scopes: [never]}}}]\n", reloadServed)
	if got := status(); got != http.StatusForbidden {
		t.Errorf("status %d under the new policy", got)
	}
	c.reload(t, text+rule, reloadServed)
	if got := status(); got != http.StatusOK {
		t.Errorf("status %d after the reloads", got)
	}
}
