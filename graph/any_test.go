package graph

import (
	"context"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// TestUnknownAny: an Any of a type that nobody knows is its bytes, and no failure.
func TestUnknownAny(t *testing.T) {
	const proto = `
syntax = "proto3";
package any.v1;
import "google/protobuf/any.proto";
service Anys { rpc GetIt(It) returns (It); }
message It { google.protobuf.Any any = 1; int32 n = 2; }
`
	var message []byte
	snap := rpctest.Compile(t, map[string]string{"any.proto": proto})
	g, _ := New(snap, func(_ context.Context, _ *rpc.Call, s rpc.Stream) error { return s.Send(message) }, Options{})
	field := rpctest.Method(t, snap, "/any.v1.Anys/GetIt").Output.FieldByName("any")
	for _, c := range []struct{ url, value, want string }{
		{"type.googleapis.com/other.v1.Nothing", "\x08\x01", `{"@type":"type.googleapis.com/other.v1.Nothing","value":"CAE="}`},
		{"type.googleapis.com/any.v1.It", "\x10\x05", `{"@type":"type.googleapis.com/any.v1.It","n":5}`},
	} {
		body := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), c.url)
		body = protowire.AppendString(protowire.AppendTag(body, 2, protowire.BytesType), c.value)
		message = field.AppendWireMessage(nil, body)
		r := responses(t, t.Context(), g, `{ getIt { any n } }`, "")[0]
		if want := `{"getIt":{"any":` + c.want + `,"n":0}}`; string(r.Data) != want || len(r.Errors) > 0 {
			t.Errorf("%s %v, want %s", r.Data, r.Errors, want)
		}
	}
}
