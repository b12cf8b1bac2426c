// Bench measures what a request costs in the gateway, in grpc-gateway's generated code,
// and in a bare relay of bytes, before the same backend; see package contest.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	"github.com/protean-gateway/protean/test/bench/contest"
	"github.com/protean-gateway/protean/test/bench/load"
	"github.com/protean-gateway/protean/test/bench/process"
)

// Names of what is measured.
const (
	protean     = "protean"
	grpcGateway = "grpc-gateway"
	floor       = "floor"
)

// messagesOfOne is how many messages one stream has.
const messagesOfOne = 1000

func main() {
	rounds := flag.Int("rounds", 7, "interleaved rounds, of which the median counts")
	clients := flag.Int("clients", 32, "connections, each with one request at a time")
	profiles := flag.String("profiles", "", "write processor profiles to this `FOLDER`")
	match := flag.String("match", "", "only the scenarios whose name has this in it")
	flag.Parse()
	if err := run(*rounds, *clients, *profiles, *match); err != nil {
		log.Fatal(err)
	}
}

func run(rounds, clients int, profiles, match string) error {
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
	c := contest.Contest{Rounds: rounds, Profiles: profiles}
	for _, s := range []struct {
		name, folder, pkg string
		args              []string
	}{
		{protean, "../..", "./cmd/protean", []string{"serve", backend.Address, "--listen", "127.0.0.1:0", "--admin", "off"}},
		{grpcGateway, ".", "./peer", []string{backend.Address}},
		{floor, ".", "./floor", []string{backend.Address}},
	} {
		p, err := process.Start(dir, s.folder, s.pkg, s.args...)
		if err != nil {
			return err
		}
		defer p.Stop()
		c.Subjects = append(c.Subjects, contest.Subject{Process: p, Name: s.name})
		if err := awaitReady(p); err != nil {
			return err
		}
	}
	for _, s := range scenarios(clients) {
		if !strings.Contains(s.Name, match) {
			continue
		}
		if err := c.Run(os.Stdout, s); err != nil {
			return err
		}
	}
	return nil
}

// awaitReady waits until a process serves REST.
func awaitReady(p *process.Process) (err error) {
	get := load.NewRequest("GET", "/v1/books/1", "", nil)
	for range 100 {
		if err = get.Repeat(p.Address, 1, notEmpty); err == nil {
			return nil
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}

func notEmpty(body []byte) error {
	if len(body) == 0 {
		return errors.New("empty answer")
	}
	return nil
}

func scenarios(clients int) []contest.Scenario {
	all := []string{protean, grpcGateway, floor}
	watch := load.NewRequest("GET", fmt.Sprintf("/v1/parcels/P:watch?max_events=%d", messagesOfOne), "", nil)
	return []contest.Scenario{
		{
			Name: "small GET", Count: 16000, Subjects: all,
			Goals: []contest.Goal{{Beside: grpcGateway, AtMost: 0.62}, {Beside: floor, AtMost: 1.15}},
			Load:  same(clients, 16000, load.NewRequest("GET", "/v1/books/1", "", nil)),
		},
		{
			Name: "POST echo", Count: 16000, Subjects: all,
			Goals: []contest.Goal{{Beside: grpcGateway, AtMost: 0.58}, {Beside: floor, AtMost: 1.25}},
			Load:  echo(clients, 16000),
		},
		{
			Name: "list of 100", Count: 3200, Subjects: all,
			Goals: []contest.Goal{{Beside: grpcGateway, AtMost: 0.13}},
			Load:  same(clients, 3200, load.NewRequest("GET", "/v1/books?page_size=100", "", nil)),
		},
		{
			Name: "message of a stream of 1000", Count: 256 * messagesOfOne, Subjects: all,
			Goals: []contest.Goal{{Beside: grpcGateway, AtMost: 0.13}},
			Load:  same(clients, 256, watch),
		},
		{
			Name: "gRPC pass-through", Count: 16000, Subjects: []string{protean, floor},
			Goals: []contest.Goal{{Beside: floor, AtMost: 1.15}},
			Load:  passThrough(clients, 16000),
		},
	}
}

// same makes one request many times.
func same(clients, count int, request load.Request) func(contest.Subject) error {
	return func(s contest.Subject) error {
		return load.Clients(clients, func() error { return request.Repeat(s.Address, count/clients, notEmpty) })
	}
}

// echo posts a book that comes back. The floor, which knows no JSON, gets it as protobuf.
func echo(clients, count int) func(contest.Subject) error {
	rating := 4.25
	book := &catalogv1.Book{
		Title: "The long way home", Author: "authors/maria-brandt", Genre: catalogv1.Genre_GENRE_NOVEL,
		Price: &catalogv1.Money{CurrencyCode: "EUR", Units: 24, Nanos: 900000000},
		Pages: 412, Tags: []string{"sea", "short stories"}, Rating: &rating,
	}
	text, err := protojson.Marshal(book)
	if err != nil {
		panic(err)
	}
	wire, err := proto.Marshal(&catalogv1.CreateBookRequest{Book: book})
	if err != nil {
		panic(err)
	}
	rest := same(clients, count, load.NewRequest("POST", "/v1/books", "application/json", text))
	raw := same(clients, count, load.NewRequest("POST", "/v1/books", "application/x-protobuf", wire))
	return func(s contest.Subject) error {
		if s.Name == floor {
			return raw(s)
		}
		return rest(s)
	}
}

// passThrough calls a unary method with a client of gRPC.
func passThrough(clients, count int) func(contest.Subject) error {
	request := &catalogv1.GetBookRequest{Name: "books/1"}
	return func(s contest.Subject) error {
		return load.Clients(clients, func() error {
			return load.GRPC(s.Address, count/clients, func(ctx context.Context, conn grpc.ClientConnInterface) error {
				_, err := catalogv1.NewCatalogServiceClient(conn).GetBook(ctx, request)
				return err
			})
		})
	}
}
