package graph

import (
	"context"
	"strings"
	"testing"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestSharedJSONNames sets and selects two fields that have one JSON name in proto2: the graph has each under a name of its own.
func TestSharedJSONNames(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"twins.proto": `syntax = "proto2";
package twins.v1;
service Twins { rpc GetTwins(Pair) returns (Pair); }
message Pair { optional string foo_bar = 1; optional string fooBar = 2; oneof side { string left_hand = 3; string leftHand = 4; } }`})
	echo := func(_ context.Context, c *rpc.Call, s rpc.Stream) error { return s.Send(c.Request) }
	g, _ := New(snap, echo, Options{})
	got := execute(t, g, `{ getTwins(foo_bar: "1", fooBar: "2", side: {left_hand: "3"}) { foo_bar fooBar left_hand leftHand sideCase } }`, "")
	want := `{"data":{"getTwins":{"foo_bar":"1","fooBar":"2","left_hand":"3","leftHand":null,"sideCase":"LEFT_HAND"}}}`
	if got = strings.Join(strings.Fields(got), ""); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
