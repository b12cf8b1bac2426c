package translate

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"github.com/grpc-ecosystem/grpc-gateway/v2/utilities"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// textService has a field of each kind that a query can set.
const textService = `
syntax = "proto3";
package texts.v1;
import "google/api/annotations.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

service Texts {
  rpc Get(Text) returns (Text) {
    option (google.api.http) = {get: "/texts"};
  }
  rpc Choose(Choice) returns (Choice) {
    option (google.api.http) = {
      get: "/choices"
      additional_bindings: {get: "/choices/{id}"}
      additional_bindings: {get: "/inner/{inner.a}"}
      additional_bindings: {post: "/choices/{id}" body: "*"}
      additional_bindings: {post: "/inner/{inner.a}" body: "inner"}
      additional_bindings: {post: "/inner" body: "inner"}
    };
  }
}
enum Color {
  COLOR_UNSPECIFIED = 0;
  RED = 1;
}
message Inner {
  oneof which {
    string a = 1;
    int32 b = 2;
  }
  repeated string more = 3;
}
message Choice {
  oneof kind {
    string id = 1;
    int32 number = 2;
    Inner inner = 3;
  }
  optional string other = 4;
}
message Text {
  bool b = 1;
  int32 i32 = 2;
  sint64 i64 = 3;
  fixed32 u32 = 4;
  uint64 u64 = 5;
  float f = 6;
  double d = 7;
  string s = 8;
  bytes bytes = 9;
  Color color = 10;
  google.protobuf.Timestamp time = 11;
  google.protobuf.Duration duration = 12;
  google.protobuf.FieldMask mask = 13;
  google.protobuf.Struct struct = 14;
  google.protobuf.Value value = 15;
  google.protobuf.BoolValue wb = 16;
  google.protobuf.Int64Value wi = 17;
  google.protobuf.UInt32Value wu = 18;
  google.protobuf.DoubleValue wd = 19;
  google.protobuf.StringValue ws = 20;
  google.protobuf.BytesValue wbytes = 21;
  repeated int32 list = 22;
  repeated google.protobuf.Duration durations = 23;
  map<string, bool> flags = 24;
  map<int32, string> names = 25;
  Choice choice = 26;
}
`

// camelMask is a mask that grpc-gateway passes on as it stands, and backends then do not know.
const camelMask = "displayName"

// TestTextsAsGRPCGateway reads texts of each kind from queries: what grpc-gateway's runtime takes, the
// gateway takes, and makes the same of it.
func TestTextsAsGRPCGateway(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"texts.proto": textService})
	m := rpctest.Method(t, snap, "/texts.v1.Texts/Get")
	color := m.Input.Descriptor().Fields().ByName("color").Enum()
	if _, err := protoregistry.GlobalTypes.FindEnumByName(color.FullName()); err != nil {
		if err := protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(color)); err != nil {
			t.Fatal(err)
		}
	}
	var request []byte
	rest, _ := NewREST(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		request = c.Request
		return s.Send(nil)
	}, RESTOptions{})
	bools := []string{"true", "false", "1", "0", "t", "F", "TRUE", "True", "yes", "", "2"}
	whole := []string{"0", "7", "-7", "+7", "007", "-007", "00", "2147483647", "2147483648", "-2147483648", "4294967295", "9223372036854775807", "18446744073709551615", "1_000", "0x10", "7.5", "", "-", "+-7", "- 7", "٧"}
	floats := append([]string{"0.5", ".5", "-.5", "5.", "1e3", "1E-3", "+1.5", "1.e2", "007.5", "NaN", "Infinity", "-Infinity", "inf", "nan", "1e400", "1e39", "0x1p4", ".", "e3", ".e3", "+.5", "-0"}, whole...)
	texts := []string{"", "a", "ä b", "true", "*"}
	raw := []string{"", "AQI=", "AQI", "-_8=", "+/8=", "-_8", "AQ==", "*"}
	for name, values := range map[string][]string{
		"b": bools, "wb": bools, "flags[a]": bools,
		"i32": whole, "i64": whole, "u32": whole, "u64": whole, "wi": whole, "wu": whole, "list": whole,
		"f": floats, "d": floats, "wd": floats,
		"s": texts, "ws": texts, "names[7]": texts, "names[007]": texts, "names[x]": texts,
		"bytes": raw, "wbytes": raw,
		"color":     {"RED", "1", "0", "red", "7", "COLOR_UNSPECIFIED", "01", ""},
		"time":      {"2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456789+02:00", "2026-01-02", "0000-01-01T00:00:00Z", "now", ""},
		"duration":  {"1.5s", "0s", "-1.5s", "1h", "1h30m", "100ms", "3us", "5ns", "-1m", "0", "1", "1d", "", "s", "+2s", ".5s"},
		"durations": {"1s", "1h", "x"},
		"mask":      {"a", "a,b.c", "display_name", camelMask, "*", ""},
		"struct":    {`{"a":1,"b":{"c":[null,true,"x"]}}`, `{}`, `[]`, `x`, ``, `{"a":1`},
		"value":     {`7`, `"x"`, `null`, `{"a":[1]}`, `x`, ``},
	} {
		for _, text := range values {
			query := url.Values{name: {text}}
			theirs := dynamicpb.NewMessage(m.Input.Descriptor())
			err := runtime.PopulateQueryParameters(theirs, query, utilities.NewDoubleArray(nil))
			if err != nil {
				continue // here there may be more
			}
			want, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
			if err != nil {
				continue // which their client could not send either
			}
			request = nil
			w := httptest.NewRecorder()
			rest.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/texts?"+query.Encode(), nil))
			if w.Code != http.StatusOK {
				t.Errorf("%s=%s: got %d %s, want %v", name, text, w.Code, w.Body, theirs)
				continue
			}
			ours := decode(t, m.Input.Descriptor(), request)
			got, err := proto.MarshalOptions{Deterministic: true}.Marshal(ours)
			if err != nil || bytes.Equal(got, want) == (text == camelMask) {
				t.Errorf("%s=%s: got %v, want %v", name, text, ours, theirs)
			}
		}
	}
}

