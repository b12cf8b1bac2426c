package translate_test

import (
	"context"
	"slices"
	"testing"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/translate"
)

// twoBackends have different files of the same paths.
func twoBackends(t *testing.T) *schema.Snapshot {
	t.Helper()
	return rpctest.CompileInput(t, schema.Input{Backends: []schema.BackendFiles{
		{Name: "a", Files: rpctest.Files(t, map[string]string{
			"service.proto": `
				syntax = "proto2"; package a; import "common.proto";
				service A { rpc Do(Request) returns (Reply); }
				message Reply { extensions 100 to 200; optional Request of = 1; }
				extend Reply { optional string note = 100; }`,
			"common.proto": `syntax = "proto2"; package a; message Request { optional string in_a = 1; }`,
		})},
		{Name: "b", Files: rpctest.Files(t, map[string]string{
			"service.proto": `
				syntax = "proto3"; package b; import "common.proto"; import "google/protobuf/timestamp.proto";
				service B { rpc Do(Request) returns (google.protobuf.Timestamp); }`,
			"common.proto": `syntax = "proto3"; package b; message Request { string in_b = 1; }`,
		})},
	}})
}

func reflectionClients(t *testing.T, snap *schema.Snapshot) map[string]func() *grpcreflect.Client {
	t.Helper()
	cc := dial(t, serve(t, snap, nil, nil))
	clients := make(map[string]func() *grpcreflect.Client)
	for name, open := range map[string]func(context.Context) *grpcreflect.Client{
		"v1": func(ctx context.Context) *grpcreflect.Client {
			return grpcreflect.NewClientV1(ctx, reflectionpb.NewServerReflectionClient(cc))
		},
		"v1alpha": func(ctx context.Context) *grpcreflect.Client {
			return grpcreflect.NewClientV1Alpha(ctx, reflectionalphapb.NewServerReflectionClient(cc))
		},
	} {
		clients[name] = func() *grpcreflect.Client {
			c := open(t.Context())
			t.Cleanup(c.Reset)
			return c
		}
	}
	return clients
}

func TestReflection(t *testing.T) {
	for version, open := range reflectionClients(t, twoBackends(t)) {
		t.Run(version, func(t *testing.T) {
			got, err := open().ListServices()
			want := []protoreflect.FullName{
				"a.A", "b.B", "grpc.health.v1.Health",
				"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("services %v, %v", got, err)
			}
			// A client that asks for one service gets the files of its backend, imports too.
			for service, field := range map[protoreflect.FullName]protoreflect.Name{"a.A": "in_a", "b.B": "in_b"} {
				fd, err := open().FileContainingSymbol(service)
				if err != nil {
					t.Fatal(err)
				}
				input := fd.Services().Get(0).Methods().Get(0).Input()
				if input.Fields().ByName(field) == nil {
					t.Errorf("%s: the request has the fields of another backend: %v", service, input.Fields())
				}
			}
			for _, own := range want[2:] {
				if _, err := open().FileContainingSymbol(own); err != nil {
					t.Errorf("%s: %v", own, err)
				}
			}
			testSymbols(t, open())
			testExtensions(t, open())
		})
	}
}

func testSymbols(t *testing.T, c *grpcreflect.Client) {
	t.Helper()
	for _, symbol := range []protoreflect.FullName{"a.A.Do", "a.Request", "a.Request.in_a", "a.note"} {
		if fd, err := c.FileContainingSymbol(symbol); err != nil || fd.Package() != "a" {
			t.Errorf("%s: %v, %v", symbol, fd, err)
		}
	}
	for _, symbol := range []protoreflect.FullName{"c.C", "a", "", "a.A.Nope", "\xff"} {
		if _, err := c.FileContainingSymbol(symbol); err == nil {
			t.Errorf("%q was found", symbol)
		}
	}
	if _, err := c.FileByFilename("google/protobuf/timestamp.proto"); err != nil {
		t.Error(err)
	}
	if _, err := c.FileByFilename("nope.proto"); err == nil {
		t.Error("nope.proto was found")
	}
}

