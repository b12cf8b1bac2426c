// Bench measures the processor time that a request costs in the gateway and in
// grpc-gateway's generated code, before the same backend and in one interleaved
// run. What counts is each process's own time as the kernel accounts it, and the ratio
// of the two: absolute figures move with the machine.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/protean-gateway/protean/test/bench/process"
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
	backend, err := process.Start(dir, ".", "./backend")
	if err != nil {
		return err
	}
	defer backend.Stop()
	peer, err := process.Start(dir, ".", "./peer", backend.Address)
	if err != nil {
		return err
	}
	defer peer.Stop()
	gateway, err := process.Start(dir, "../..", "./cmd/protean",
		"serve", backend.Address, "--listen", "127.0.0.1:0", "--admin", "off")
	if err != nil {
		return err
	}
	defer gateway.Stop()
	for _, p := range []*process.Process{peer, gateway} {
		if err := (proxy{p}).awaitReady(); err != nil {
			return err
		}
	}
	for _, s := range scenarios {
		if err := compare(s, proxy{gateway}, proxy{peer}, rounds, clients); err != nil {
			return err
		}
	}
	return nil
}

// compare prints the medians of all rounds.
func compare(s scenario, gateway, peer proxy, rounds, clients int) error {
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

// proxy is a gateway before the backend.
type proxy struct{ *process.Process }

// awaitReady waits until a proxy serves the first scenario.
func (p proxy) awaitReady() error {
	for range 100 {
		if err := get(http.DefaultClient, "http://"+p.Address+scenarios[0].path); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return fmt.Errorf("%s does not serve %s", p.Address, scenarios[0].path)
}

// cost returns the process's own microseconds of processor time per request.
func (p proxy) cost(s scenario, clients int) (float64, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if err := p.load(s, clients); err != nil {
		return 0, err
	}
	after, err := p.CPU()
	return float64((after - before).Microseconds()) / float64(s.requests), err
}

func (p proxy) load(s scenario, clients int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	for range clients {
		wg.Go(func() {
			for range s.requests / clients {
				if err := get(client, "http://"+p.Address+s.path); err != nil {
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
