package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/gorilla/websocket"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/protean-gateway/protean/rpc/rpctest"
)

// verdict is what a client learns of a call, on whatever door.
type verdict struct {
	messages int
	code     codes.Code
	message  string
	details  string // the names of the details' types
}

// matrixDoors are the doors that carry every shape of a method. Each calls a method of
// silentService with one message of text, or none where it is empty, under a deadline in
// milliseconds, or none where that is 0.
var matrixDoors = map[string]func(t *testing.T, address, method, text string, deadline int) verdict{
	"gRPC":      callGRPC,
	"REST":      callREST,
	"events":    callEvents,
	"WebSocket": callWebSocket,
}

// TestMatrix calls every shape of method, on every door, with every outcome: the decision,
// the message and the details are the same.
func TestMatrix(t *testing.T) {
	failure, err := status.New(codes.FailedPrecondition, "the shelf is full").WithDetails(&errdetails.ErrorInfo{Reason: "FULL"})
	if err != nil {
		t.Fatal(err)
	}
	event := []byte("\x0a\x01a")
	for _, outcome := range []struct {
		name     string
		handler  rpctest.Handler
		size     int
		deadline int
		want     verdict
	}{
		{"success", rpctest.Answer(event), 1, 0, verdict{1, codes.OK, "", ""}},
		{"error with details", rpctest.Fail(failure), 1, 0, verdict{0, codes.FailedPrecondition, "the shelf is full", "google.rpc.ErrorInfo"}},
		{"deadline", rpctest.NewHang().Handle, 1, 50, verdict{0, codes.DeadlineExceeded, "the deadline of the call passed", ""}},
		{"too large an answer", rpctest.Answer(append([]byte("\x0a\x81\x80\xc0\x02"), make([]byte, 5<<20+1)...)), 1, 0,
			verdict{0, codes.ResourceExhausted, "a response message is larger than the limit of 4194304 bytes", ""}},
	} {
		for _, method := range []string{"Get", "Watch", "Collect", "Talk"} {
			address := silentGateway(t, map[string]rpctest.Handler{"/silent.v1.Silent/" + method: outcome.handler})
			for door, call := range matrixDoors {
				if door == "events" && (method == "Get" || method == "Collect") || door == "WebSocket" && method == "Get" {
					continue // these carry streams
				}
				t.Run(outcome.name+"/"+method+"/"+door, func(t *testing.T) {
					if got := call(t, address, method, strings.Repeat("x", outcome.size), outcome.deadline); got != outcome.want {
						t.Errorf("got %+v, want %+v", got, outcome.want)
					}
				})
			}
		}
	}
}

// TestMatrixTooLarge sends each shape of method a message over the limit: no door passes
// it on, and each says so as its protocol does.
func TestMatrixTooLarge(t *testing.T) {
	for _, method := range []string{"Watch", "Collect", "Talk"} {
		called := rpctest.NewHang()
		address := silentGateway(t, map[string]rpctest.Handler{"/silent.v1.Silent/" + method: called.Handle})
		for door, call := range matrixDoors {
			if door == "events" && method == "Collect" {
				continue
			}
			t.Run(method+"/"+door, func(t *testing.T) {
				if got := call(t, address, method, strings.Repeat("x", 5<<20), 0); got.code != codes.ResourceExhausted {
					t.Errorf("got %+v", got)
				}
			})
		}
	}
}

func callGRPC(t *testing.T, address, method, text string, deadline int) (v verdict) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ctx := t.Context()
	if deadline > 0 { // said, not kept: it is the gateway's answer that counts
		ctx = metadata.AppendToOutgoingContext(ctx, "x-request-timeout", fmt.Sprintf("%dms", deadline))
	}
	ctx, cancel := context.WithTimeout(ctx, exchangeTimeout)
	defer cancel()
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, "/silent.v1.Silent/"+method, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		t.Fatal(err)
	}
	// A send that fails leaves the reason to RecvMsg.
	_ = stream.SendMsg(&rawMessage{bytes: wireText(text)})
	_ = stream.CloseSend()
	for {
		err := stream.RecvMsg(&rawMessage{})
		if err == nil {
			v.messages++
			continue
		}
		if err != io.EOF {
			st := status.Convert(err)
			v.code, v.message = st.Code(), st.Message()
			for _, d := range st.Proto().GetDetails() {
				v.details += string(d.MessageName())
			}
		}
		return v
	}
}