func testExtensions(t *testing.T, c *grpcreflect.Client) {
	t.Helper()
	numbers, err := c.AllExtensionNumbersForType("a.Reply")
	if err != nil || !slices.Equal(numbers, []protoreflect.FieldNumber{100}) {
		t.Errorf("extensions %v, %v", numbers, err)
	}
	if fd, err := c.FileContainingExtension("a.Reply", 100); err != nil || fd.Path() != "service.proto" {
		t.Errorf("%v, %v", fd, err)
	}
	if _, err := c.FileContainingExtension("a.Reply", 101); err == nil {
		t.Error("an extension that does not exist was found")
	}
}

// A file asked for by its path is from the backend that answered before.
func TestReflectionFileByPath(t *testing.T) {
	cc := dial(t, serve(t, twoBackends(t), nil, nil))
	for service, pkg := range map[string]string{"a.A": "a", "b.B": "b"} {
		ctx, cancel := context.WithCancel(t.Context())
		s, err := reflectionpb.NewServerReflectionClient(cc).ServerReflectionInfo(ctx)
		if err != nil {
			t.Fatal(err)
		}
		reflect(t, s, &reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: service},
		})
		answer := reflect(t, s, &reflectionpb.ServerReflectionRequest{
			Host:           "h",
			MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: "common.proto"},
		})
		var fd descriptorpb.FileDescriptorProto
		if err := proto.Unmarshal(answer.GetFileDescriptorResponse().GetFileDescriptorProto()[0], &fd); err != nil {
			t.Fatal(err)
		}
		if fd.GetPackage() != pkg || answer.GetValidHost() != "h" || answer.GetOriginalRequest().GetHost() != "h" {
			t.Errorf("after %s: %v", service, answer)
		}
		unknown := reflect(t, s, &reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: "a.Nope"},
		})
		if code := unknown.GetErrorResponse().GetErrorCode(); code != int32(codes.NotFound) {
			t.Errorf("extensions of nothing: code %d", code)
		}
		empty := reflect(t, s, &reflectionpb.ServerReflectionRequest{})
		if code := empty.GetErrorResponse().GetErrorCode(); code != int32(codes.InvalidArgument) {
			t.Errorf("an empty question: code %d", code)
		}
		cancel()
	}
}

func reflect(
	t *testing.T,
	s grpc.BidiStreamingClient[reflectionpb.ServerReflectionRequest, reflectionpb.ServerReflectionResponse],
	request *reflectionpb.ServerReflectionRequest,
) *reflectionpb.ServerReflectionResponse {
	t.Helper()
	if err := s.Send(request); err != nil {
		t.Fatal(err)
	}
	answer, err := s.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestReflectionHides tells nothing of a service that is not for the caller, but the types that others need.
func TestReflectionHides(t *testing.T) {
	snap := twoBackends(t)
	methods := translate.NewMethods(snap, nil, nil, translate.ReflectionOptions{
		Visible: func(_ context.Context, m *schema.Method) bool { return m.Service.FullName() != "a.A" },
	})
	cc := dial(t, serveDoor(t, translate.NewGRPC(methods), nil))
	open := func() *grpcreflect.Client { // a new one each time, since both backends have files of the same paths
		client := grpcreflect.NewClientV1(t.Context(), reflectionpb.NewServerReflectionClient(cc))
		t.Cleanup(client.Reset)
		return client
	}
	services, err := open().ListServices()
	if err != nil || slices.Contains(services, "a.A") || !slices.Contains(services, "b.B") || !slices.Contains(services, "grpc.reflection.v1.ServerReflection") {
		t.Errorf("the services are %v, %v", services, err)
	}
	for _, name := range []protoreflect.FullName{"a.A", "a.A.Do"} {
		if file, err := open().FileContainingSymbol(name); err == nil {
			t.Errorf("%s is found in %s", name, file.Path())
		}
	}
	file, err := open().FileContainingSymbol("a.Reply")
	if err != nil || file.Services().Len() != 0 || file.Messages().ByName("Reply") == nil {
		t.Errorf("the file of a message: %v, %v", file, err)
	}
	if file, err = open().FileContainingSymbol("b.B"); err != nil || file.Services().ByName("B") == nil {
		t.Errorf("the file of another service: %v, %v", file, err)
	}
}
