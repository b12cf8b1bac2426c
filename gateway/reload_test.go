package gateway

import (
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
)

// TestReloadOpensNothing tries a change that only a restart carries out: until then it
// must not have half of its effect.
func TestReloadOpensNothing(t *testing.T) {
	const backend = "backends: [{address: 'localhost:1'}]\n"
	first, err := ParseConfig("c.yaml", []byte("listen: '0.0.0.0:0'\n"+backend+
		"authenticators: [{name: keys, apiKeys: {}}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	next := "listen: '127.0.0.1:0'\n" + backend
	g, err := Open(first, ConfigSource{Read: func() (*Configuration, error) { return ParseConfig("c.yaml", []byte(next)) }},
		slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	r := newReloader(t.Context(), g)
	before := g.current()
	// By itself this is fine, on a loopback address. But what is listened on is public.
	if _, err := r.read(); err == nil || !strings.Contains(err.Error(), "c.yaml:1:9: listen: 0.0.0.0:0 is not a loopback address") {
		t.Errorf("got %v", err)
	}
	next = "listen: '127.0.0.1:0'\nallow_unauthenticated: true\n" + backend
	if s, err := r.read(); err != nil || s.config.GetListen() != "0.0.0.0:0" {
		t.Errorf("got %v", err)
	}
	if g.current() != before {
		t.Error("reading alone has changed what is served")
	}
}

// TestKeepFixed says which parts count after a restart only.
func TestKeepFixed(t *testing.T) {
	running, err := ParseConfig("c.yaml", []byte("listen: '127.0.0.1:1'\nhttp: {headerBytes: 9999}\n"))
	if err != nil {
		t.Fatal(err)
	}
	next, err := ParseConfig("c.yaml", []byte("admin: 'off'\nstate: /x\nlogLevel: debug\nlogFormat: json\nregistry: {gate: GATE_WARN, hosts: [h], plaintextTokens: true, etcd: {endpoints: ['x:1']}, owners: [{name: a, tokens: [x]}]}\nredis: {address: x:1}\ncacheBytes: 5\naudit: {file: /x}\nhttp: {headerTimeout: 3s, urlBytes: 5}\n"+
		"tls: {certFile: c, keyFile: k}\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Join(keepFixed(running.Config, next.Config), " ")
	if want := "listen admin state tls registry.etcd registry.hosts registry.plaintext_tokens registry.owners audit log_level log_format http.header_bytes http.header_timeout"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	want, err := ParseConfig("c.yaml", []byte("listen: '127.0.0.1:1'\nregistry: {gate: GATE_WARN, plaintextTokens: false}\nredis: {address: x:1}\ncacheBytes: 5\nhttp: {headerBytes: 9999, urlBytes: 5}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(next.Config, want.Config) {
		t.Errorf("got %v", next.Config)
	}
}

// TestReloadOfSharedStore changes where state is shared: a store that is configured as it was goes on, also where its
// password is the same in another place, and any other takes its place at once.
func TestReloadOfSharedStore(t *testing.T) {
	t.Setenv("STORE_PASSWORD", "one")
	t.Setenv("STORE_SAME", "one")
	t.Setenv("STORE_OTHER", "two")
	setupOf := func(l *lasting, before *setup, text string) *setup {
		c, err := ParseConfig("c.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSetup(c, l, before)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	l := newLasting(t.Context(), slog.New(slog.DiscardHandler), nil, nil)
	defer l.close()
	var before *setup
	for i, step := range []struct {
		text      string
		none, new bool
	}{
		{"cacheBytes: 1000000\n", true, false},
		{"redis: {address: '127.0.0.1:1', password: 'env:STORE_PASSWORD'}\n", false, true},
		{"redis: {address: '127.0.0.1:1', password: 'env:STORE_SAME', budget: 0.005s}\nhttp: {urlBytes: 5}\n", false, false},
		{"redis: {address: '127.0.0.1:1', password: 'env:STORE_OTHER'}\n", false, true},
		{"redis: {address: '127.0.0.1:1', password: 'env:STORE_OTHER', replicas: 3}\n", false, true},
		{"{}\n", true, false},
	} {
		next := setupOf(l, before, step.text)
		l.policies.follow(next)
		shared := l.policies.redis.Load()
		if (shared == nil) != step.none || shared != next.redis {
			t.Errorf("step %d: the store is %v", i, shared)
		}
		if before != nil && shared != nil && (shared != before.redis) != step.new {
			t.Errorf("step %d: another store is %v, want %v", i, shared != before.redis, step.new)
		}
		if before != nil && before.redis != shared {
			closeRedis(before.redis)
		}
		before = next
	}
}
