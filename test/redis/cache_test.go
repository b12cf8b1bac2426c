package redis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	"github.com/protean-gateway/protean/examples/catalog"
)

// ttl is how long an answer is fresh in these tests.
const ttl = 2 * time.Second

// cacheTest is two gateways before one backend that counts its calls, with one Redis.
type cacheTest struct {
	*testing.T
	calls atomic.Int64
	redis string
	a, b  *process
}

func newCacheTest(t *testing.T) *cacheTest {
	c := &cacheTest{T: t, redis: freeAddress(t)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, in any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
		c.calls.Add(1)
		return h(ctx, in)
	}))
	catalog.New().Register(server)
	reflection.Register(server)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	t.Setenv("CACHE_SEAL", "a secret of all gateways that share it")
	file := filepath.Join(t.TempDir(), "protean.yaml")
	config := fmt.Sprintf(`backends: [{name: catalog, address: '%s'}]
authenticators:
  - name: keys
    apiKeys: {keys: [{sha256: %x, subject: ann}, {sha256: %x, subject: ben}]}
policies:
  - selector: '*'
    policy: {authorize: {}, coalesce: {enabled: true}, cache: {ttl: %s, staleWhileRevalidate: 3600s, redis: true}}
redis: {address: '%s', budget: 0.1s, cacheValueBytes: 1000, cacheSeal: 'env:CACHE_SEAL'}
`, listener.Addr(), sha256.Sum256([]byte("of-ann")), sha256.Sum256([]byte("of-ben")), ttl, c.redis)
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	c.a, c.b = startGateway(t, file), startGateway(t, file)
	return c
}

// get asks a gateway and returns the age of its answer in seconds; -1: it came from the backend.
func (c *cacheTest) get(p *process, path, key string) (age int, body string) {
	c.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+p.address+path, nil)
	if err != nil {
		c.Fatal(err)
	}
	request.Header.Set("X-Api-Key", key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		c.Error(err)
		return -1, ""
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		c.Errorf("%s: %s %s %v", path, response.Status, text, err)
	}
	if age, err = strconv.Atoi(response.Header.Get("Age")); err != nil {
		age = -1
	}
	return age, string(text)
}

// cli asks Redis.
func (c *cacheTest) cli(stdin []byte, arguments ...string) string {
	c.Helper()
	_, port, _ := net.SplitHostPort(c.redis)
	command := exec.Command("redis-cli", append([]string{"-p", port}, arguments...)...)
	command.Stdin = bytes.NewReader(stdin)
	out, err := command.Output()
	if err != nil {
		c.Fatalf("redis-cli %v: %v", arguments, err)
	}
	return strings.TrimSuffix(string(out), "\n")
}

func (c *cacheTest) keys() []string { return strings.Fields(c.cli(nil, "--raw", "KEYS", "*")) }

// question is a path with an answer of its own.
func question(n int) string {
	return "/v1/books?createdAfter=" + time.Date(2000, 1, 1, 0, 0, n, 0, time.UTC).Format(time.RFC3339) + "&pageSize=1"
}

// run is [testing.T.Run] with what the test reports to.
func (c *cacheTest) run(name string, test func()) {
	whole := c.T
	defer func() { c.T = whole }()
	whole.Run(name, func(t *testing.T) {
		c.T = t
		test()
	})
}

// kept asks the first gateway for something new and returns the key that it is kept under.
func (c *cacheTest) kept(path string) (key string) {
	c.Helper()
	before := c.keys()
	c.get(c.a, path, "of-ann")
	await(c.T, "an answer to be kept", func() bool {
		for _, k := range c.keys() {
			if !slices.Contains(before, k) {
				key = k
			}
		}
		return key != ""
	})
	return key
}

