package registry

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/protean-gateway/protean/schema/store"
)

// cluster is an etcd of one or more nodes on loopback.
type cluster struct {
	t     *testing.T
	nodes []*node
}

type node struct {
	name, client, peer, folder string
	process                    *exec.Cmd
}

func startEtcd(t *testing.T, nodes int) *cluster {
	t.Helper()
	c := &cluster{t: t}
	for i := range nodes {
		c.nodes = append(c.nodes, &node{
			name: fmt.Sprint("n", i), client: freeAddress(t), peer: freeAddress(t), folder: filepath.Join(t.TempDir(), fmt.Sprint("n", i)),
		})
	}
	for _, n := range c.nodes {
		c.start(n)
	}
	t.Cleanup(c.stop)
	c.await()
	return c
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (c *cluster) start(n *node) {
	var members []string
	for _, m := range c.nodes {
		members = append(members, m.name+"=http://"+m.peer)
	}
	n.process = exec.Command("etcd", "--name", n.name, "--data-dir", n.folder,
		"--listen-client-urls", "http://"+n.client, "--advertise-client-urls", "http://"+n.client,
		"--listen-peer-urls", "http://"+n.peer, "--initial-advertise-peer-urls", "http://"+n.peer,
		"--initial-cluster", strings.Join(members, ","), "--initial-cluster-state", "new", "--log-level", "error")
	n.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.process.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// stop kills all nodes that run. They may be started again.
func (c *cluster) stop() {
	for _, n := range c.nodes {
		n.kill()
	}
}

func (n *node) kill() {
	if n.process != nil {
		_ = n.process.Process.Kill()
		_ = n.process.Wait()
		n.process = nil
	}
}

func (c *cluster) restart() {
	for _, n := range c.nodes {
		c.start(n)
	}
	c.await()
}

// await waits until the cluster answers.
func (c *cluster) await() {
	c.t.Helper()
	s := c.open("/await/")
	defer s.Close()
	await(c.t, "etcd", func() bool {
		_, err := s.Heads(c.t.Context())
		return err == nil
	})
}

// compact forgets all history.
func (c *cluster) compact() {
	c.t.Helper()
	var now struct{ Header struct{ Revision string } }
	c.post("/v3/kv/range", `{"key": "AA=="}`, &now)
	c.post("/v3/kv/compaction", fmt.Sprintf(`{"revision": %q, "physical": true}`, now.Header.Revision), &struct{}{})
}

func (c *cluster) post(path, body string, answer any) {
	c.t.Helper()
	resp, err := http.Post("http://"+c.nodes[0].client+path, "application/json", strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %s", path, resp.Status)
	}
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) endpoints() []string {
	var all []string
	for _, n := range c.nodes {
		all = append(all, "http://"+n.client)
	}
	return all
}

func (c *cluster) open(prefix string) *store.Store {
	c.t.Helper()
	s, err := store.OpenEtcd(store.Etcd{Endpoints: c.endpoints(), Prefix: prefix})
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > time.Minute {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
