package main

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestContainerLimit(t *testing.T) {
	for name, c := range map[string]struct {
		self  string
		files map[string]string
		want  int64
	}{
		"nothing is known":             {"", nil, 0},
		"version 2":                    {"0::/app\n", map[string]string{"app/memory.max": "536870912\n"}, 512 << 20},
		"version 2, no limit":          {"0::/app\n", map[string]string{"app/memory.max": "max\n"}, 0},
		"version 2, the group above":   {"0::/a/b\n", map[string]string{"a/memory.max": "1000", "a/b/memory.max": "2000"}, 1000},
		"version 2, a namespace's top": {"0::/\n", map[string]string{"memory.max": "4096"}, 4096},
		"version 1":                    {"5:cpu:/x\n4:memory:/x\n", map[string]string{"memory/x/memory.limit_in_bytes": "4096"}, 4096},
		"version 1, no limit":          {"4:memory:/x\n", map[string]string{"memory/x/memory.limit_in_bytes": "9223372036854771712"}, 0},
	} {
		root := t.TempDir()
		self := filepath.Join(root, "self")
		write(t, self, c.self)
		for file, text := range c.files {
			write(t, filepath.Join(root, file), text)
		}
		if got := containerLimit(root, self); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestPercentFor(t *testing.T) {
	for _, c := range []struct {
		live, room uint64
		want       int
	}{
		{0, 64 << 20, 6400},
		{8 << 20, 64 << 20, 800},
		{64 << 20, 64 << 20, 100},
		{1 << 30, 64 << 20, 100},
		{8 << 20, 1 << 20, 100},
	} {
		if got := percentFor(c.live, c.room); got != c.want {
			t.Errorf("%d alive, room for %d: %d, want %d", c.live, c.room, got, c.want)
		}
	}
}

// TestPacerFollows has what lives grow, and waits until the percentage is lower.
func TestPacerFollows(t *testing.T) {
	before := debug.SetGCPercent(goDefault)
	defer debug.SetGCPercent(before)
	p := &pacer{room: 256 << 20, percent: goDefault}
	p.adjust()
	first := p.percent
	held := make([]byte, 128<<20)
	told := make(chan int, 1)
	runtime.AddCleanup(&sentinel{new(int)}, func(p *pacer) {
		p.adjust()
		told <- p.percent
	}, p)
	runtime.GC()
	select {
	case percent := <-told:
		if percent >= first || percent > 200 {
			t.Errorf("%d %%, and %d %% before 128 MiB more were alive", percent, first)
		}
	case <-time.After(time.Minute):
		t.Error("nobody heard of the collection")
	}
	runtime.KeepAlive(held)
}
