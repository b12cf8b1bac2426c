package test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// edgeRefusal is a request that gets no further than the edge, or than the look of a door at its
// headers.
type edgeRefusal struct {
	name   string
	http   *configv1.HTTP // of the gateway
	header http.Header
	query  string
	// applies reports whether a door refuses it. Nil: every door does.
	applies func(*testing.T, matrixDoor, *matrixCall) bool
	status  int // of HTTP, on doors that have one
	want    verdict
}

var edgeRefusals = []edgeRefusal{
	{
		name: "long target", query: "pad=" + strings.Repeat("x", 9<<10),
		status: http.StatusRequestURITooLong, want: tooLong,
	},
	{
		name: "many header fields", header: manyHeaders(101), status: http.StatusRequestHeaderFieldsTooLarge,
		want: verdict{code: codes.ResourceExhausted, message: "more than 100 header fields"},
	},
	{
		name: "bad credentials", header: http.Header{"X-Api-Key": {"nonsense"}}, status: http.StatusUnauthorized,
		want: verdict{code: codes.Unauthenticated, message: "the credentials are not valid"},
	},
	{
		name: "flood", http: &configv1.HTTP{Flood: &configv1.Flood{Requests: proto.Uint32(1), Burst: proto.Uint32(1)}},
		applies: flooded, status: http.StatusTooManyRequests,
		want: verdict{code: codes.ResourceExhausted, message: "too many requests from this address; try again later"},
	},
	{
		name: "another origin", header: http.Header{"Origin": {"https://foe.example"}, "Sec-Fetch-Site": {"cross-site"}},
		applies: changesSomething, status: http.StatusForbidden,
		want: verdict{code: codes.PermissionDenied, message: "pages of this origin may not call; http.cors.origins names those that may"},
	},
	{
		name: "another origin's socket", header: http.Header{"Origin": {"https://foe.example"}},
		applies: opensSocket, status: http.StatusForbidden,
		want: verdict{code: codes.PermissionDenied, message: "this origin may not open a WebSocket"},
	},
	{
		name: "no time", header: http.Header{"X-Request-Timeout": {"soon"}},
		applies: hasDeadlines, status: http.StatusBadRequest,
		want: verdict{code: codes.InvalidArgument, message: "header x-request-timeout does not say a time"},
	},
}

func manyHeaders(n int) http.Header {
	h := make(http.Header)
	for i := range n {
		h.Set(fmt.Sprintf("X-Field-%d", i), "x")
	}
	return h
}

// flooded uses up what an address may send.
func flooded(t *testing.T, _ matrixDoor, c *matrixCall) bool {
	for range 1000 {
		res, _, err := (&matrixCall{ctx: c.ctx, address: c.address}).exchange(http.MethodGet, "http://"+c.address+"/", nil, make(http.Header))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode == http.StatusTooManyRequests {
			return true
		}
	}
	t.Fatal("nothing is a flood")
	return false
}

// changesSomething holds for the doors whose requests may have side effects. A page may
// send others, and cannot read the answers.
func changesSomething(_ *testing.T, d matrixDoor, _ *matrixCall) bool {
	return !d.target && !d.timeless && !strings.Contains(d.name, "WebSocket")
}

func opensSocket(_ *testing.T, d matrixDoor, _ *matrixCall) bool {
	return strings.Contains(d.name, "WebSocket")
}

func hasDeadlines(_ *testing.T, d matrixDoor, _ *matrixCall) bool { return !d.timeless }

// TestMatrixRefusals sends every door what is refused before there is a call: each client is told
// so by its own protocol, with the same code and the same words.
func TestMatrixRefusals(t *testing.T) {
	for _, refusal := range edgeRefusals {
		house := newRefusingHouse(t, refusal.http)
		eachDoor(t, refusal.name, func(t *testing.T, s shape, d matrixDoor, http2 bool) {
			refusal.check(t, house, s, d, http2)
		})
	}
}

func (r *edgeRefusal) check(t *testing.T, house *shapesHouse, s shape, d matrixDoor, http2 bool) {
	house.backend.Handle(s.path(), rpctest.Answer(wireText("a")))
	ctx, cancel := context.WithTimeout(t.Context(), exchangeTimeout)
	defer cancel()
	var got verdict
	var err error
	status := r.status
	if d.inBand {
		status = http.StatusOK
	}
	for range 5 { // an address may send again while a slow machine does
		c := &matrixCall{ctx: ctx, address: house.patient, shape: s, text: "a", http2: http2, header: r.header, query: r.query}
		if r.applies != nil && !r.applies(t, d, c) {
			t.Skip("this door has another answer to that")
		}
		got, err = d.call(c)
		if c.status == 0 { // grpc-go shows none
			c.status = status
		}
		if err == nil && got == r.want && c.status == status {
			return
		}
		t.Logf("status %d, want %d", c.status, status)
		if r.http == nil {
			break
		}
	}
	t.Errorf("got  %+v, %v\nwant %+v", got, err, r.want)
}

// newRefusingHouse is a gateway that knows a kind of credentials, with settings of its listener.
func newRefusingHouse(t *testing.T, front *configv1.HTTP) *shapesHouse {
	snapshot := rpctest.Compile(t, map[string]string{"shapes.proto": shapesService})
	house := &shapesHouse{backend: rpctest.Start(t, map[string]rpctest.Handler{}, rpctest.Reflect(snapshot.Backends[0]))}
	running, stop := startGateway(t, &configv1.Config{
		Backends: []*configv1.Backend{backendAt("shapes", house.backend.Address)},
		Http:     front,
		Authenticators: []*configv1.Authenticator{{
			Name: proto.String("keys"),
			Kind: &configv1.Authenticator_ApiKeys{ApiKeys: &configv1.APIKeys{
				Keys: []*configv1.APIKey{{Sha256: proto.String(strings.Repeat("0", 64)), Subject: proto.String("nobody")}},
			}},
		}},
	})
	t.Cleanup(stop)
	house.patient = running.Addr()
	return house
}
