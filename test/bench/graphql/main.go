// GraphQL measures the processor time that an operation costs in the gateway and in a
// server that was written by hand with gqlgen, before the same backend and in one
// interleaved run. What counts is the ratio of the two.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"github.com/protean-gateway/protean/test/bench/process"
)

// scenario is an operation and how often it is run. Of a subscription, each event counts.
type scenario struct {
	name, query string
	count       int
	load        func(p *process.Process, s scenario, clients int) error
	goal        float64
}

// eventsOfOne is how many events one subscription has.
const eventsOfOne = 2000

var scenarios = []scenario{
	{"small query", `{ getBook(name: \"books/1\") { name title pages } }`, 6000, queries, 0.62},
	{"list of 100 x 5", `{ listBooks(pageSize: 100) { books { name title author pages copiesSold } } }`, 1500, queries, 0.11},
	{"list + join", `{ listBooks(pageSize: 100) { books { name title twin { title pages } } } }`, 1500, queries, 0.12},
	{"subscription event", fmt.Sprintf(`subscription { watchParcel(parcel: \"P\", maxEvents: %d) { parcel position { latitude longitude } } }`, eventsOfOne),
		8 * eventsOfOne, subscriptions, 0.3},
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
	peer, err := process.Start(dir, ".", "./graphql/peer", backend.Address)
	if err != nil {
		return err
	}
	defer peer.Stop()
	gateway, err := process.Start(dir, "../..", "./cmd/protean", "serve", backend.Address,
		"--config", "graphql/gateway.yaml", "--listen", "127.0.0.1:0", "--admin", "off")
	if err != nil {
		return err
	}
	defer gateway.Stop()
	if err := awaitReady(gateway); err != nil {
		return err
	}
	for _, s := range scenarios {
		if err := compare(s, gateway, peer, rounds, clients); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

func awaitReady(p *process.Process) (err error) {
	for range 100 {
		if err = post(http.DefaultClient, p, scenarios[0]); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

// compare prints the medians of all rounds.
func compare(s scenario, gateway, peer *process.Process, rounds, clients int) error {
	var ours, theirs, ratios []float64
	for round := range rounds + 1 {
		a, err := cost(gateway, s, clients)
		if err != nil {
			return err
		}
		b, err := cost(peer, s, clients)
		if err != nil {
			return err
		}
		if round == 0 {
			continue // warm-up
		}
		ours, theirs, ratios = append(ours, a), append(theirs, b), append(ratios, a/b)
	}
	fmt.Printf("%-18s  protean %7.1f µs  gqlgen %7.1f µs  ratio %.2f (%.2f to %.2f)  goal %.2f\n",
		s.name, median(ours), median(theirs), median(ratios), slices.Min(ratios), slices.Max(ratios), s.goal)
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// cost returns the process's own microseconds of processor time per operation or event.
func cost(p *process.Process, s scenario, clients int) (float64, error) {
	before, err := p.CPU()
	if err != nil {
		return 0, err
	}
	if err := s.load(p, s, clients); err != nil {
		return 0, err
	}
	after, err := p.CPU()
	return float64((after - before).Microseconds()) / float64(s.count), err
}

// each runs f as often as there are clients, at once.
func each(clients int, f func() error) error {
	var wg sync.WaitGroup
	errs := make(chan error, clients)
	for range clients {
		wg.Go(func() {
			if err := f(); err != nil {
				errs <- err
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func queries(p *process.Process, s scenario, clients int) error {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}}
	defer client.CloseIdleConnections()
	return each(clients, func() error {
		for range s.count / clients {
			if err := post(client, p, s); err != nil {
				return err
			}
		}
		return nil
	})
}

func post(client *http.Client, p *process.Process, s scenario) error {
	response, err := client.Post("http://"+p.Address+"/graphql", "application/json", strings.NewReader(`{"query":"`+s.query+`"}`))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && (response.StatusCode != http.StatusOK || !strings.HasPrefix(string(body), `{"data":{`)) {
		err = fmt.Errorf("%s: %.200s", response.Status, body)
	}
	return err
}

// subscriptions runs as many as it takes for the events, at once.
func subscriptions(p *process.Process, s scenario, _ int) error {
	return each(s.count/eventsOfOne, func() error { return subscribe(p, s) })
}

func subscribe(p *process.Process, s scenario) error {
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	conn, _, err := dialer.Dial("ws://"+p.Address+"/graphql", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, message := range []string{`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":{"query":"` + s.query + `"}}`} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			return err
		}
	}
	for got := 0; ; {
		_, message, err := conn.ReadMessage()
		switch {
		case err != nil:
			return err
		case strings.Contains(string(message), `"complete"`):
			if got != eventsOfOne {
				return fmt.Errorf("%d events of %d", got, eventsOfOne)
			}
			return nil
		case strings.Contains(string(message), `"next"`):
			got++
		}
	}
}
