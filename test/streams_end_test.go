package test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

const watchPath = "/vault.v1.Vault/Watch"

// watchDoors hold a stream of the vault open until something ends it, and return all that came, with
// how it ended. Want is the end of one whose caller's credentials are no good any more.
var watchDoors = []struct {
	name  string
	watch func(addr string, header http.Header) (string, error)
	want  string
}{
	{"gRPC", holdOverGRPC, "Unauthenticated"},
	{"gRPC-Web", holdPosted(watchPath, "application/grpc-web+proto", "", "\x00\x00\x00\x00\x00"), "grpc-status: 16"},
	{"Connect", holdPosted(watchPath, "application/connect+json", "", framedJSON(`{}`)), `"code":"unauthenticated"`},
	{"REST as a list", holdPosted(watchPath, "application/json", "application/json", `{}`), `"code":16`},
	{"REST as lines", holdPosted(watchPath, "application/json", "application/x-ndjson", `{}`), `"code":16`},
	{"REST as events", holdPosted(watchPath, "application/json", "text/event-stream", `{}`), `"code":16`},
	{"REST WebSocket", holdSocket(watchPath, "protean.json", nil, `{"data":{}}`), "close 4016"},
	{"GraphQL events", holdPosted("/graphql", "application/json", "text/event-stream", `{"query":"`+watchQuery+`"}`), `"code":"UNAUTHENTICATED"`},
	{"GraphQL one event stream", holdReserved, ""},
	{"GraphQL WebSocket", holdSocket("/graphql", "graphql-transport-ws", nil, `{"type":"connection_init"}`, watchSubscribe), "close 4401 Unauthorized"},
	{"GraphQL WebSocket, said in its first message", holdSocket("/graphql", "graphql-transport-ws", initWith, watchSubscribe), "close 4401 Unauthorized"},
}

const (
	watchQuery     = "subscription { watch { owner phone } }"
	watchSubscribe = `{"type":"subscribe","id":"1","payload":{"query":"` + watchQuery + `"}}`
)

func framedJSON(text string) string {
	return string(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(text)))) + text
}

func holdOverGRPC(addr string, header http.Header) (string, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	md := make(metadata.MD)
	for name, values := range header {
		md.Append(name, values...)
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), md), exchangeTimeout)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, watchPath, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return "", err
	}
	_ = stream.SendMsg(&rawMessage{}) // RecvMsg has the status
	_ = stream.CloseSend()
	var said strings.Builder
	for {
		m := new(rawMessage)
		if err := stream.RecvMsg(m); err != nil {
			return said.String() + status.Code(err).String(), nil
		}
		said.Write(m.bytes)
	}
}

// holdRequest sends a request and reads its answer to the end.
func holdRequest(ctx context.Context, verb, url string, header http.Header, body string) (*http.Response, string, error) {
	r, err := http.NewRequestWithContext(ctx, verb, url, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	r.Header = header
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if errors.Is(err, io.ErrUnexpectedEOF) { // a list that is broken off
		err = nil
	}
	return response, string(text), err
}

func holdPosted(path, contentType, accept, body string) func(string, http.Header) (string, error) {
	return func(addr string, header http.Header) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
		defer cancel()
		header = header.Clone()
		header.Set("Content-Type", contentType)
		if accept != "" {
			header.Set("Accept", accept)
		}
		_, text, err := holdRequest(ctx, http.MethodPost, "http://"+addr+path, header, body)
		return text, err
	}
}

// holdReserved watches in the single connection mode of graphql-sse.
func holdReserved(addr string, header http.Header) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), exchangeTimeout)
	defer cancel()
	url := "http://" + addr + "/graphql"
	_, token, err := holdRequest(ctx, http.MethodPut, url, header.Clone(), "")
	if err != nil {
		return "", err
	}
	with := header.Clone()
	with.Set("X-GraphQL-Event-Stream-Token", token)
	with.Set("Content-Type", "application/json")
	started, said, err := holdRequest(ctx, http.MethodPost, url, with.Clone(), `{"query":"`+watchQuery+`","extensions":{"operationId":"1"}}`)
	if err != nil || started.StatusCode != http.StatusAccepted {
		return said, errors.Join(err, errors.New("the operation was not accepted"))
	}
	with.Set("Accept", "text/event-stream")
	_, text, err := holdRequest(ctx, http.MethodGet, url, with, "")
	return text, err
}

func initWith(header http.Header) (messages []string, rest http.Header) {
	rest = header.Clone()
	for name := range header {
		messages = append(messages, fmt.Sprintf(`{"type":"connection_init","payload":{%q:%q}}`, name, header.Get(name)))
		rest.Del(name)
	}
	return messages, rest
}

