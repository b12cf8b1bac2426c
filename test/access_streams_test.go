package test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// The doors of streams, each to the twin of a method that streams, and the other ways to a method.
var moreDoorways = []doorway{
	{"gRPC stream", (*visit).streamOverGRPC},
	{"gRPC-Web stream", func(v *visit) (reply, error) { return v.onTwin(streamTwin).overGRPCWeb("application/grpc-web+proto") }},
	{"Connect proto", (*visit).overConnectProto},
	{"Connect stream", (*visit).streamOverConnect},
	{"REST NDJSON", func(v *visit) (reply, error) {
		v.header.Set("Accept", "application/x-ndjson")
		return v.onTwin(streamTwin).defaultPath()
	}},
	{"REST events", func(v *visit) (reply, error) {
		v.header.Set("Accept", "text/event-stream")
		return v.onTwin(streamTwin).defaultPath()
	}},
	{"GraphQL SSE", (*visit).subscribeOverSSE},
	{"GraphQL WebSocket", (*visit).subscribeOverWebSocket},
	{"GraphQL _entities", (*visit).overEntities},
	{"GraphQL batch of aliases", func(v *visit) (reply, error) {
		return v.overGraphQL(`query Q($o: ID!) { ... on Query { a: %s(owner: $o) { ... { pin phone } __typename } } }`, v.field())
	}},
	{"REST path in another spelling", (*visit).spelledPath},
}

// onTwin makes the visit one to a twin of its method.
func (v *visit) onTwin(twin string) *visit {
	v.twin = twin
	return v
}

func (v *visit) streamOverGRPC() (reply, error) {
	md := make(metadata.MD)
	for name, values := range v.header {
		md.Append(name, values...)
	}
	ctx, cancel := context.WithTimeout(metadata.NewOutgoingContext(context.Background(), md), exchangeTimeout)
	defer cancel()
	stream, err := v.way.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, v.onTwin(streamTwin).path(), grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return reply{status.Code(err), nil}, nil
	}
	_ = stream.SendMsg(&rawMessage{bytes: v.message()}) // RecvMsg says why not
	_ = stream.CloseSend()
	var all []byte
	for {
		one := new(rawMessage)
		if err := stream.RecvMsg(one); errors.Is(err, io.EOF) {
			return reply{codes.OK, all}, nil
		} else if err != nil {
			return reply{status.Code(err), all}, nil
		}
		all = append(all, one.bytes...)
	}
}

func (v *visit) overConnectProto() (reply, error) {
	v.header.Set("Connect-Protocol-Version", "1")
	return v.plain(http.MethodPost, v.path(), "application/proto", v.message())
}

func (v *visit) streamOverConnect() (reply, error) {
	v.header.Set("Connect-Protocol-Version", "1")
	frame := binary.BigEndian.AppendUint32([]byte{0}, uint32(len(v.json())))
	response, body, err := v.exchange(http.MethodPost, v.onTwin(streamTwin).path(), "application/connect+json", append(frame, v.json()...))
	if err != nil || response.StatusCode != http.StatusOK {
		return reply{codes.Unknown, body}, err
	}
	all := body
	for len(body) >= 5 {
		flags, length := body[0], int(binary.BigEndian.Uint32(body[1:]))
		if len(body) < 5+length {
			break
		}
		payload := body[5 : 5+length]
		body = body[5+length:]
		if flags&2 == 0 {
			continue
		}
		var end struct{ Error struct{ Code string } }
		if err := json.Unmarshal(payload, &end); err != nil {
			return reply{}, err
		}
		return reply{ofConnect(end.Error.Code), all}, nil
	}
	return reply{}, fmt.Errorf("no end of the stream: %q", all)
}

func ofConnect(code string) codes.Code {
	switch code {
	case "":
		return codes.OK
	case "unauthenticated":
		return codes.Unauthenticated
	case "permission_denied":
		return codes.PermissionDenied
	default:
		return codes.Unknown
	}
}

func (v *visit) subscription() map[string]any {
	return map[string]any{
		"query":     fmt.Sprintf(`subscription($o: ID!) { w%s(owner: $o) { owner pin phone } }`, v.method),
		"variables": map[string]any{"o": v.owner},
	}
}

