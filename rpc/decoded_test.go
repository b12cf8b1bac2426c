package rpc_test

import (
	"bytes"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const tree = `
edition = "2023";
package t;
message Tree {
  repeated int32 numbers = 1; repeated fixed64 large = 2; repeated Tree trees = 3; map<int32, Tree> named = 4;
  Tree group = 5 [features.message_encoding = DELIMITED]; bytes blob = 6; repeated string names = 7;
}
service T { rpc Plant(Tree) returns (Tree); }
`

// TestDecodeRequest decodes what fits into memory, and nothing that few bytes make large, or deep.
func TestDecodeRequest(t *testing.T) {
	m := rpctest.Method(t, rpctest.Compile(t, map[string]string{"tree.proto": tree}), "/t.T/Plant")
	most := m.Limits.RequestBytes
	field := func(number protowire.Number, value []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
	}
	deep := func(n int) (b []byte) {
		for range n {
			b = field(3, b)
		}
		return b
	}
	groups := func(n int, inside []byte) []byte {
		begin, end := protowire.AppendTag(nil, 5, protowire.StartGroupType), protowire.AppendTag(nil, 5, protowire.EndGroupType)
		return bytes.Join([][]byte{bytes.Repeat(begin, n), inside, bytes.Repeat(end, n)}, nil)
	}
	for name, test := range map[string]struct {
		request []byte
		code    codes.Code
	}{
		"nothing":              {nil, codes.OK},
		"a large blob":         {field(6, make([]byte, most-10)), codes.OK},
		"many large numbers":   {field(2, make([]byte, most-16)), codes.OK},
		"half a million":       {field(1, make([]byte, 500_000)), codes.OK},
		"too many":             {field(1, make([]byte, 1_000_000)), codes.ResourceExhausted},
		"not packed":           {bytes.Repeat([]byte{1 << 3, 1}, 1_000_000), codes.ResourceExhausted},
		"many empty trees":     {bytes.Repeat(field(3, nil), 100_000), codes.OK},
		"too many empty trees": {bytes.Repeat(field(3, nil), 200_000), codes.ResourceExhausted},
		"too many within":      {field(3, field(3, bytes.Repeat(field(3, nil), 200_000))), codes.ResourceExhausted},
		"too many entries":     {bytes.Repeat(field(4, nil), 200_000), codes.ResourceExhausted},
		"too many names":       {bytes.Repeat(field(7, nil), 1_000_000), codes.ResourceExhausted},
		"in groups":            {groups(10, bytes.Repeat(field(3, nil), 200_000)), codes.ResourceExhausted},
		"unknown":              {bytes.Repeat(field(100, nil), 500_000), codes.OK},
		"too much after that":  {append(field(1, make([]byte, 1_000_000)), 0xff), codes.ResourceExhausted},
		"deep":                 {deep(90), codes.OK},
		"too deep":             {deep(200), codes.InvalidArgument},
		"groups too deep":      {groups(9000, make([]byte, 1<<20)), codes.InvalidArgument},
		"no message":           {bytes.Repeat([]byte{0xff}, 1<<20), codes.InvalidArgument},
	} {
		if _, err := rpc.DecodeRequest(m, test.request); status.Code(err) != test.code {
			t.Errorf("%s: %v, want %v", name, err, test.code)
		}
	}
}