// holdSocket sends messages on a WebSocket, after those that first makes of the header.
func holdSocket(
	path, protocol string, first func(http.Header) ([]string, http.Header), messages ...string,
) func(string, http.Header) (string, error) {
	return func(addr string, header http.Header) (string, error) {
		all := messages
		if first != nil {
			said, rest := first(header)
			all, header = append(said, messages...), rest
		}
		dialer := websocket.Dialer{Subprotocols: []string{protocol}, HandshakeTimeout: exchangeTimeout}
		conn, response, err := dialer.Dial("ws://"+addr+path, header)
		if err != nil {
			return "", err
		}
		response.Body.Close()
		defer conn.Close()
		if err := conn.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
			return "", err
		}
		for _, m := range all {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				return "", err
			}
		}
		var said strings.Builder
		for {
			_, m, err := conn.ReadMessage()
			if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
				return fmt.Sprintf("%sclose %d %s", said.String(), closed.Code, closed.Text), nil
			}
			if err != nil {
				return said.String(), err
			}
			said.Write(m)
		}
	}
}

// asYAML writes a configuration as a file: JSON is YAML.
func asYAML(t *testing.T, config *configv1.Config) string {
	t.Helper()
	text, err := protojson.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// watchAll opens a stream on each door, has them ended once all have reached the backend, and looks at
// what their clients hear.
func (h *vaultHouse) watchAll(t *testing.T, addr string, header http.Header, end func()) {
	t.Helper()
	before := h.backend.Calls(watchPath)
	var watching sync.WaitGroup
	for _, door := range watchDoors {
		watching.Go(func() {
			said, err := door.watch(addr, header)
			switch {
			case err != nil:
				t.Errorf("%s: %v: %q", door.name, err, said)
			case !strings.Contains(said, boxPhone) || !strings.Contains(said, door.want):
				t.Errorf("%s: %q, want %q", door.name, said, door.want)
			}
		})
	}
	await(t, "all streams", func() bool { return h.backend.Calls(watchPath) == before+len(watchDoors) || t.Failed() })
	end()
	watching.Wait()
}

// TestStreamsEndWithCredentials holds a stream open on each door until the caller's token ends, and waits for
// the door's own way to say so.
func TestStreamsEndWithCredentials(t *testing.T) {
	h := startVault(t, nil)
	h.watchAll(t, h.address, http.Header{"Authorization": {"Bearer " + h.dying()}}, func() {})
}

// TestStreamsEndWhenRevoked holds a stream open on each door until the caller's key is taken out of the
// configuration.
func TestStreamsEndWhenRevoked(t *testing.T) {
	h := newVault(t, func(c *configv1.Config) { c.CredentialsRecheck = durationpb.New(200 * time.Millisecond) })
	config := h.config()
	c := startConfigured(t, asYAML(t, config))
	h.watchAll(t, strings.TrimPrefix(c.base, "http://"), http.Header{"X-Api-Key": {robotKey}}, func() {
		next := proto.CloneOf(config)
		next.Authenticators[1].GetApiKeys().Keys[0].Sha256 = proto.String(strings.Repeat("0", 64))
		c.reload(t, asYAML(t, next), reloadServed)
	})
}

// TestOpenSocketFollowsPolicies changes the policies while a socket of GraphQL is open: its next operation falls
// under the new ones, and the one that runs goes on.
func TestOpenSocketFollowsPolicies(t *testing.T) {
	h := newVault(t, nil)
	config := h.config()
	c := startConfigured(t, asYAML(t, config))
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: exchangeTimeout}
	conn, response, err := dialer.Dial(strings.Replace(c.base, "http", "ws", 1)+"/graphql", http.Header{"X-Api-Key": {robotKey}})
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		t.Fatal(err)
	}
	say := func(id, want string, messages ...string) {
		t.Helper()
		for _, m := range messages {
			if err := conn.WriteMessage(websocket.TextMessage, []byte(m)); err != nil {
				t.Fatal(err)
			}
		}
		for {
			_, m, err := conn.ReadMessage()
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(m), `"type":"complete"`) || !strings.Contains(string(m), id) {
				continue
			}
			if !strings.Contains(string(m), want) {
				t.Fatalf("%s, want %s", m, want)
			}
			return
		}
	}
	known := func(id string) string {
		return `{"type":"subscribe","id":"` + id + `","payload":{"query":"{ known(owner: \"x\") { owner phone } }"}}`
	}
	say("ack", "connection_ack", `{"type":"connection_init"}`)
	say(`"id":"1"`, boxPhone, watchSubscribe)
	say(`"id":"a"`, boxPhone, known("a"))

	next := proto.CloneOf(config)
	for _, rule := range next.GetPolicies() {
		if rule.GetSelector() == "vault.v1.Vault.Known" || rule.GetSelector() == "vault.v1.Vault.Watch" {
			rule.Policy.Authorize.Roles = []string{"nobody"}
		}
	}
	c.reload(t, asYAML(t, next), reloadServed)
	say(`"id":"b"`, "PERMISSION_DENIED", known("b"))
	say(`"id":"2"`, "PERMISSION_DENIED", strings.Replace(watchSubscribe, `"id":"1"`, `"id":"2"`, 1))
	if calls := h.backend.Calls(watchPath); calls != 1 {
		t.Errorf("%d streams reached the backend", calls)
	}
	c.reload(t, asYAML(t, config), reloadServed)
	say(`"id":"c"`, boxPhone, known("c"))
}
