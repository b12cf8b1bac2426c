package translate

import (
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/protean-gateway/protean/schema"
	"github.com/protean-gateway/protean/wire"
)

// maxOwnRequest bounds the requests of the gateway's own services, in bytes.
const maxOwnRequest = 64 << 10

// ownServices returns the services that the gateway answers itself, in the shape
// of a backend. They come from linked descriptors and not from [schema.Compile],
// which leaves these services out wherever it sees them.
func ownServices() *schema.Backend {
	files := new(protoregistry.Files)
	b := &schema.Backend{Name: "protean", Files: files}
	types := wire.NewTypes(nil) // none of them has an Any or an extension
	for _, fd := range []protoreflect.FileDescriptor{
		healthpb.File_grpc_health_v1_health_proto,
		reflectionpb.File_grpc_reflection_v1_reflection_proto,
		reflectionalphapb.File_grpc_reflection_v1alpha_reflection_proto,
	} {
		// Three different files cannot collide.
		_ = files.RegisterFile(fd)
		for i := range fd.Services().Len() {
			b.Services = append(b.Services, ownService(b, types, fd.Services().Get(i)))
		}
	}
	return b
}

func ownService(b *schema.Backend, types *wire.Types, sd protoreflect.ServiceDescriptor) *schema.Service {
	s := &schema.Service{Descriptor: sd, Backend: b}
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		s.Methods = append(s.Methods, &schema.Method{
			Descriptor:    md,
			Service:       s,
			Path:          "/" + string(sd.FullName()) + "/" + string(md.Name()),
			Input:         types.Message(md.Input()),
			Output:        types.Message(md.Output()),
			ClientStreams: md.IsStreamingClient(),
			ServerStreams: md.IsStreamingServer(),
			Limits:        schema.Limits{RequestBytes: maxOwnRequest},
		})
	}
	return s
}
