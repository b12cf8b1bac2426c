// Package registry proves what is promised of registrations: on real etcd, under kill -9, power
// cuts and load. PROOF=full runs it at full length, as `make proof` does.
package registry

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// full says that the promises are proven at full length.
var full = os.Getenv("PROOF") == "full"

// scaled returns what is proven at full length, or a part of it that takes seconds.
func scaled(whole, part int) int {
	if full {
		return whole
	}
	return part
}

// promise prints the line that says that a promise holds.
func promise(t *testing.T, id, format string, figures ...any) {
	t.Helper()
	if t.Failed() {
		return
	}
	fmt.Printf("PROMISE %s PASS %s\n", id, fmt.Sprintf(format, figures...))
}

var proteanBinary string

func TestMain(m *testing.M) {
	if path := os.Getenv(writerVariable); path != "" {
		writeStore(path)
		return
	}
	folder, err := os.MkdirTemp("", "protean")
	if err != nil {
		panic(err)
	}
	proteanBinary = filepath.Join(folder, "protean")
	build := exec.Command("go", "build", "-o", proteanBinary, "./cmd/protean")
	build.Dir = filepath.Join("..", "..")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	for _, tool := range []struct{ command, debian string }{{"etcd", "etcd-server"}, {"strace", "strace"}} {
		install(tool.command, tool.debian)
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

// install gets a tool from the distribution where it is missing.
func install(command, debian string) {
	if _, err := exec.LookPath(command); err == nil {
		return
	}
	if out, err := exec.Command("apt-get", "install", "-y", "--no-install-recommends", debian).CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%s is missing and cannot be installed: %v\n%s", command, err, out))
	}
}
