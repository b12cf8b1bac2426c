package schema

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// dialServer serves what register registers until the test ends, and connects to it.
func dialServer(t *testing.T, register func(*grpc.Server), opts ...grpc.ServerOption) *grpc.ClientConn {
	t.Helper()
	listener := bufconn.Listen(1 << 16)
	server := grpc.NewServer(opts...)
	register(server)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	conn := dialPipe(t, func(ctx context.Context) (net.Conn, error) { return listener.DialContext(ctx) })
	t.Cleanup(func() {
		conn.Close()
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return conn
}

func dialPipe(t *testing.T, dial func(context.Context) (net.Conn, error)) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///backend",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// scriptedReflection answers each question with what its function returns.
type scriptedReflection struct {
	reflectionv1.UnimplementedServerReflectionServer
	answer func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error)
}

func (s scriptedReflection) ServerReflectionInfo(stream reflectionv1.ServerReflection_ServerReflectionInfoServer) error {
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		response, err := s.answer(request)
		if err != nil || response == nil {
			return err
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func listAnswer(names ...string) *reflectionv1.ServerReflectionResponse {
	list := new(reflectionv1.ListServiceResponse)
	for _, name := range names {
		list.Service = append(list.Service, &reflectionv1.ServiceResponse{Name: name})
	}
	return &reflectionv1.ServerReflectionResponse{MessageResponse: &reflectionv1.ServerReflectionResponse_ListServicesResponse{
		ListServicesResponse: list,
	}}
}

func filesAnswer(raw ...[]byte) *reflectionv1.ServerReflectionResponse {
	return &reflectionv1.ServerReflectionResponse{MessageResponse: &reflectionv1.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionv1.FileDescriptorResponse{FileDescriptorProto: raw},
	}}
}

func notFoundAnswer() *reflectionv1.ServerReflectionResponse {
	return &reflectionv1.ServerReflectionResponse{MessageResponse: &reflectionv1.ServerReflectionResponse_ErrorResponse{
		ErrorResponse: &reflectionv1.ErrorResponse{ErrorCode: int32(codes.NotFound), ErrorMessage: "not found"},
	}}
}

// rawReflection serves files as they are, each alone, without checking them.
func rawReflection(t *testing.T, texts ...string) scriptedReflection {
	t.Helper()
	var services []string
	bySymbol, byName := make(map[string][]byte), make(map[string][]byte)
	for _, text := range texts {
		file := fileFromText(t, text)
		raw, err := proto.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		byName[file.GetName()] = raw
		for _, name := range servicesOf([]*descriptorpb.FileDescriptorProto{file}) {
			services = append(services, name)
			bySymbol[name] = raw
		}
	}
	return scriptedReflection{answer: func(r *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
		if r.GetListServices() != "" {
			return listAnswer(services...), nil
		}
		if raw, ok := bySymbol[r.GetFileContainingSymbol()]; ok {
			return filesAnswer(raw), nil
		}
		if raw, ok := byName[r.GetFileByFilename()]; ok {
			return filesAnswer(raw), nil
		}
		return notFoundAnswer(), nil
	}}
}

func fileFromText(t *testing.T, text string) *descriptorpb.FileDescriptorProto {
	t.Helper()
	file := new(descriptorpb.FileDescriptorProto)
	if err := prototext.Unmarshal([]byte(text), file); err != nil {
		t.Fatal(err)
	}
	return file
}

func registerScripted(s scriptedReflection) func(*grpc.Server) {
	return func(server *grpc.Server) { reflectionv1.RegisterServerReflectionServer(server, s) }
}

type reflectionAnswer = func(*reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error)

// listing lists one service and gives the other answers to a function.
func listing(answer reflectionAnswer) scriptedReflection {
	return scriptedReflection{answer: func(r *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
		if r.GetListServices() != "" {
			return listAnswer("shop.Shop"), nil
		}
		return answer(r)
	}}
}

// endlessImports answers each question for a file with one that imports yet another.
func endlessImports(r *reflectionv1.ServerReflectionRequest) (*reflectionv1.ServerReflectionResponse, error) {
	name := r.GetFileByFilename()
	file := &descriptorpb.FileDescriptorProto{Name: &name, Dependency: []string{"x" + name}}
	if r.GetFileContainingSymbol() != "" {
		file = &descriptorpb.FileDescriptorProto{
			Name: proto.String("a.proto"), Package: proto.String("shop"), Dependency: []string{"b.proto"},
			Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Shop")}},
		}
	}
	raw, err := proto.Marshal(file)
	return filesAnswer(raw), err
}

// floodingReflection answers one question without end.
type floodingReflection struct {
	reflectionv1.UnimplementedServerReflectionServer
}

func (floodingReflection) ServerReflectionInfo(stream reflectionv1.ServerReflection_ServerReflectionInfoServer) error {
	for {
		if err := stream.Send(listAnswer("shop.Shop")); err != nil {
			return err
		}
	}
}