// restStatus is google.rpc.Status, as REST writes it.
type restStatus struct {
	Code    codes.Code `json:"code"`
	Message string     `json:"message"`
	Details []struct {
		Type string `json:"@type"`
	} `json:"details"`
}

func (s *restStatus) judge(v *verdict) {
	v.code, v.message = s.Code, s.Message
	for _, d := range s.Details {
		v.details += strings.TrimPrefix(d.Type, "type.googleapis.com/")
	}
}

// restFrame is a frame of a stream.
type restFrame struct {
	Data  json.RawMessage
	Error *restStatus
	End   json.RawMessage
}

// count takes a frame into account.
func (v *verdict) count(t *testing.T, text []byte) {
	var f restFrame
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	switch {
	case f.Data != nil:
		v.messages++
	case f.Error != nil:
		f.Error.judge(v)
	}
}

func callREST(t *testing.T, address, method, text string, deadline int) (v verdict) {
	res, body := postSilent(t, address, method, text, "application/x-ndjson", deadline)
	switch {
	case res.StatusCode != http.StatusOK:
		var s restStatus
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		s.judge(&v)
	case res.Header.Get("Content-Type") == "application/json":
		v.messages = 1
	default:
		for line := range bytes.Lines(body) {
			v.count(t, line)
		}
	}
	return v
}

func callEvents(t *testing.T, address, method, text string, deadline int) (v verdict) {
	res, body := postSilent(t, address, method, text, "text/event-stream", deadline)
	if res.StatusCode != http.StatusOK {
		var s restStatus
		if err := json.Unmarshal(body, &s); err != nil {
			t.Fatalf("%q: %v", body, err)
		}
		s.judge(&v)
		return v
	}
	for line := range bytes.Lines(body) {
		if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok {
			v.count(t, data)
		}
	}
	return v
}

func postSilent(t *testing.T, address, method, text, accept string, deadline int) (*http.Response, []byte) {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+address+"/silent.v1.Silent/"+method, strings.NewReader(silentJSON(method, text)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", accept)
	if deadline > 0 {
		r.Header.Set("X-Request-Timeout", fmt.Sprintf("%dms", deadline))
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(bufio.NewReader(res.Body))
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

func callWebSocket(t *testing.T, address, method, text string, deadline int) (v verdict) {
	header := http.Header{}
	if deadline > 0 {
		header.Set("X-Request-Timeout", fmt.Sprintf("%dms", deadline))
	}
	conn, _, err := websocket.DefaultDialer.DialContext(t.Context(), "ws://"+address+"/silent.v1.Silent/"+method, header)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A send that fails leaves the reason to the close code.
	_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"data":`+silentJSON(method, text)+`}`))
	if method != "Watch" {
		_ = conn.WriteMessage(websocket.TextMessage, []byte(`{"end":{}}`))
	}
	for {
		_, frame, err := conn.ReadMessage()
		if websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
			return verdict{code: codes.ResourceExhausted}
		}
		if err != nil {
			if want := 4000 + int(v.code); v.code != codes.OK && !websocket.IsCloseError(err, want) {
				t.Errorf("closed with %v, want %d", err, want)
			}
			return v
		}
		v.count(t, frame)
	}
}

// silentJSON is the request in JSON. WatchRequest has no fields but an unknown one is as
// large as any.
func silentJSON(method, text string) string {
	if method == "Get" || method == "Watch" {
		return "{" + strings.Repeat(" ", len(text)) + "}"
	}
	return `{"text":"` + text + `"}`
}

// wireText is a message with a text in field 1.
func wireText(text string) []byte {
	n := uint64(len(text))
	b := []byte{0x0a}
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(append(b, byte(n)), text...)
}