func (v *visit) subscribeOverSSE() (reply, error) {
	body, err := json.Marshal(v.subscription())
	if err != nil {
		return reply{}, err
	}
	v.header.Set("Accept", "text/event-stream")
	response, text, err := v.exchange(http.MethodPost, "/graphql", "application/json", body)
	if err != nil {
		return reply{}, err
	}
	for line := range strings.Lines(string(text)) {
		if data, ok := strings.CutPrefix(line, "data:"); ok && len(strings.TrimSpace(data)) > 2 {
			return ofGraphQL(response, []byte(strings.TrimSpace(data)))
		}
	}
	return ofGraphQL(response, text)
}

func (v *visit) subscribeOverWebSocket() (reply, error) {
	dialer := websocket.Dialer{Subprotocols: []string{"graphql-transport-ws"}, HandshakeTimeout: exchangeTimeout, TLSClientConfig: v.way.tls}
	conn, response, err := dialer.Dial(v.way.webSocket()+"/graphql", v.header)
	if err != nil {
		if response == nil {
			return reply{}, err
		}
		response.Body.Close()
		return reply{ofStatus(response.StatusCode), nil}, nil
	}
	response.Body.Close()
	defer conn.Close()
	if err := conn.SetReadDeadline(time.Now().Add(exchangeTimeout)); err != nil {
		return reply{}, err
	}
	subscribe, err := json.Marshal(map[string]any{"type": "subscribe", "id": "1", "payload": v.subscription()})
	if err != nil {
		return reply{}, err
	}
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"type":"connection_init"}`)) // reading says why not
	_ = conn.WriteMessage(websocket.TextMessage, subscribe)
	for {
		_, message, err := conn.ReadMessage()
		if closed, ok := errors.AsType[*websocket.CloseError](err); ok {
			return reply{map[int]codes.Code{4401: codes.Unauthenticated, 4403: codes.PermissionDenied}[closed.Code], []byte(closed.Text)}, nil
		} else if err != nil {
			return reply{}, err
		}
		var m struct {
			Type    string
			Payload json.RawMessage
		}
		if err := json.Unmarshal(message, &m); err != nil {
			return reply{}, err
		}
		switch m.Type {
		case "next":
			return ofGraphQL(response, m.Payload)
		case "error":
			return ofGraphQL(response, fmt.Appendf(nil, `{"errors":%s}`, m.Payload))
		case "complete":
			return reply{}, errors.New("the subscription ended without a word")
		}
	}
}

func (v *visit) overEntities() (reply, error) {
	body, err := json.Marshal(map[string]any{
		"query":     fmt.Sprintf(`query($r: [_Any!]!) { _entities(representations: $r) { ... on %sBox { owner pin phone } } }`, v.method),
		"variables": map[string]any{"r": []any{map[string]any{"__typename": v.method + "Box", "owner": v.owner}}},
	})
	if err != nil {
		return reply{}, err
	}
	response, text, err := v.exchange(http.MethodPost, "/graphql", "application/json", body)
	if err != nil {
		return reply{}, err
	}
	return ofGraphQL(response, text)
}

// spelledPath asks for the route of a method in one of the ways that fool gateways which
// match paths in another form than they forward. Whatever a path is taken for, no other
// method's policy may decide.
func (v *visit) spelledPath() (reply, error) {
	route := "/v1/" + v.field() + "/" + v.owner
	spelled := []string{
		"/v1/" + encoded(v.field()) + "/" + v.owner,
		"/v1/" + v.field() + "/" + encoded(v.owner),
		"/" + encoded("v1") + "/" + v.field() + "/" + v.owner,
		"/" + route,
		"/v1//" + v.field() + "/" + v.owner,
		route + "/",
		route + ";public=1",
		"/v1/public/../" + v.field() + "/" + v.owner,
		"/v1/public/%2e%2e/" + v.field() + "/" + v.owner,
		"/v1/public%2f..%2f" + v.field() + "/" + v.owner,
		"/v1/" + v.field() + "%2f" + v.owner,
		"/V1/" + strings.ToUpper(v.field()) + "/" + v.owner,
		"/v1/./" + v.field() + "/" + v.owner,
		"/v1/%00/../" + v.field() + "/" + v.owner,
		"/v1/public\\..\\" + v.field() + "/" + v.owner,
		route + "?owner=" + url.QueryEscape("alice"),
		route + "%3f/v1/public/alice",
		route + "%23/v1/public/alice",
	}
	return v.plain(http.MethodGet, spelled[rand.IntN(len(spelled))], "", nil)
}

func encoded(text string) string {
	var b bytes.Buffer
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02x", text[i])
	}
	return b.String()
}
