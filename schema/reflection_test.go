package schema

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

const (
	catalogService  = "acme.catalog.v1.CatalogService"
	trackingService = "acme.tracking.v1.TrackingService"
)

func registerShop(s *grpc.Server) {
	catalogv1.RegisterCatalogServiceServer(s, catalogv1.UnimplementedCatalogServiceServer{})
	trackingv1.RegisterTrackingServiceServer(s, trackingv1.UnimplementedTrackingServiceServer{})
	healthv1.RegisterHealthServer(s, health.NewServer())
}

func TestReflectionVersions(t *testing.T) {
	v1 := func(s *grpc.Server) { reflection.RegisterV1(s) }
	v1alpha := func(s *grpc.Server) {
		reflectionv1alpha.RegisterServerReflectionServer(s, reflection.NewServer(reflection.ServerOptions{Services: s}))
	}
	both := func(s *grpc.Server) { reflection.Register(s) }
	var digests []string
	for name, register := range map[string]func(*grpc.Server){"v1": v1, "v1alpha": v1alpha, "both": both} {
		t.Run(name, func(t *testing.T) {
			conn := dialServer(t, func(s *grpc.Server) { registerShop(s); register(s) })
			files, err := (&Reflection{Conn: conn}).Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{catalogService, trackingService}; !slices.Equal(files.Services, want) {
				t.Errorf("services %v, want %v", files.Services, want)
			}
			digests = append(digests, files.Digest)
		})
	}
	if len(slices.Compact(digests)) != 1 {
		t.Errorf("the versions of the protocol give different digests: %v", digests)
	}
}

func TestReflectionKeepsOptions(t *testing.T) {
	conn := dialServer(t, func(s *grpc.Server) { registerShop(s); reflection.Register(s) })
	files, err := (&Reflection{Conn: conn, Services: []string{catalogService}}).Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(files.Services, []string{catalogService}) {
		t.Errorf("services %v, want only %s", files.Services, catalogService)
	}
	for _, file := range files.Set.GetFile() {
		for _, service := range file.GetService() {
			rule, _ := proto.GetExtension(service.GetMethod()[0].GetOptions(), annotations.E_Http).(*annotations.HttpRule)
			if got := rule.GetGet(); got != "/v1/books" {
				t.Errorf("%s: http rule %q, want /v1/books", service.GetName(), got)
			}
		}
	}
}

func TestReflectionMetadata(t *testing.T) {
	guard := grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		md, _ := metadata.FromIncomingContext(s.Context())
		if !slices.Equal(md.Get("authorization"), []string{"Bearer second"}) {
			return status.Error(codes.Unauthenticated, "who are you?")
		}
		return next(srv, s)
	})
	conn := dialServer(t, func(s *grpc.Server) { registerShop(s); reflection.Register(s) }, guard)
	tokens := []string{"first", "second"}
	source := &Reflection{Conn: conn, Metadata: func() (metadata.MD, error) {
		token := tokens[0]
		tokens = tokens[1:]
		return metadata.Pairs("authorization", "Bearer "+token), nil
	}}
	_, err := source.Load(t.Context())
	wantError(t, err, "server reflection is refused; give the metadata that it asks for: "+
		"rpc error: code = Unauthenticated desc = who are you?")
	if _, err := source.Load(t.Context()); err != nil {
		t.Error(err)
	}
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := "no error"
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error:\n\t%s\nwant:\n\t%s", got, want)
	}
}

func loadScripted(t *testing.T, s scriptedReflection) (*Files, error) {
	t.Helper()
	source := &Reflection{Conn: dialServer(t, registerScripted(s))}
	return source.Load(t.Context())
}

// What Go refuses in a file must not hide the others, or the rest of that file.
func TestReflectionMessageSet(t *testing.T) {
	files, err := loadScripted(t, rawReflection(t,
		`name: "old.proto" package: "old"
		 message_type { name: "Set" options { message_set_wire_format: true } extension_range { start: 4 end: 2147483647 } }
		 message_type { name: "Item"
		   extension { name: "item" extendee: ".old.Set" number: 4000 type: TYPE_MESSAGE type_name: ".old.Item" label: LABEL_OPTIONAL } }
		 service { name: "Old" method { name: "Get" input_type: ".old.Item" output_type: ".old.Set" } }`,
		`name: "new.proto" package: "new" syntax: "proto3"
		 message_type { name: "Item" }
		 service { name: "New" method { name: "Get" input_type: ".new.Item" output_type: ".new.Item" } }`))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"new.New", "old.Old"}; !slices.Equal(files.Services, want) {
		t.Errorf("services %v, want %v", files.Services, want)
	}
}

