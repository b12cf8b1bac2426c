package schema

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Files are watched by the system, outside of synctest's reach: these tests wait for
// the change itself. The long intervals make sure that no poll brings it.

func watched(t *testing.T, source Source) *Registry {
	t.Helper()
	r := NewRegistry([]RegistryBackend{{Name: "shop", Source: source, PollInterval: time.Hour}})
	run(t, r)
	<-r.Changes()
	return r
}

// waitFor waits until the state of the only backend is as asked for.
func waitFor(r *Registry, good func(BackendState) bool) {
	for !good(r.State()[0]) {
		<-r.Changes()
	}
}

func hasServices(count int) func(BackendState) bool {
	return func(s BackendState) bool { return s.Err == nil && s.Files != nil && len(s.Files.Services) == count }
}

func failed(s BackendState) bool { return s.Err != nil }

// replace puts a file in the place of another in one step.
func replace(t *testing.T, path string, content []byte) {
	t.Helper()
	written := filepath.Join(t.TempDir(), "written")
	writeFile(t, written, string(content))
	if err := os.Rename(written, path); err != nil {
		t.Fatal(err)
	}
}

func TestWatchDescriptorFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.binpb")
	r := watched(t, &DescriptorFile{Path: path})
	waitFor(r, failed) // it is not there yet

	replace(t, path, marshal(t, catalogSet()))
	waitFor(r, hasServices(1))
	good := r.State()[0]

	replace(t, path, []byte("broken"))
	waitFor(r, failed)
	broken := r.State()[0]
	if broken.Files != good.Files || !broken.LastGood || !r.Loaded() {
		t.Errorf("a broken file does not keep the last good one: %+v", broken)
	}

	both := imageSet()
	both.File[1].ProtoReflect().SetUnknown(nil)
	replace(t, path, marshal(t, both))
	waitFor(r, hasServices(2))
}

func TestWatchProtoFolder(t *testing.T) {
	const shop = `syntax = "proto3"; package shop; message M {} service Shop { rpc Get(M) returns (M); }`
	const more = `syntax = "proto3"; package more; message M {} service More { rpc Get(M) returns (M); }`
	dir := writeFolder(t, map[string]string{"shop.proto": shop})
	r := watched(t, &ProtoFolder{Dir: dir})
	waitFor(r, hasServices(1))

	replace(t, filepath.Join(dir, "shop.proto"), []byte(`service`))
	waitFor(r, failed)
	replace(t, filepath.Join(dir, "shop.proto"), []byte(shop))
	waitFor(r, hasServices(1))

	writeFile(t, filepath.Join(dir, "a", "b", "more.proto"), more)
	waitFor(r, hasServices(2))
	if err := os.Remove(filepath.Join(dir, "a", "b", "more.proto")); err != nil {
		t.Fatal(err)
	}
	waitFor(r, hasServices(1))
}

// Kubernetes replaces the files of a volume by swapping the link `..data`.
func TestWatchSwappedLink(t *testing.T) {
	dir := t.TempDir()
	both := imageSet()
	both.File[1].ProtoReflect().SetUnknown(nil)
	writeFile(t, filepath.Join(dir, "..1", "shop.binpb"), string(marshal(t, catalogSet())))
	writeFile(t, filepath.Join(dir, "..2", "shop.binpb"), string(marshal(t, both)))
	symlink(t, "..1", filepath.Join(dir, "..data"))
	symlink(t, "..data/shop.binpb", filepath.Join(dir, "shop.binpb"))
	r := watched(t, &DescriptorFile{Path: filepath.Join(dir, "shop.binpb")})
	waitFor(r, hasServices(1))

	symlink(t, "..2", filepath.Join(dir, "..data_tmp"))
	if err := os.Rename(filepath.Join(dir, "..data_tmp"), filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	waitFor(r, hasServices(2))
}

func symlink(t *testing.T, to, from string) {
	t.Helper()
	if err := os.Symlink(to, from); err != nil {
		t.Fatal(err)
	}
}
