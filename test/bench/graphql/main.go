// GraphQL measures what an operation costs in the gateway and in a server that was written
// by hand with gqlgen, before the same backend; see package contest.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"

	"github.com/protean-gateway/protean/test/bench/contest"
	"github.com/protean-gateway/protean/test/bench/load"
	"github.com/protean-gateway/protean/test/bench/process"
)

const gqlgen = "gqlgen"

// eventsOfOne is how many events one subscription has.
const eventsOfOne = 2000

// clientsAtOnce is how many connections there are, each with one operation at a time.
var clientsAtOnce = flag.Int("clients", 32, "connections, each with one operation at a time")

func main() {
	rounds := flag.Int("rounds", 7, "interleaved rounds, of which the median counts")
	profiles := flag.String("profiles", "", "write processor profiles to this `FOLDER`")
	match := flag.String("match", "", "only the scenarios whose name has this in it")
	flag.Parse()
	if err := run(*rounds, *profiles, *match); err != nil {
		log.Fatal(err)
	}
}

func run(rounds int, profiles, match string) error {
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
	c := contest.Contest{
		Subjects: []contest.Subject{{Process: gateway, Name: "protean"}, {Process: peer, Name: gqlgen}},
		Rounds:   rounds,
		Profiles: profiles,
	}
	for _, s := range scenarios() {
		if !strings.Contains(s.Name, match) {
			continue
		}
		for _, subject := range c.Subjects {
			if err := awaitReady(s, subject); err != nil {
				return err
			}
		}
		if err := c.Run(os.Stdout, s); err != nil {
			return err
		}
	}
	return nil
}

// awaitReady waits until a process carries out a scenario.
func awaitReady(s contest.Scenario, subject contest.Subject) (err error) {
	for range 100 {
		if err = s.Load(subject); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func scenarios() []contest.Scenario {
	events := fmt.Sprintf(`subscription { watchParcel(parcel: \"P\", maxEvents: %d) { parcel position { latitude longitude } } }`, eventsOfOne)
	return []contest.Scenario{
		scenario("small query", 12800, 0.62, `{ getBook(name: \"books/1\") { name title pages } }`),
		scenario("list of 100 x 5", 2560, 0.11, `{ listBooks(pageSize: 100) { books { name title author pages copiesSold } } }`),
		scenario("list + join", 2560, 0.12, `{ listBooks(pageSize: 100) { books { name title twin { title pages } } } }`),
		{
			Name: "subscription event", Count: 8 * eventsOfOne, Subjects: []string{"protean", gqlgen},
			Goals: []contest.Goal{{Beside: gqlgen, AtMost: 0.3}},
			Load: func(s contest.Subject) error {
				return load.Clients(8, func() error { return subscribe(s.Process, events) })
			},
		},
	}
}

// scenario is a query that is sent many times.
func scenario(name string, count int, goal float64, query string) contest.Scenario {
	request := load.NewRequest("POST", "/graphql", "application/json", []byte(`{"query":"`+query+`"}`))
	return contest.Scenario{
		Name: name, Count: count, Subjects: []string{"protean", gqlgen},
		Goals: []contest.Goal{{Beside: gqlgen, AtMost: goal}},
		Load: func(s contest.Subject) error {
			return load.Clients(*clientsAtOnce, func() error { return request.Repeat(s.Address, count / *clientsAtOnce, hasData) })
		},
	}
}

func hasData(body []byte) error {
	if !bytes.HasPrefix(body, []byte(`{"data":{`)) {
		return errors.New("unexpected answer")
	}
	return nil
}

// subscribe carries out a subscription to its end.
func subscribe(p *process.Process, query string) error {
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}}
	conn, _, err := dialer.Dial("ws://"+p.Address+"/graphql", nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	for _, message := range []string{`{"type":"connection_init"}`, `{"id":"1","type":"subscribe","payload":{"query":"` + query + `"}}`} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
			return err
		}
	}
	for got := 0; ; {
		_, message, err := conn.ReadMessage()
		switch {
		case err != nil:
			return err
		case bytes.Contains(message, []byte(`"complete"`)):
			if got != eventsOfOne {
				return fmt.Errorf("%d events of %d", got, eventsOfOne)
			}
			return nil
		case bytes.Contains(message, []byte(`"next"`)):
			got++
		case bytes.Contains(message, []byte(`"error"`)):
			return errors.New("unexpected error")
		}
	}
}
