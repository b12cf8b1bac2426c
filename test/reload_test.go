package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

const greeterBefore = `
edition = "2023";
package greet.v1;
import "google/api/annotations.proto";

service Greeter {
  rpc GetGreeting(GetGreetingRequest) returns (Greeting) {
    option (google.api.http) = {get: "/v1/greetings/{name}"};
  }
}
message GetGreetingRequest { string name = 1; }
message Greeting { string text = 1; }
`

var greeterAfter = strings.Replace(greeterBefore, "service Greeter {", `service Greeter {
  rpc ListFarewells(ListFarewellsRequest) returns (Greeting) {
    option (google.api.http) = {get: "/v1/farewells"};
  }`, 1) + "message ListFarewellsRequest {}\n"

// greeter is a server of the Greeter service as one version of its file has it.
// It answers every method with a greeting.
func greeter(t testing.TB, source string) *grpc.Server {
	t.Helper()
	backend := rpctest.Compile(t, map[string]string{"greet.proto": source}).Backends[0]
	answer := func(_ any, stream grpc.ServerStream) error {
		path, _ := grpc.MethodFromServerStream(stream)
		service, method, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		d, err := backend.Files.FindDescriptorByName(protoreflect.FullName(service + "." + method))
		if err != nil {
			return err
		}
		md := d.(protoreflect.MethodDescriptor)
		request, greeting := dynamicpb.NewMessage(md.Input()), dynamicpb.NewMessage(md.Output())
		if err := stream.RecvMsg(request); err != nil {
			return err
		}
		greeting.Set(md.Output().Fields().ByName("text"), protoreflect.ValueOfString("Hello"))
		return stream.SendMsg(greeting)
	}
	server := grpc.NewServer(grpc.UnknownServiceHandler(answer))
	reflectionv1.RegisterServerReflectionServer(server, reflection.NewServerV1(reflection.ServerOptions{
		Services:           services{backend},
		DescriptorResolver: backend.Files,
	}))
	return server
}

// services names a backend's services to reflection.
type services struct{ backend *schema.Backend }

func (s services) GetServiceInfo() map[string]grpc.ServiceInfo {
	info := make(map[string]grpc.ServiceInfo)
	for _, service := range s.backend.Services {
		info[service.FullName()] = grpc.ServiceInfo{}
	}
	return info
}

// handover is a listener that outlives its server, as a process manager keeps
// one open over a restart: clients that come meanwhile wait in its queue.
type handover struct{ *net.TCPListener }

func listenForHandover(t testing.TB) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// Close lets the server go and keeps the socket.
func (h handover) Close() error { return h.SetDeadline(time.Now()) }

// TestReloadUnderLoad restarts a backend with one method more while requests of
// every door run. The new route and field appear, and no request fails.
func TestReloadUnderLoad(t *testing.T) {
	listener := listenForHandover(t)
	before := greeter(t, greeterBefore)
	go func() { _ = before.Serve(handover{listener}) }()

	backend := backendAt("greeter", listener.Addr().String())
	backend.Source = &configv1.Backend_Reflection{Reflection: &configv1.Reflection{
		PollInterval: durationpb.New(100 * time.Millisecond),
	}}
	g, stop := startGateway(t, &configv1.Config{Backends: []*configv1.Backend{backend}})
	defer stop()
	base := "http://" + g.Addr()

	if status, _ := fetch(t, base+"/v1/farewells"); status != http.StatusNotFound {
		t.Fatalf("the new route answers %d before the restart", status)
	}
	load := startLoad(t, g.Addr())
	load.wait(t, 200)

	before.GracefulStop()
	if err := listener.SetDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	after := greeter(t, greeterAfter)
	defer after.Stop()
	go func() { _ = after.Serve(handover{listener}) }()

	await(t, "the new REST route", func() bool {
		status, body := fetch(t, base+"/v1/farewells")
		return status == http.StatusOK && strings.Contains(body, "Hello")
	})
	await(t, "the new GraphQL field", func() bool {
		_, body := fetch(t, base+"/graphql?query=%7BlistFarewells%7Btext%7D%7D")
		return strings.TrimSpace(body) == `{"data":{"listFarewells":{"text":"Hello"}}}`
	})
	load.wait(t, 200)
	done, failures := load.stop()
	t.Logf("%d requests, %d failures", done, len(failures))
	for _, f := range failures {
		t.Error(f)
	}
}

// load is traffic on every door that goes on until it is stopped.
type load struct {
	cancel   context.CancelFunc
	running  sync.WaitGroup
	done     atomic.Int64
	mu       sync.Mutex
	failures []error
}

func startLoad(t *testing.T, address string) *load {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{cancel: cancel}
	for _, request := range []func() error{
		func() error { return expect("http://"+address+"/v1/greetings/ada", `{"text":"Hello"}`) },
		func() error {
			return expect("http://"+address+"/graphql?query=%7BgetGreeting(name:%22ada%22)%7Btext%7D%7D", `{"data":{"getGreeting":{"text":"Hello"}}}`)
		},
		func() error {
			raw := &rawMessage{}
			err := conn.Invoke(context.Background(), "/greet.v1.Greeter/GetGreeting", &rawMessage{}, raw, grpc.ForceCodec(rawCodec{}))
			if err == nil && !strings.Contains(string(raw.bytes), "Hello") {
				err = fmt.Errorf("gRPC answered %q", raw.bytes)
			}
			return err
		},
	} {
		l.running.Go(func() { l.repeat(ctx, request) })
	}
	return l
}

func (l *load) repeat(ctx context.Context, request func() error) {
	for ctx.Err() == nil {
		if err := request(); err != nil {
			l.mu.Lock()
			l.failures = append(l.failures, err)
			l.mu.Unlock()
			return
		}
		l.done.Add(1)
	}
}

// wait waits for so many more requests.
func (l *load) wait(t *testing.T, n int64) {
	t.Helper()
	goal := l.done.Load() + n
	await(t, fmt.Sprintf("%d more requests", n), func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.done.Load() >= goal || len(l.failures) > 0
	})
}

func (l *load) stop() (int64, []error) {
	l.cancel()
	l.running.Wait()
	return l.done.Load(), l.failures
}

func expect(url, want string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && strings.TrimSpace(string(body)) != want {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return err
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// await waits until a condition holds; it gives up after a time that only a
// hanging test takes.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for start := time.Now(); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Since(start) > exchangeTimeout {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// rawMessage passes bytes through gRPC as they are.
type rawMessage struct{ bytes []byte }

type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return v.(*rawMessage).bytes, nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	v.(*rawMessage).bytes = append([]byte(nil), data...)
	return nil
}

func (rawCodec) Name() string { return "proto" }
