package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	adminv1 "github.com/protean-gateway/protean/proto/protean/admin/v1"
)

// servers is how many servers take turns: revision n is served by number n modulo servers.
const servers = 8

// TestReloads reloads under load on four doors. Each answer says which server gave it, which must be
// the one of a revision that was current while the request ran.
func TestReloads(t *testing.T) {
	requests, reloads := scaled(400_000, 8_000), scaled(1_000, 60)
	r := startReplica(t, nil, t.TempDir())
	var addresses [servers]string
	for i := range servers {
		addresses[i] = answering(t, fmt.Sprint(i))
	}
	var current revisions
	register := func(n int) error {
		current.started.Store(int64(n))
		_, err := r.admin.Register(t.Context(), &adminv1.RegisterRequest{
			Backend: "turns", Address: addresses[n%servers], Descriptors: turnsDescriptors(n), Reason: fmt.Sprint(n),
		})
		current.done.Store(int64(n))
		return err
	}
	if err := register(0); err != nil {
		t.Fatal(err)
	}
	calm := drive(t, r.Addr(), &current, requests/4, nil)
	n := 0
	every := requests / reloads
	stormy := drive(t, r.Addr(), &current, requests, func(done int) error {
		for n < reloads && done >= n*every {
			n++
			if err := register(n); err != nil {
				return err
			}
		}
		return nil
	})
	if t.Failed() {
		return
	}
	if n != reloads {
		t.Errorf("%d reloads", n)
	}
	ratio := float64(stormy.p99) / float64(calm.p99)
	if full && ratio > 1.5 {
		t.Errorf("p99 is %v with reloads and %v without: %.2f×", stormy.p99, calm.p99, ratio)
	}
	promise(t, "P1", "%d reloads under %d requests as REST, GraphQL, gRPC and Connect: 0 failed, 0 misrouted, p99 %v and %v without reloads (%.2f×)",
		n, stormy.requests, stormy.p99, calm.p99, ratio)
}

// revisions are those that may serve a request: from the newest that was served when it began to the
// newest that was under way when it ended.
type revisions struct{ done, started atomic.Int64 }

func (r *revisions) permits(began int64, server string) bool {
	for n := began; n <= r.started.Load(); n++ {
		if fmt.Sprint(n%servers) == server {
			return true
		}
	}
	return false
}

type figures struct {
	requests int
	p99      time.Duration
}

const drivers = 16

// drive sends so many requests and calls also between them, from one goroutine.
func drive(t *testing.T, address string, current *revisions, requests int, also func(done int) error) figures {
	t.Helper()
	doors := []func(context.Context) (string, error){restDoor(address), graphDoor(address), grpcDoor(t, address), connectDoor(address)}
	var done atomic.Int64
	var running sync.WaitGroup
	latencies := make([][]time.Duration, drivers)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for d := range drivers {
		running.Go(func() {
			for i := d; done.Add(1) <= int64(requests) && ctx.Err() == nil; i++ {
				began, start := current.done.Load(), time.Now()
				server, err := doors[i%len(doors)](ctx)
				latencies[d] = append(latencies[d], time.Since(start))
				if err == nil && !current.permits(began, server) {
					err = fmt.Errorf("server %q answered, revisions %d to %d were current", server, began, current.started.Load())
				}
				if err != nil && ctx.Err() == nil {
					t.Errorf("door %d: %v", i%len(doors), err)
					cancel()
				}
			}
		})
	}
	if also != nil {
		for ctx.Err() == nil && done.Load() < int64(requests) {
			if err := also(int(done.Load())); err != nil {
				t.Error(err)
				break
			}
			time.Sleep(time.Millisecond)
		}
		if err := also(requests); err != nil {
			t.Error(err)
		}
	}
	running.Wait()
	all := slices.Concat(latencies...)
	slices.Sort(all)
	return figures{requests: len(all), p99: all[len(all)*99/100]}
}

func restDoor(address string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		return exchange(ctx, "http://"+address+"/turns.v1.Turns/Who", `"x"`, "application/json")
	}
}

func connectDoor(address string) func(context.Context) (string, error) {
	raw, _ := proto.Marshal(wrapperspb.String("x"))
	return func(ctx context.Context) (string, error) {
		body, err := exchangeRaw(ctx, "http://"+address+"/turns.v1.Turns/Who", raw, "application/proto")
		answer := &wrapperspb.StringValue{}
		if err == nil {
			err = proto.Unmarshal(body, answer)
		}
		return answer.GetValue(), err
	}
}

func graphDoor(address string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		body, err := exchangeRaw(ctx, "http://"+address+"/graphql", []byte(`{"query":"{ whoQuery(input: \"x\") }"}`), "application/json")
		text, ok := strings.CutPrefix(string(body), `{"data":{"whoQuery":"`)
		if err == nil && !ok {
			err = fmt.Errorf("GraphQL answered %s", body)
		}
		text, _, _ = strings.Cut(text, `"`)
		return text, err
	}
}

func grpcDoor(t *testing.T, address string) func(context.Context) (string, error) {
	conn := dial(t, address)
	return func(ctx context.Context) (string, error) {
		answer := &wrapperspb.StringValue{}
		err := conn.Invoke(ctx, "/turns.v1.Turns/Who", wrapperspb.String("x"), answer)
		return answer.GetValue(), err
	}
}

func exchange(ctx context.Context, url, body, contentType string) (string, error) {
	answer, err := exchangeRaw(ctx, url, []byte(body), contentType)
	return strings.Trim(strings.TrimSpace(string(answer)), `"`), err
}

// client keeps enough connections for all drivers.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * drivers}}

func exchangeRaw(ctx context.Context, url string, body []byte, contentType string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", contentType)
	resp, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status + ": " + string(answer))
	}
	return answer, err
}

// answering starts a server whose only method answers with its name.
func answering(t *testing.T, name string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	who := func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		if err := decode(&wrapperspb.StringValue{}); err != nil {
			return nil, err
		}
		return wrapperspb.String(name), nil
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "turns.v1.Turns", HandlerType: (*any)(nil),
		Methods: []grpc.MethodDesc{{MethodName: "Who", Handler: who}, {MethodName: "WhoQuery", Handler: who}},
	}, struct{}{})
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	return l.Addr().String()
}

// turnsDescriptors has a method more in every second revision.
func turnsDescriptors(n int) []byte {
	query := &descriptorpb.MethodOptions{IdempotencyLevel: descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()}
	method := func(name string, o *descriptorpb.MethodOptions) *descriptorpb.MethodDescriptorProto {
		const value = ".google.protobuf.StringValue"
		return &descriptorpb.MethodDescriptorProto{Name: proto.String(name), InputType: proto.String(value), OutputType: proto.String(value), Options: o}
	}
	service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Turns"), Method: []*descriptorpb.MethodDescriptorProto{
		method("Who", nil), method("WhoQuery", query),
	}}
	if n%2 == 1 {
		service.Method = append(service.Method, method("Another", nil))
	}
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("turns.proto"), Package: proto.String("turns.v1"), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		Service:    []*descriptorpb.ServiceDescriptorProto{service},
	}
	raw, _ := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	return raw
}