func TestReflectionImports(t *testing.T) {
	const money = `package: "common" syntax: "proto3" message_type { name: "Money" }`
	shop := func(imported string) string {
		return fmt.Sprintf(`name: "shop.proto" package: "shop" syntax: "proto3" dependency: %q
			message_type { name: "Item"
			  field { name: "price" number: 1 type: TYPE_MESSAGE type_name: ".common.Money" label: LABEL_OPTIONAL } }
			service { name: "Shop" method { name: "Get" input_type: ".shop.Item" output_type: ".shop.Item" } }`, imported)
	}
	tests := []struct {
		name  string
		files []string
		want  string // imports of shop.proto
		err   string
	}{
		{
			name:  "sent when asked for",
			files: []string{shop("common/money.proto"), `name: "common/money.proto" ` + money},
			want:  "common/money.proto",
		}, {
			name:  "registered under a shorter path",
			files: []string{shop("example.com/common/money.proto"), `name: "money.proto" ` + money},
			want:  "money.proto",
		}, {
			name: "registered under a longer path",
			files: []string{shop("money.proto"), `name: "common/money.proto" ` + money + `
				service { name: "Rates" method { name: "Get" input_type: ".common.Money" output_type: ".common.Money" } }`},
			want: "common/money.proto",
		}, {
			name: "missing, but known to us",
			files: []string{`name: "shop.proto" package: "shop" syntax: "proto3" dependency: "google/protobuf/empty.proto"
				service { name: "Shop" method { name: "Get" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty" } }`},
			want: "google/protobuf/empty.proto",
		}, {
			name: "missing, and only for options",
			files: []string{`name: "shop.proto" package: "shop" syntax: "proto3"
				dependency: "gone/options.proto" dependency: "google/protobuf/empty.proto" public_dependency: 1
				service { name: "Shop" method { name: "Get" input_type: ".google.protobuf.Empty" output_type: ".google.protobuf.Empty" } }`},
			want: "google/protobuf/empty.proto",
		}, {
			name:  "missing",
			files: []string{shop("common/money.proto")},
			want:  "common/money.proto",
			err:   "shop.proto imports common/money.proto, which is missing, and common.Money is not declared without it",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			files, err := loadScripted(t, rawReflection(t, test.files...))
			if err != nil {
				t.Fatal(err)
			}
			if err := files.Whole(); test.err != "" || err != nil {
				wantError(t, err, test.err)
			}
			if got := importPaths(files, "shop.proto"); got != test.want {
				t.Errorf("shop.proto imports %q, want %q", got, test.want)
			}
		})
	}
}

func importPaths(files *Files, path string) string {
	for _, file := range files.Set.GetFile() {
		if file.GetName() == path {
			return strings.Join(file.GetDependency(), " ")
		}
	}
	return ""
}

func TestReflectionRefuses(t *testing.T) {
	manyServices := make([]string, maxReflectedServices+1)
	for i := range manyServices {
		manyServices[i] = fmt.Sprintf("shop.Shop%d", i)
	}
	tests := []struct {
		name   string
		server scriptedReflection
		err    string
	}{
		{
			name: "garbage",
			server: listing(func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				return filesAnswer([]byte("\xff\xffgarbage")), nil
			}),
			err: "the server's reflection sent a malformed answer: this is not a file descriptor: it cannot be read",
		}, {
			name: "a file without a name",
			server: listing(func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				return filesAnswer(nil), nil
			}),
			err: "the server's reflection sent a malformed answer: this is not a file descriptor: it has no name",
		}, {
			name: "another kind of answer",
			server: listing(func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				return listAnswer("shop.Shop"), nil
			}),
			err: "server reflection failed: protocol error: response was missing grpc_reflection_v1.FileDescriptorResponse",
		}, {
			name: "no answer",
			server: scriptedReflection{answer: func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				return nil, nil
			}},
			err: "the server ended the reflection stream without an answer",
		}, {
			name: "a listed service that is not there",
			server: listing(func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				return notFoundAnswer(), nil
			}),
			err: "shop.Shop: the server lists this service but has no descriptor of it",
		}, {
			name: "too many services",
			server: scriptedReflection{answer: func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				return listAnswer(manyServices...), nil
			}},
			err: "the server lists more than 2000 services",
		}, {
			name:   "endless files",
			server: listing(endlessImports),
			err:    "there are more than 5000 files",
		}, {
			name: "large files",
			server: listing(func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
				large := &descriptorpb.FileDescriptorProto{Name: proto.String("a.proto"), Package: proto.String(strings.Repeat("p", 12<<20))}
				raw, err := proto.Marshal(large)
				return filesAnswer(raw, raw, raw), err
			}),
			err: "larger than max",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := loadScripted(t, test.server)
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error:\n\t%v\nwant:\n\t%s", err, test.err)
			}
		})
	}
}

func TestReflectionFlood(t *testing.T) {
	conn := dialServer(t, func(s *grpc.Server) {
		reflectionv1.RegisterServerReflectionServer(s, floodingReflection{})
	})
	_, err := (&Reflection{Conn: conn}).Load(t.Context())
	wantError(t, err, "server reflection failed: protocol error: response was missing grpc_reflection_v1.FileDescriptorResponse")
}

func TestReflectionMissing(t *testing.T) {
	conn := dialServer(t, registerShop)
	_, err := (&Reflection{Conn: conn}).Load(t.Context())
	wantError(t, err, "no server reflection; switch it on in the server, or give the backend --descriptors or --proto")
}

func TestReflectionUnreachable(t *testing.T) {
	conn := dialPipe(t, func(context.Context) (net.Conn, error) { return nil, errors.New("nobody is there") })
	defer conn.Close()
	_, err := (&Reflection{Conn: conn}).Load(t.Context())
	if err == nil || !strings.HasPrefix(err.Error(), "the server is not reachable: ") {
		t.Errorf("error %v, want: the server is not reachable: ...", err)
	}
}

// A server that is connected and stays silent costs one timeout, not a goroutine.
func TestReflectionTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan struct{})
		silent := scriptedReflection{answer: func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
			<-released
			return nil, nil
		}}
		t.Cleanup(func() { close(released) })
		source := &Reflection{Conn: dialServer(t, registerScripted(silent)), Timeout: 3 * time.Second}
		start := time.Now()
		_, err := source.Load(t.Context())
		wantError(t, err, "server reflection has not finished within 3s")
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v, want 3s", took)
		}
	})
}
