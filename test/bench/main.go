// Bench measures the processor time that a request costs in the gateway and in
// grpc-gateway's generated code, before the same backend and in one interleaved
// run. What counts is each process's own time as the kernel accounts it, and the ratio
// of the two: absolute figures move with the machine.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

type scenario struct {
	name, path string
	requests   int
}

var scenarios = []scenario{
	{"small GET", "/v1/books/1", 6000},
	{"list of 100", "/v1/books?page_size=100", 1500},
}

func main() {
	rounds := flag.Int("rounds", 5, "interleaved rounds")
	clients := flag.Int("clients", 8, "requests at once")
	flag.Parse()
	if err := run(*rounds, *clients); err != nil {
		log.Fatal(err)
	}
}

func run(rounds, clients int) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	backend, err := start(dir, "./backend")
	if err != nil {
		return err
	}
	defer backend.stop()
	peer, err := start(dir, "./peer", backend.address)
	if err != nil {
		return err
	}
	defer peer.stop()
	gateway, err := start(dir, "github.com/protean-gateway/protean/cmd/protean",
		"serve", backend.address, "--listen", "127.0.0.1:0", "--admin", "off")
	if err != nil {
		return err
	}
	defer gateway.stop()
	for _, s := range scenarios {
		if err := compare(s, gateway, peer, rounds, clients); err != nil {
			return err
		}
	}
	return nil
}

// compare prints the medians of all rounds.
func compare(s scenario, gateway, peer *process, rounds, clients int) error {
	var ours, theirs, ratios []float64
	for round := range rounds + 1 {
		a, err := gateway.cost(s, clients)
		if err != nil {
			return err
		}
		b, err := peer.cost(s, clients)
		if err != nil {
			return err
		}
		if round == 0 {
			continue // warm-up
		}
		ours, theirs, ratios = append(ours, a), append(theirs, b), append(ratios, a/b)
	}
	fmt.Printf("%-12s  protean %7.1f µs  grpc-gateway %7.1f µs  ratio %.2f (%.2f to %.2f)\n",
		s.name, median(ours), median(theirs), median(ratios), slices.Min(ratios), slices.Max(ratios))
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// process is a child that printed the address it listens on.
type process struct {
	cmd     *exec.Cmd
	address string
}

// start builds a main package, runs it and waits for its address.
func start(dir, pkg string, args ...string) (*process, error) {
	binary := filepath.Join(dir, filepath.Base(pkg))
	build := exec.Command("go", "build", "-o", binary, pkg)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return nil, fmt.Errorf("build %s: %w", pkg, err)
	}
	cmd := exec.Command(binary, args...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &process{cmd: cmd}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if p.address = findAddress(lines.Text()); p.address != "" {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return p, p.awaitReady(args)
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s printed no address", pkg)
}

// findAddress finds 127.0.0.1:PORT in a line.
func findAddress(line string) string {
	i := strings.Index(line, "127.0.0.1:")
	if i < 0 {
		return ""
	}
	return strings.FieldsFunc(line[i:], func(r rune) bool { return r == ' ' || r == '/' || r == ',' })[0]
}

// awaitReady waits until a proxy serves the first scenario.
func (p *process) awaitReady(args []string) error {
	if len(args) == 0 {
		return nil
	}
	for range 100 {
		if err := get(http.DefaultClient, "http://"+p.address+scenarios[0].path); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not serve %s", p.cmd.Path, scenarios[0].path)
}

func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait()
}

// cost returns the process's own microseconds of processor time per request.
func (p *process) cost(s scenario, clients int) (float64, error) {
	before, err := p.cpu()
	if err != nil {
		return 0, err
	}
	if err := p.load(s, clients); err != nil {
		return 0, err
	}
	after, err := p.cpu()
	return float64((after - before).Microseconds()) / float64(s.requests), err
}

func (p *process) load(s scenario, clients int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	for range clients {
		wg.Go(func() {
			for range s.requests / clients {
				if err := get(client, "http://"+p.address+s.path); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func get(client *http.Client, url string) error {
	resp, err := client.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if err == nil && (resp.StatusCode != http.StatusOK || n == 0) {
		err = fmt.Errorf("%s: %s", url, resp.Status)
	}
	return err
}

// ticksPerSecond is USER_HZ, which Linux fixes for what it tells processes.
const ticksPerSecond = 100

// cpu returns the time that the process spent on a processor, in user and
// kernel mode (proc(5), stat, fields 14 and 15).
func (p *process) cpu() (time.Duration, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, afterName, _ := strings.Cut(string(data), ") ")
	fields := strings.Fields(afterName)
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}
