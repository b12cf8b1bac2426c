package test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	policyv1 "github.com/protean-gateway/protean/proto/protean/policy/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// shapesService has a method of each shape. All take and answer notes.
const shapesService = `
edition = "2023";
package shapes.v1;
import "google/api/annotations.proto";

service Shapes {
  rpc Read(Note) returns (Note) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/note"};
  }
  rpc Write(Note) returns (Note) {
    option (google.api.http) = {post: "/v1/note" body: "*"};
  }
  rpc Watch(Note) returns (stream Note) {
    option (google.api.http) = {get: "/v1/notes"};
  }
  rpc Collect(stream Note) returns (Note);
  rpc Talk(stream Note) returns (stream Note);
}
message Note { string text = 1; }
`

// shape is a method of shapesService.
type shape struct {
	name                         string
	clientStreams, serverStreams bool
}

var (
	shapeRead    = shape{name: "Read"}
	shapeWrite   = shape{name: "Write"}
	shapeWatch   = shape{name: "Watch", serverStreams: true}
	shapeCollect = shape{name: "Collect", clientStreams: true}
	shapeTalk    = shape{name: "Talk", clientStreams: true, serverStreams: true}
	shapes       = []shape{shapeRead, shapeWrite, shapeWatch, shapeCollect, shapeTalk}
)

func (s shape) path() string  { return "/shapes.v1.Shapes/" + s.name }
func (s shape) streams() bool { return s.clientStreams || s.serverStreams }

// sends returns what a client sends for a text: a stream says it twice.
func (s shape) sends(text string) []string {
	if s.clientStreams {
		return []string{text, text}
	}
	return []string{text}
}

// verdict is what a client learns of a call, on whatever door.
type verdict struct {
	answers string // the texts of the messages, each with a comma behind it
	code    codes.Code
	message string
	details string // the types of the details and their reasons
}

// outcome is how calls end: what the backend does and the client wants, and what
// every door makes of it.
type outcome struct {
	name    string
	handler func(shape) rpctest.Handler
	text    string // of the request; a long one is cut from the names of failures
	// timeout is the client's. By policy it is the method's, and then the client has none.
	timeout  time.Duration
	byPolicy bool
	hidden   bool // the gateway hides INTERNAL
	want     func(shape) verdict
}

func always(v verdict) func(shape) verdict { return func(shape) verdict { return v } }

func every(h rpctest.Handler) func(shape) rpctest.Handler {
	return func(shape) rpctest.Handler { return h }
}

// matrixLimit is the default of limits.request_bytes and limits.response_bytes.
const matrixLimit = 4 << 20

// matrixTimeout is how long calls to a backend that says nothing are waited for.
const matrixTimeout = 50 * time.Millisecond

var (
	huge    = strings.Repeat("x", matrixLimit+1)
	tooLate = verdict{code: codes.DeadlineExceeded, message: "the deadline of the call passed"}
	full    = verdict{code: codes.FailedPrecondition, message: "the shelf is full", details: "google.rpc.ErrorInfo FULL"}
	// What clients get in place of an error that is hidden.
	concealed = verdict{
		code:    codes.Internal,
		message: "the backend returned INTERNAL; the log of the gateway has its message, with request id matrix",
	}
	// The request of a GET is bounded by the length of its target.
	tooLong = verdict{code: codes.ResourceExhausted, message: "the request target is longer than 8192 bytes"}
	tooBig  = verdict{code: codes.ResourceExhausted, message: "a request message is larger than the limit of 4194304 bytes"}
)

