package transport

import (
	"net/http"
	"reflect"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// never are spellings of headers that no door passes and no configuration opens.
var never = []string{
	"Grpc-Status", "grpc_status", "GRPC.Timeout", "Grpc-Metadata-X-Protean-Subject", "Grpc-Encoding",
	"X-Protean-Subject", "x_protean_subject", "X_Protean-Subject", "x.protean.subject", "X-PROTEAN-CLAIM-EMAIL",
	"Connect-Protocol-Version", "Connection", "Keep-Alive", "Te", "Trailer", "Transfer_Encoding", "Upgrade",
	"Proxy-Authorization", "Content-Length", "Content-Type", "Host", "User-Agent", ":path", "X-Request-Timeout",
}

func TestReservedHeadersNeverPass(t *testing.T) {
	for _, name := range never {
		from := http.Header{name: {"1"}}
		for door, collect := range map[string]func(http.Header) (metadata.MD, error){
			"all": new(Headers).All, "chosen": new(Headers).Chosen,
		} {
			if md, err := collect(from); err != nil || len(md) != 0 {
				t.Errorf("%s: header %s passed as %v (%v)", door, name, md, err)
			}
		}
		to := http.Header{}
		new(Headers).CopyResponse(to, "", metadata.MD{name: {"1"}})
		if len(to) != 0 {
			t.Errorf("metadata %s came back as %v", name, to)
		}
		if _, err := NewHeaders([]string{name}); err == nil {
			t.Errorf("the configuration may name %s", name)
		}
	}
}

func TestHeaders(t *testing.T) {
	named, err := NewHeaders([]string{"X-Tenant", "Authorization", "Grpc-Metadata-Shop", "Trace-Bin", "cookie"})
	if err != nil {
		t.Fatal(err)
	}
	from := http.Header{
		"Traceparent":          {"00-1"},
		"X_request_id":         {"r1"},
		"Accept-Language":      {"de", "en"},
		"X-Tenant":             {"acme"},
		"Authorization":        {"Bearer t"},
		"Cookie":               {"a=b"},
		"Grpc-Metadata-Shop":   {"s1"},
		"Grpc-Metadata-Closed": {"s2"},
		"X-Forwarded-For":      {"203.0.113.7"},
		"Connection":           {"close, X-Hop"},
		"X-Hop":                {"1"},
		"X-Other":              {"o"},
		"X-Latin":              {"caf\xe9"},
		"Odd!Name":             {"1"},
		"Trace-Bin":            {"AQI, AwQ="},
	}
	always := metadata.MD{"traceparent": {"00-1"}, "x-request-id": {"r1"}, "accept-language": {"de", "en"}}
	opened := metadata.MD{
		"x-tenant": {"acme"}, "authorization": {"Bearer t"}, "cookie": {"a=b"}, "shop": {"s1"},
		"trace-bin": {"\x01\x02", "\x03\x04"},
	}
	tests := []struct {
		name    string
		collect func(http.Header) (metadata.MD, error)
		want    metadata.MD
	}{
		{"chosen by default", new(Headers).Chosen, always},
		{"chosen with names", named.Chosen, metadata.Join(always, opened)},
		{"all by default", new(Headers).All, metadata.Join(always,
			metadata.MD{"x-tenant": {"acme"}, "x-other": {"o"}, "trace-bin": opened["trace-bin"]})},
		{"all with names", named.All, metadata.Join(always, opened, metadata.MD{"x-other": {"o"}})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.collect(from)
			if err != nil || !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %v (%v)\nwant %v", got, err, test.want)
			}
		})
	}
}

// TestGRPCGatewayNames opens headers of HTTP under the names that grpc-gateway has for them.
func TestGRPCGatewayNames(t *testing.T) {
	h, err := NewHeaders([]string{"grpcgateway-user-agent", "Grpcgateway-Content-Type"}, "Authorization")
	if err != nil {
		t.Fatal(err)
	}
	from := http.Header{"User-Agent": {"curl"}, "Content-Type": {"a/b"}, "Accept": {"*/*"}, "Grpcgateway-User-Agent": {"forged"}, "Grpcgateway-Accept": {"forged"}}
	want := metadata.MD{"grpcgateway-user-agent": {"curl"}, "grpcgateway-content-type": {"a/b"}}
	for _, collect := range []func(http.Header) (metadata.MD, error){h.Chosen, h.All} {
		md, err := collect(from)
		delete(md, "accept") // which RPC doors pass as it is
		if err != nil || !reflect.DeepEqual(md, want) {
			t.Errorf("got %v (%v), want %v", md, err, want)
		}
	}
	for _, names := range [][]string{{"grpcgateway-host"}, {"grpcgateway-x-tenant"}, {"grpcgateway-"}, {"grpcgateway-authorization"}, {"grpcgateway-cookie", "cookie"}} {
		if _, err := NewHeaders(names, "Authorization"); err == nil {
			t.Errorf("%v may be named", names)
		}
	}
}

func TestConnectionNamesAnyHeader(t *testing.T) {
	md, err := new(Headers).All(http.Header{"Connection": {"X_Request_ID"}, "X-Request-Id": {"1"}})
	if err != nil || len(md) != 0 {
		t.Errorf("got %v (%v)", md, err)
	}
}

func TestBadBinaryHeader(t *testing.T) {
	_, err := new(Headers).All(http.Header{"Trace-Bin": {"!"}})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
}

func TestCopyResponse(t *testing.T) {
	md := metadata.MD{
		"etag": {"1", "2"}, "sum-bin": {"\x01\x02"}, "bad": {"a\r\nb"}, "Upper": {"1"},
	}
	for prefix, want := range map[string]http.Header{
		"":                 {"Etag": {"1", "2"}, "Sum-Bin": {"AQI"}},
		"Grpc-Metadata-":   {"Grpc-Metadata-Etag": {"1", "2"}, "Grpc-Metadata-Sum-Bin": {"AQI"}},
		http.TrailerPrefix: {"Trailer:etag": {"1", "2"}, "Trailer:sum-bin": {"AQI"}},
	} {
		got := http.Header{}
		new(Headers).CopyResponse(got, prefix, md)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("prefix %q: got %v, want %v", prefix, got, want)
		}
	}
}
