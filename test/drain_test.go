package test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestDrain ends a gateway while a call is under way: the call finishes, a stream
// without an end is told, and Run returns.
func TestDrain(t *testing.T) {
	snapshot := rpctest.Compile(t, map[string]string{"silent.proto": silentService})
	entered, release := make(chan struct{}), make(chan struct{})
	stream := rpctest.NewHang()
	backend := rpctest.Start(t, map[string]rpctest.Handler{
		"/silent.v1.Silent/Get": func(s *rpctest.Stream) error {
			close(entered)
			<-release
			return s.Send(nil)
		},
		"/silent.v1.Silent/Watch": stream.Handle,
	}, rpctest.Reflect(snapshot.Backends[0]))
	g, err := gateway.New(&configv1.Config{
		Listen:       proto.String("127.0.0.1:0"),
		Admin:        proto.String("127.0.0.1:0"),
		DrainTimeout: durationpb.New(1e9),
		Backends:     []*configv1.Backend{backendAt("silent", backend.Address)},
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx, nil) }()
	<-g.Ready()

	unary, silent := make(chan string, 1), make(chan string, 1)
	go func() { unary <- bodyOf("http://" + g.Addr() + "/v1/event") }()
	go func() { silent <- bodyOf("http://" + g.Addr() + "/v1/events") }()
	<-entered
	stream.WaitStarted(t)
	cancel()
	await(t, "readiness to end", func() bool {
		status, _ := fetch(t, "http://"+g.AdminAddr()+"/readyz")
		return status == http.StatusServiceUnavailable
	})
	close(release)
	if got := rpctest.Wait(t, unary, "the call under way"); got != "{}" {
		t.Errorf("the call under way ended with %s", got)
	}
	stream.WaitCancelled(t)
	t.Logf("the stream ended with %s", rpctest.Wait(t, silent, "the stream's end"))
	if err := rpctest.Wait(t, ended, "the gateway's end"); err != nil {
		t.Error(err)
	}
}

func bodyOf(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err.Error()
	}
	return string(body)
}