func outcomes(t *testing.T) []outcome {
	failure, err := status.New(codes.FailedPrecondition, "the shelf is full").WithDetails(
		&errdetails.ErrorInfo{Reason: "FULL"}, &errdetails.DebugInfo{Detail: "shelf.go:12"})
	if err != nil {
		t.Fatal(err)
	}
	secret, err := status.New(codes.Internal, "SELECT * FROM shelves").WithDetails(&errdetails.ErrorInfo{Reason: "SQL"})
	if err != nil {
		t.Fatal(err)
	}
	hang := func(shape) rpctest.Handler { return rpctest.NewHang().Handle }
	return []outcome{
		{name: "success", handler: answerShape, text: "a", want: wantAnswers},
		{name: "error with details", handler: every(rpctest.Fail(failure)), text: "a", want: always(full)},
		{
			name: "error after a message", text: "a",
			handler: every(func(s *rpctest.Stream) error {
				_ = s.Send(wireText("a")) // a client that is gone fails the test
				return failure.Err()
			}),
			want: func(s shape) verdict {
				v := full
				if s.serverStreams {
					v.answers = "a,"
				}
				return v
			},
		},
		{name: "hidden error", handler: every(rpctest.Fail(secret)), text: "a", hidden: true, want: always(concealed)},
		{
			name: "hidden error after a message", text: "a", hidden: true,
			handler: every(func(s *rpctest.Stream) error {
				_ = s.Send(wireText("a")) // a client that is gone fails the test
				return secret.Err()
			}),
			want: func(s shape) verdict {
				v := concealed
				if s.serverStreams {
					v.answers = "a,"
				}
				return v
			},
		},
		{name: "error that is not hidden", handler: every(rpctest.Fail(failure)), text: "a", hidden: true, want: always(full)},
		{
			name: "cancelled by the backend", handler: every(rpctest.Fail(status.New(codes.Canceled, "closing time"))), text: "a",
			want: always(verdict{code: codes.Canceled, message: "closing time"}),
		},
		{name: "deadline of the client", handler: hang, text: "a", timeout: matrixTimeout, want: always(tooLate)},
		{name: "deadline of the method", handler: hang, text: "a", timeout: matrixTimeout, byPolicy: true, want: always(tooLate)},
		{
			name: "too large an answer", handler: every(rpctest.Answer(wireText(huge))), text: "a",
			want: always(verdict{code: codes.Internal, message: "a response message is larger than the limit of 4194304 bytes"}),
		},
		{name: "too large a request", handler: every(rpctest.Answer(wireText("a"))), text: huge, want: always(tooBig)},
	}
}

// answerShape says what was heard: twice in a server stream, all at once to a stream, and
// line by line in talk.
func answerShape(s shape) rpctest.Handler {
	switch s {
	case shapeTalk:
		return rpctest.Echo
	case shapeCollect:
		return rpctest.Answer(wireText("a+a"))
	case shapeWatch:
		return rpctest.Answer(wireText("a"), wireText("a"))
	default:
		return rpctest.Answer(wireText("a"))
	}
}

func wantAnswers(s shape) verdict {
	return verdict{answers: map[string]string{"Talk": "a,a,", "Collect": "a+a,", "Watch": "a,a,"}[s.name] + map[bool]string{false: "a,"}[s.streams()]}
}

// matrixCall is one call that a door is to make.
type matrixCall struct {
	ctx     context.Context //nolint:containedctx // of this one call
	address string
	shape   shape
	text    string
	timeout time.Duration // what the client says, in its protocol; 0: nothing
	http2   bool
	header  http.Header // further ones of every request, or nil
	query   string      // a further parameter of every request, or empty
	status  int         // of the last answer over HTTP
}

func (c *matrixCall) url() string { return "http://" + c.address + c.shape.path() }

// milliseconds is the timeout as doors with headers of their own for it write it.
func (c *matrixCall) milliseconds() string { return fmt.Sprint(c.timeout.Milliseconds()) }

// matrixDoor is a way to call methods. An error is a fault of the door, unless the
// context of the call was done before.
type matrixDoor struct {
	name    string
	carries func(shape) bool
	http    []int // the versions that it is called over
	call    func(*matrixCall) (verdict, error)
	// timeless doors have no deadline of the client's.
	timeless bool
	// target doors put the request into the target of the HTTP request, which has a limit of its own.
	target bool
	// framed doors have a limit for what the request stands in, and say no more than that.
	framed bool
	// inBand doors say how a call ended under the HTTP status 200, also where it never began.
	inBand bool
}

