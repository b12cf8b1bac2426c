package schema

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// counted is a source that says how often it was loaded.
type counted struct {
	mu    sync.Mutex
	files *Files
	err   error
	loads int
}

func (c *counted) Kind() string    { return "counted" }
func (c *counted) Paths() []string { return nil }
func (c *counted) Load(context.Context) (*Files, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loads++
	return c.files, c.err
}

func (c *counted) become(files *Files) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files, c.err = files, nil
}

// TestSync replaces backends while the registry runs.
func TestSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stays := &counted{files: &Files{Digest: "stays"}}
		leaves := &counted{files: &Files{Digest: "leaves"}}
		r := NewRegistry([]RegistryBackend{{Name: "stays", Source: stays}, {Name: "leaves", Source: leaves}})
		stop := run(t, r)
		defer stop()
		synctest.Wait()

		fails := &counted{err: errors.New("nobody is there")}
		r.Sync([]RegistryBackend{
			{Name: "pushed", Source: &Pushed{Files: &Files{Digest: "pushed"}}},
			{Name: "stays", Source: stays},
		})
		if got := digests(r); got != "pushed,stays" {
			t.Errorf("there are %s", got)
		}
		synctest.Wait()
		gone := leaves.loads
		time.Sleep(5 * DefaultPollInterval)
		synctest.Wait()
		if leaves.loads != gone || stays.loads < 4 {
			t.Errorf("the one that left was loaded %d more times, the other one %d", leaves.loads-gone, stays.loads)
		}

		r.Sync([]RegistryBackend{{Name: "stays", Source: fails}})
		synctest.Wait()
		if s := r.State()[0]; s.Files == nil || !s.LastGood || s.Err == nil {
			t.Errorf("a source that fails has %+v", s)
		}
		fails.become(&Files{Digest: "new"})
		time.Sleep(2 * DefaultPollInterval)
		synctest.Wait()
		if got := digests(r); got != "new" {
			t.Errorf("there are %s", got)
		}
	})
}

func digests(r *Registry) string {
	all := ""
	for i, b := range r.Backends() {
		if i > 0 {
			all += ","
		}
		all += b.Files.Digest
	}
	return all
}
