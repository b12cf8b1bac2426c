package schema

import (
	_ "embed"
	"slices"
	"strings"
	"sync"

	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate" // buf/validate/validate.proto
	_ "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"  // what grpc-gateway's users say for its documents
	_ "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv3/options"
	_ "google.golang.org/genproto/googleapis/api/annotations" // google/api: http, resources, field behavior
	_ "google.golang.org/genproto/googleapis/api/httpbody"    // google/api/httpbody.proto
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"  // google/rpc/error_details.proto
	_ "google.golang.org/genproto/googleapis/rpc/status"      // google/rpc/status.proto
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/anypb"       // google/protobuf/any.proto
	_ "google.golang.org/protobuf/types/known/apipb"       // google/protobuf: api, type, source_context
	_ "google.golang.org/protobuf/types/known/durationpb"  // google/protobuf/duration.proto
	_ "google.golang.org/protobuf/types/known/emptypb"     // google/protobuf/empty.proto
	_ "google.golang.org/protobuf/types/known/fieldmaskpb" // google/protobuf/field_mask.proto
	_ "google.golang.org/protobuf/types/known/structpb"    // google/protobuf/struct.proto
	_ "google.golang.org/protobuf/types/known/timestamppb" // google/protobuf/timestamp.proto
	_ "google.golang.org/protobuf/types/known/wrapperspb"  // google/protobuf/wrappers.proto
	_ "google.golang.org/protobuf/types/pluginpb"          // google/protobuf/compiler/plugin.proto

	_ "github.com/protean-gateway/protean/proto/protean/options/v1" // protean/options and protean/policy
)

// knownFolders hold the files that .proto files may import without bringing them along.
var knownFolders = []string{
	"google/protobuf/", "google/api/", "google/rpc/", "google/type/", "google/longrunning/", "buf/validate/", "protean/options/", "protean/policy/",
	"protoc-gen-openapiv2/options/", "protoc-gen-openapiv3/options/",
}

// isKnownImport reports whether a path is in a folder of files that the binary
// carries. Whether it has that very file, linkedFile says.
func isKnownImport(path string) bool {
	return slices.ContainsFunc(knownFolders, func(folder string) bool { return strings.HasPrefix(path, folder) })
}

// embeddedSet has the files of google/api, google/rpc, google/type and google/longrunning. `make generate` writes it.
//
//go:embed knownfiles.binpb
var embeddedSet []byte

// embeddedFiles are those files of the set that no Go package of the binary registers. Hardly any backend needs
// them, so they are linked when one is first looked for.
var embeddedFiles = sync.OnceValue(linkEmbedded)

func linkEmbedded() *protoregistry.Files {
	set := new(descriptorpb.FileDescriptorSet)
	if err := proto.Unmarshal(embeddedSet, set); err != nil {
		panic(err) // the binary is damaged
	}
	e := embedding{new(protoregistry.Files), make(map[string]*descriptorpb.FileDescriptorProto)}
	for _, file := range set.GetFile() {
		e.files[file.GetName()] = file
	}
	for _, file := range set.GetFile() {
		if _, err := e.FindFileByPath(file.GetName()); err != nil {
			panic(err)
		}
	}
	return e.linked
}

// embedding links embedded files, each after those that it imports. It is the resolver of the files that it links.
type embedding struct {
	linked *protoregistry.Files
	files  map[string]*descriptorpb.FileDescriptorProto
}

// FindFileByPath implements [protodesc.Resolver]. It links the file where that is still to be done.
func (e embedding) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	if fd, err := protoregistry.GlobalFiles.FindFileByPath(path); err == nil {
		return fd, nil
	}
	if fd, err := e.linked.FindFileByPath(path); err == nil {
		return fd, nil
	}
	file := e.files[path]
	if file == nil {
		return nil, protoregistry.NotFound
	}
	fd, err := protodesc.NewFile(file, e)
	if err != nil {
		return nil, err
	}
	return fd, e.linked.RegisterFile(fd)
}

// FindDescriptorByName implements [protodesc.Resolver].
func (e embedding) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	if d, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err == nil {
		return d, nil
	}
	return e.linked.FindDescriptorByName(name)
}

// addKnownImports appends the known files that are imported, by files or by one
// another, and missing.
func addKnownImports(files []*descriptorpb.FileDescriptorProto) []*descriptorpb.FileDescriptorProto {
	have := make(map[string]bool, len(files))
	for _, f := range files {
		have[f.GetName()] = true
	}
	for i := 0; i < len(files); i++ { // files grows
		for _, path := range importsOf(files[i]) {
			if have[path] {
				continue
			}
			if fd := linkedFile(path); fd != nil {
				have[path] = true
				files = append(files, protodesc.ToFileDescriptorProto(fd))
			}
		}
	}
	return files
}

// importsOf returns the paths of all imports, those only for options (edition 2024) too.
func importsOf(f *descriptorpb.FileDescriptorProto) []string {
	return slices.Concat(f.GetDependency(), f.GetOptionDependency())
}