func carriesAll(shape) bool       { return true }
func carriesUnary(s shape) bool   { return !s.streams() }
func carriesStreams(s shape) bool { return s.streams() }
func carriesAnswers(s shape) bool { return s.serverStreams }
func carriesReads(s shape) bool   { return s == shapeRead }
func carriesGraph(s shape) bool   { return !s.clientStreams }

var (
	bothHTTP = []int{1, 2}
	onlyH1   = []int{1}
	onlyH2   = []int{2}
)

var matrixDoors = []matrixDoor{
	{name: "grpc-go", carries: carriesAll, http: onlyH2, call: callGRPC, inBand: true},
	{name: "gRPC", carries: carriesAll, http: onlyH2, call: framesDoor("application/grpc"), inBand: true},
	{name: "gRPC JSON", carries: carriesAll, http: onlyH2, call: framesDoor("application/grpc+json"), inBand: true},
	{name: "gRPC-Web", carries: carriesAll, http: bothHTTP, call: framesDoor("application/grpc-web+proto"), inBand: true},
	{name: "gRPC-Web JSON", carries: carriesAll, http: bothHTTP, call: framesDoor("application/grpc-web+json"), inBand: true},
	{name: "gRPC-Web text", carries: carriesAll, http: bothHTTP, call: framesDoor("application/grpc-web-text"), inBand: true},
	{name: "Connect proto", carries: carriesUnary, http: bothHTTP, call: connectDoor("application/proto")},
	{name: "Connect JSON", carries: carriesUnary, http: bothHTTP, call: connectDoor("application/json")},
	{name: "Connect GET proto", carries: carriesReads, http: bothHTTP, call: connectGetDoor("proto"), target: true},
	{name: "Connect GET JSON", carries: carriesReads, http: bothHTTP, call: connectGetDoor("json"), target: true},
	{name: "Connect stream proto", carries: carriesStreams, http: bothHTTP, call: framesDoor("application/connect+proto"), inBand: true},
	{name: "Connect stream JSON", carries: carriesStreams, http: bothHTTP, call: framesDoor("application/connect+json"), inBand: true},
	{name: "REST JSON", carries: carriesAll, http: bothHTTP, call: callREST("application/json")},
	{name: "REST GET", carries: carriesReads, http: bothHTTP, call: callRESTGet, target: true},
	{name: "REST NDJSON", carries: carriesAnswers, http: bothHTTP, call: callREST("application/x-ndjson")},
	{name: "REST events", carries: carriesAnswers, http: bothHTTP, call: callREST("text/event-stream")},
	{name: "REST WebSocket", carries: carriesStreams, http: onlyH1, call: socketDoor("protean.json")},
	{name: "REST WebSocket proto", carries: carriesStreams, http: onlyH1, call: socketDoor("protean.proto")},
	{name: "GraphQL POST", carries: carriesUnary, http: bothHTTP, call: graphDoor("POST", "application/json")},
	{name: "GraphQL POST in its own type", carries: carriesUnary, http: bothHTTP, call: graphDoor("POST", graphType+", application/json;q=0.9")},
	{name: "GraphQL GET", carries: carriesReads, http: bothHTTP, call: graphDoor("GET", "application/json"), target: true},
	{name: "GraphQL events", carries: carriesGraph, http: bothHTTP, call: graphDoor("POST", "text/event-stream")},
	{name: "GraphQL events in one stream", carries: carriesGraph, http: bothHTTP, call: callGraphReserved},
	{name: "GraphQL WebSocket", carries: carriesGraph, http: onlyH1, call: callGraphSocket, timeless: true, framed: true},
}