// TestOneofsAsGRPCGateway sets fields of a oneof, and several of them: both gateways refuse the same requests.
func TestOneofsAsGRPCGateway(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"texts.proto": textService})
	for _, c := range []struct {
		method, target, body string
		status               int
	}{
		{"GET", "/choices?id=x&other=y", "", 200},
		{"GET", "/choices?id=x&number=1", "", 400},
		{"GET", "/choices?number=1&inner.a=x", "", 400},
		{"GET", "/choices?inner.more=x&number=1", "", 400},
		{"GET", "/choices?inner.more=x&inner.more=y&inner.a=z", "", 200},
		{"GET", "/choices?inner.a=x&inner.b=1", "", 400},
		{"GET", "/choices/x?other=y", "", 200},
		{"GET", "/choices/x?number=1", "", 400},
		{"GET", "/inner/x?inner.b=1", "", 400},
		{"GET", "/inner/x?id=1", "", 400},
		{"GET", "/inner/x?inner.more=1", "", 200},
		{"POST", "/choices/x", `{"other":"y"}`, 200},
		{"POST", "/choices/x", `{"number":1}`, 400},
		{"POST", "/choices/x", `{"inner":{}}`, 400},
		{"POST", "/inner/x", `{"more":["y"]}`, 200},
		{"POST", "/inner/x", `{"b":1}`, 400},
		{"POST", "/inner", `{"b":1}`, 200},
		{"POST", "/inner?other=y", `{"b":1}`, 200},
		{"POST", "/inner?number=1", `{"b":1}`, 400},
		{"POST", "/inner", `{"a":"x","b":1}`, 400},
	} {
		request := func() *http.Request {
			r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
			r.Header.Set("Content-Type", typeJSON)
			return r
		}
		b := &ggBackend{t: t}
		ours, theirs := b.ask(b.ours(snap), request()), b.ask(b.theirs(snap), request())
		if ours.Status != c.status || theirs.Status != c.status || ours.Seen != theirs.Seen {
			t.Errorf("%s %s %s: want %d\nours   %+v\ntheirs %+v", c.method, c.target, c.body, c.status, ours, theirs)
		}
	}
}

// FuzzQueriesAsGRPCGateway asks both gateways with several parameters at once. What grpc-gateway takes is
// the same here, and the other way round what is refused there for being said twice.
func FuzzQueriesAsGRPCGateway(f *testing.F) {
	names := []string{
		"b", "i32", "i64", "u64", "d", "s", "bytes", "color", "time", "duration", "mask", "wb", "wi", "ws", "list", "durations",
		"flags[a]", "flags[b]", "names[7]", "names[8]", "choice.id", "choice.number", "choice.inner.a", "choice.inner.b", "choice.inner.more",
		"choice.other", "wi.value", "time.seconds",
	}
	values := []string{"1", "0", "true", "7", "-7", "1.5", "1h", "2s", "x", "", "RED", "AQI=", "2026-01-02T03:04:05Z", "a.b,c", "*"}
	for i := range names {
		f.Add([]byte{byte(i), byte(i), byte(i + 1), byte(i + 2)})
	}
	snap := rpctest.Compile(f, map[string]string{"texts.proto": textService})
	m := rpctest.Method(f, snap, "/texts.v1.Texts/Get")
	color := m.Input.Descriptor().Fields().ByName("color").Enum()
	if _, err := protoregistry.GlobalTypes.FindEnumByName(color.FullName()); err != nil {
		if err := protoregistry.GlobalTypes.RegisterEnum(dynamicpb.NewEnumType(color)); err != nil {
			f.Fatal(err)
		}
	}
	var request []byte
	rest, _ := NewREST(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		request = c.Request
		return s.Send(nil)
	}, RESTOptions{})
	f.Fuzz(func(t *testing.T, picks []byte) {
		query := make(url.Values)
		for i := 0; i+1 < min(len(picks), 12); i += 2 {
			name, value := names[int(picks[i])%len(names)], values[int(picks[i+1])%len(values)]
			if name == "mask" { // of which others are refused here
				value = "a.b,c"
			}
			query.Add(name, value)
		}
		theirs := dynamicpb.NewMessage(m.Input.Descriptor())
		if query.Has("wi") && query.Has("wi.value") || query.Has("time") && query.Has("time.seconds") {
			return // a field and a part of it: there, chance decides
		}
		if runtime.PopulateQueryParameters(theirs, query, utilities.NewDoubleArray(nil)) != nil {
			return
		}
		want, err := proto.MarshalOptions{Deterministic: true}.Marshal(theirs)
		if err != nil {
			return
		}
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/texts?"+query.Encode(), nil))
		if w.Code != http.StatusOK {
			t.Fatalf("%s: %s, want %v", query.Encode(), w.Body, theirs)
		}
		ours := decode(t, m.Input.Descriptor(), request)
		if got, err := (proto.MarshalOptions{Deterministic: true}).Marshal(ours); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("%s: got %v, want %v", query.Encode(), ours, theirs)
		}
	})
}
