package rpc_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/grpc/metadata"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	get     = "/notes.v1.Notes/Get"
	watch   = "/notes.v1.Notes/Watch"
	collect = "/notes.v1.Notes/Collect"
	chat    = "/notes.v1.Notes/Chat"
)

var kinds = []string{get, watch, collect, chat}

func compile(t testing.TB) *schema.Snapshot {
	t.Helper()
	return rpctest.Compile(t, map[string]string{"notes.proto": `
		syntax = "proto3";
		package notes.v1;
		message Note { string text = 1; }
		service Notes {
			rpc Get(Note) returns (Note);
			rpc Watch(Note) returns (stream Note);
			rpc Collect(stream Note) returns (Note);
			rpc Chat(stream Note) returns (stream Note);
		}`})
}

// connect returns a pool that reaches the fake backend.
func connect(t testing.TB, endpoints ...rpc.Endpoint) *rpc.Pool {
	t.Helper()
	p := rpc.NewPool()
	t.Cleanup(p.Close)
	if err := p.Sync(endpoints); err != nil {
		t.Fatal(err)
	}
	return p
}

func call(t testing.TB, snap *schema.Snapshot, path, request string) *rpc.Call {
	t.Helper()
	m := rpctest.Method(t, snap, path)
	c := &rpc.Call{Method: m, Metadata: metadata.MD{}, Door: rpc.GRPC}
	if !m.ClientStreams {
		c.Request = []byte(request)
	}
	return c
}

// exchange sends requests and returns what came back.
func exchange(t *testing.T, p *rpc.Pool, c *rpc.Call, requests ...string) (*rpctest.Client, []string, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	client := rpctest.NewClient(ctx)
	for _, r := range requests {
		client.Requests <- []byte(r)
	}
	close(client.Requests)
	err := p.Handle(ctx, c, client)
	close(client.Responses)
	var got []string
	for m := range client.Responses {
		got = append(got, string(m))
	}
	return client, got, err
}

// Messages pass through unread, so any bytes will do for them.
func TestKinds(t *testing.T) {
	snap := compile(t)
	joined := func(s *rpctest.Stream) error {
		var all []string
		for {
			m, err := s.Recv()
			if err != nil {
				return s.Send([]byte(strings.Join(all, "+")))
			}
			all = append(all, string(m))
		}
	}
	b := rpctest.Start(t, map[string]rpctest.Handler{
		get: rpctest.Echo, watch: rpctest.Answer([]byte("a"), []byte{}, []byte("c")), collect: joined, chat: rpctest.Echo,
	})
	p := connect(t, b.Endpoint(rpctest.BackendName))
	for _, test := range []struct {
		path           string
		requests, want []string
	}{
		{get, nil, []string{"request"}},
		{watch, nil, []string{"a", "", "c"}},
		{collect, []string{"x", "", "z"}, []string{"x++z"}},
		{collect, nil, []string{""}},
		{chat, []string{"1", "2"}, []string{"1", "2"}},
		{chat, nil, nil},
	} {
		_, got, err := exchange(t, p, call(t, snap, test.path, "request"), test.requests...)
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s(%q) = %q, %v, want %q", test.path, test.requests, got, err, test.want)
		}
	}
}

func TestMetadata(t *testing.T) {
	snap := compile(t)
	serve := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1", "h", "2", "h-bin", "\x00\xff"))
		s.SetTrailer(metadata.Pairs("t", "3", "t-bin", "\xfe"))
		return s.Send(nil)
	}
	b := rpctest.Start(t, map[string]rpctest.Handler{get: serve, watch: serve, collect: serve, chat: serve})
	p := connect(t, b.Endpoint(rpctest.BackendName))
	for _, path := range kinds {
		c := call(t, snap, path, "")
		c.Metadata = metadata.Pairs("m", "a", "m", "b", "m-bin", "\x00\x01")
		client, _, err := exchange(t, p, c)
		if err != nil {
			t.Fatal(err)
		}
		want := metadata.Pairs("h", "1", "h", "2", "h-bin", "\x00\xff")
		if !equalMD(client.Header(), want) {
			t.Errorf("%s: headers %q, want %q", path, client.Header(), want)
		}
		want = metadata.Pairs("t", "3", "t-bin", "\xfe")
		if !equalMD(client.Trailer(), want) {
			t.Errorf("%s: trailers %q, want %q", path, client.Trailer(), want)
		}
		got := b.Metadata(path)
		if !slices.Equal(got["m"], []string{"a", "b"}) || !slices.Equal(got["m-bin"], []string{"\x00\x01"}) {
			t.Errorf("%s: the backend got %q", path, got)
		}
		if agent := got["user-agent"]; len(agent) != 1 || !strings.HasPrefix(agent[0], "protean") {
			t.Errorf("%s: user agent %q", path, agent)
		}
	}
}