// TestMatrix calls every shape of method, on every door, with every outcome: the decision,
// the code, the message and the details are the same.
func TestMatrix(t *testing.T) {
	house := newShapesHouse(t)
	for _, o := range outcomes(t) {
		eachDoor(t, o.name, func(t *testing.T, s shape, d matrixDoor, http2 bool) {
			c := &matrixCall{address: house.address(o), shape: s, text: o.text, http2: http2}
			if !o.byPolicy {
				if c.timeout = o.timeout; c.timeout > 0 && d.timeless {
					t.Skip("operations of a socket have no deadline of the client's")
				}
			}
			if o.hidden {
				c.header = http.Header{"X-Request-Id": {"matrix"}}
			}
			want := o.want(s)
			switch {
			case want != tooBig:
			case d.target:
				c.text, want = huge[:10<<10], tooLong
			case d.framed:
				want = verdict{code: codes.ResourceExhausted} // the code with which the socket closes
			}
			house.backend.Handle(s.path(), o.handler(s))
			var cancel context.CancelFunc
			c.ctx, cancel = context.WithTimeout(t.Context(), exchangeTimeout)
			defer cancel()
			if got, err := d.call(c); err != nil || got != want {
				t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
			}
		})
	}
}

// TestMatrixCancel has the client of every door and shape go away while the backend says
// nothing: the backend hears of it.
func TestMatrixCancel(t *testing.T) {
	house := newShapesHouse(t)
	eachDoor(t, "cancel", func(t *testing.T, s shape, d matrixDoor, http2 bool) {
		hang := rpctest.NewHang()
		house.backend.Handle(s.path(), hang.Handle)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan verdict, 1)
		go func() {
			v, _ := d.call(&matrixCall{ctx: ctx, address: house.patient, shape: s, text: "a", http2: http2})
			ended <- v
		}()
		hang.WaitStarted(t)
		cancel()
		hang.WaitCancelled(t)
		if v := rpctest.Wait(t, ended, "the client to return"); v.answers != "" {
			t.Errorf("got %+v", v)
		}
	})
}

// eachDoor runs a test for each shape on each door that carries it, and each version of HTTP.
func eachDoor(t *testing.T, name string, test func(*testing.T, shape, matrixDoor, bool)) {
	for _, s := range shapes {
		for _, d := range matrixDoors {
			if !d.carries(s) {
				continue
			}
			for _, version := range d.http {
				t.Run(fmt.Sprintf("%s/%s/%s/HTTP %d", name, s.name, d.name, version), func(t *testing.T) {
					test(t, s, d, version == 2)
				})
			}
		}
	}
}

// shapesHouse is a scripted backend behind three gateways: one whose methods take their time,
// one that gives them very little, and one that hides INTERNAL.
type shapesHouse struct {
	backend                      *rpctest.Backend
	patient, impatient, discreet string
}

func newShapesHouse(t *testing.T) *shapesHouse {
	snapshot := rpctest.Compile(t, map[string]string{"shapes.proto": shapesService})
	house := &shapesHouse{backend: rpctest.Start(t, map[string]rpctest.Handler{}, rpctest.Reflect(snapshot.Backends[0]))}
	for _, g := range []struct {
		address *string
		policy  *policyv1.Policy
	}{
		{&house.patient, &policyv1.Policy{}},
		{&house.impatient, &policyv1.Policy{Timeout: &policyv1.Timeout{Call: durationpb.New(matrixTimeout)}}},
		{&house.discreet, &policyv1.Policy{Errors: &policyv1.Errors{Hide: []string{"INTERNAL"}}}},
	} {
		g.policy.Breaker = &policyv1.Breaker{Disabled: proto.Bool(true)}
		running, stop := startGateway(t, &configv1.Config{
			Backends: []*configv1.Backend{backendAt("shapes", house.backend.Address)},
			Policies: []*configv1.PolicyRule{{Selector: proto.String("*"), Policy: g.policy}},
		})
		t.Cleanup(stop)
		*g.address = running.Addr()
	}
	return house
}

func (h *shapesHouse) address(o outcome) string {
	switch {
	case o.byPolicy:
		return h.impatient
	case o.hidden:
		return h.discreet
	default:
		return h.patient
	}
}