// TestSharedCache has one gateway answer from what another one fetched.
func TestSharedCache(t *testing.T) {
	c := newCacheTest(t)
	server := startRedis(t, c.redis)
	await(c.T, "the gateways to ask Redis", func() bool {
		c.get(c.a, "/v1/books/emma", "of-ann")
		return len(c.keys()) > 0
	})

	c.run("a hit elsewhere", func() {
		path := question(0)
		key := c.kept(path)
		before := c.calls.Load()
		if age, _ := c.get(c.b, path, "of-ann"); age < 0 || c.calls.Load() != before {
			c.Errorf("age %d, %d calls", age, c.calls.Load()-before)
		}
		if len(key) != len("protean:cache:")+64 || strings.Contains(key, "ann") {
			c.Errorf("the key is %s", key)
		}
		if left, _ := strconv.Atoi(c.cli(nil, "--raw", "TTL", key)); left < 3500 || left > 3602 {
			c.Errorf("it is kept for %d s more", left)
		}
		if age, _ := c.get(c.b, path, "of-ben"); age >= 0 || c.calls.Load() != before+1 {
			c.Errorf("another principal: age %d, %d calls", age, c.calls.Load()-before)
		}
	})

	c.run("stale while revalidating", func() {
		path := question(1)
		c.kept(path)
		before := c.calls.Load()
		time.Sleep(ttl + time.Second)
		if age, _ := c.get(c.b, path, "of-ann"); age < int(ttl.Seconds()) {
			c.Errorf("age %d", age)
		}
		await(c.T, "it to be fetched anew", func() bool { return c.calls.Load() == before+1 })
		await(c.T, "the fresh answer", func() bool {
			age, _ := c.get(c.b, path, "of-ann")
			return age < int(ttl.Seconds())
		})
	})

	c.run("too large", func() {
		before := len(c.keys())
		_, body := c.get(c.a, "/v1/books?pageSize=50", "of-ann")
		c.kept(question(2)) // something after it is kept
		if after := len(c.keys()); len(body) < 2000 || after != before+1 {
			c.Errorf("%d bytes; %d keys became %d", len(body), before, after)
		}
	})

	c.run("what others wrote", c.damage)

	c.run("an outage", func() { c.outage(server) })
}

// damage changes what is kept. Whatever it is, the other gateway asks the backend.
func (c *cacheTest) damage() {
	other := c.kept(question(3))
	value := func(key string) []byte { return []byte(c.cli(nil, "--raw", "GET", key)) }
	put := func(key string, value []byte) {
		c.cli(value, "-x", "SETEX", key, "3600")
	}
	for i, test := range []struct {
		name   string
		change func(key string)
	}{
		{"cut off", func(key string) { put(key, value(key)[:60]) }},
		{"a byte changed", func(key string) {
			v := value(key)
			v[len(v)-1] ^= 1
			put(key, v)
		}},
		{"that of another key", func(key string) { c.cli(nil, "COPY", other, key, "REPLACE") }},
		{"of another version", func(key string) { put(key, append([]byte("protean0"), value(key)[8:]...)) }},
		{"with a digest by somebody who has no secret", func(key string) {
			name, err := hex.DecodeString(key[len("protean:cache:"):])
			if err != nil {
				c.Error(err)
			}
			v := value(key)
			digest := sha256.Sum256(append(name, v[8+sha256.Size:]...))
			put(key, slices.Concat(v[:8], digest[:], v[8+sha256.Size:]))
		}},
		{"too large", func(key string) { put(key, bytes.Repeat([]byte("x"), 1<<20)) }},
		{"for ever", func(key string) { c.cli(nil, "PERSIST", key) }},
		{"longer than it is good", func(key string) { c.cli(nil, "EXPIRE", key, "999999") }},
		{"of another type", func(key string) { c.cli(nil, "DEL", key); c.cli(nil, "LPUSH", key, "x") }},
	} {
		c.run(test.name, func() {
			path := question(10 + i)
			key := c.kept(path)
			test.change(key)
			before := c.calls.Load()
			if age, _ := c.get(c.b, path, "of-ann"); age >= 0 || c.calls.Load() != before+1 {
				c.Errorf("age %d, %d calls", age, c.calls.Load()-before)
			}
		})
	}
}

// outage kills Redis in the middle of calls, which nobody notices, and starts it again.
func (c *cacheTest) outage(server *exec.Cmd) {
	var sent, longest atomic.Int64
	var calling sync.WaitGroup
	start := time.Now()
	for i, p := range []*process{c.a, c.b, c.a, c.b} {
		calling.Go(func() {
			for n := 0; time.Since(start) < 2*time.Second; n++ {
				began := time.Now()
				// Each question is a new one, so that Redis is asked every time.
				c.get(p, question(1000+10000*i+n), "of-ann")
				longest.Store(max(longest.Load(), int64(time.Since(began))))
				sent.Add(1)
				time.Sleep(2 * time.Millisecond)
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	kill(server)
	calling.Wait()
	c.get(c.a, "/v1/books/emma", "of-ann")
	startRedis(c.T, c.redis)
	await(c.T, "answers to be kept there again", func() bool {
		c.get(c.a, question(int(time.Now().UnixMilli()%1e9)), "of-ann")
		return len(c.keys()) > 0
	})
	if !c.Failed() {
		c.Logf("%d calls while Redis was killed, none failed, the longest %v", sent.Load(), time.Duration(longest.Load()))
	}
}