func equalMD(a, b metadata.MD) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if !slices.Equal(a[k], b[k]) {
			return false
		}
	}
	return true
}

// Headers are passed on when they come, not with the first message.
func TestHeadersBeforeMessages(t *testing.T) {
	snap := compile(t)
	release := make(chan struct{})
	serve := func(s *rpctest.Stream) error {
		s.SendHeader(metadata.Pairs("h", "1"))
		<-release
		return nil
	}
	b := rpctest.Start(t, map[string]rpctest.Handler{watch: serve, chat: serve})
	p := connect(t, b.Endpoint(rpctest.BackendName))
	for _, path := range []string{watch, chat} {
		client := rpctest.NewClient(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Handle(t.Context(), call(t, snap, path, ""), client) }()
		rpctest.Wait(t, client.HeaderSent(), "headers")
		release <- struct{}{}
		if err := rpctest.Wait(t, done, "the call to end"); err != nil {
			t.Error(err)
		}
		close(client.Requests)
	}
}

// Each answer is there before the next question.
func TestFullDuplex(t *testing.T) {
	snap := compile(t)
	b := rpctest.Start(t, map[string]rpctest.Handler{chat: rpctest.Echo})
	p := connect(t, b.Endpoint(rpctest.BackendName))
	client := rpctest.NewClient(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Handle(t.Context(), call(t, snap, chat, ""), client) }()
	for _, text := range []string{"a", "b", "c"} {
		client.Requests <- []byte(text)
		if got := rpctest.Wait(t, client.Responses, "an answer"); string(got) != text {
			t.Errorf("got %q, want %q", got, text)
		}
	}
	close(client.Requests)
	if err := rpctest.Wait(t, done, "the call to end"); err != nil {
		t.Error(err)
	}
}

// A client that does not read stops the backend, once the windows are full.
func TestBackPressure(t *testing.T) {
	snap := compile(t)
	const messages, size = 64, 1 << 20
	sent := make(chan int, messages)
	serve := func(s *rpctest.Stream) error {
		for i := range messages {
			if err := s.Send(make([]byte, size)); err != nil {
				return err
			}
			sent <- i
		}
		return nil
	}
	b := rpctest.Start(t, map[string]rpctest.Handler{watch: serve})
	p := connect(t, b.Endpoint(rpctest.BackendName))
	client := rpctest.NewClient(t.Context())
	client.Responses = make(chan []byte)
	done := make(chan error, 1)
	go func() { done <- p.Handle(t.Context(), call(t, snap, watch, ""), client) }()
	for i := range messages {
		if ahead := len(sent); ahead > 48 {
			t.Fatalf("the backend is %d messages ahead of the client after %d", ahead, i)
		}
		rpctest.Wait(t, client.Responses, "a message")
		rpctest.Wait(t, sent, "the backend to send")
	}
	if err := rpctest.Wait(t, done, "the call to end"); err != nil {
		t.Error(err)
	}
}

func TestUnary(t *testing.T) {
	c := &rpc.Call{}
	for name, test := range map[string]struct {
		handler rpc.Handler
		want    string
		fails   bool
	}{
		"one":  {func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send([]byte("m")) }, "m", false},
		"none": {func(context.Context, *rpc.Call, rpc.Stream) error { return nil }, "", true},
		"two": {func(_ context.Context, _ *rpc.Call, s rpc.Stream) error {
			s.Send([]byte("m"))
			return s.Send([]byte("n"))
		}, "", true},
	} {
		response, err := rpc.Unary(t.Context(), test.handler, c)
		if string(response.Message) != test.want || (err != nil) != test.fails {
			t.Errorf("%s: %q, %v", name, response.Message, err)
		}
	}
}
