// Package schematest makes random schemas for tests: backends that share packages and disagree about what is in them.
package schematest

import (
	"math/rand/v2"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/protean-gateway/protean/schema"
)

// Pair returns two backends that declare the same full names, not always with the same kind or shape, and an unrelated one. Names
// include those that GraphQL cannot have. The order is random.
func Pair(r *rand.Rand) []schema.BackendFiles {
	backends := []schema.BackendFiles{{Name: UnrelatedBackend, Files: must(unrelated())}}
	for _, name := range []string{"a", "b"} {
		b, ok := backend(r, name)
		for !ok { // few files do not link
			b, ok = backend(r, name)
		}
		backends = append(backends, b)
	}
	r.Shuffle(len(backends), func(i, j int) { backends[i], backends[j] = backends[j], backends[i] })
	return backends
}

// backend returns random files, and whether they link.
func backend(r *rand.Rand, name string) (schema.BackendFiles, bool) {
	g := &generator{Rand: r, name: name}
	files := must(schema.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{g.file()}}, nil))
	b := schema.BackendFiles{Name: name, Files: files}
	alone, _ := schema.Compile(schema.Input{Backends: []schema.BackendFiles{b}})
	return b, len(alone.Backends) == 1
}

// The backend of a pair that shares nothing with the others, its one method, the method's root field and REST path.
const (
	UnrelatedBackend = "unrelated"
	UnrelatedField   = "getUnrelatedThing"
	UnrelatedPath    = "/unrelated/things"
)

func unrelated() (*schema.Files, error) {
	message := func(name string) *descriptorpb.DescriptorProto {
		return &descriptorpb.DescriptorProto{Name: proto.String(name), Field: []*descriptorpb.FieldDescriptorProto{{
			Name: proto.String("text"), Number: proto.Int32(1),
			Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(), Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		}}}
	}
	method := &descriptorpb.MethodDescriptorProto{
		Name: proto.String("GetUnrelatedThing"), InputType: proto.String(".unrelated.v1.UnrelatedRequest"), OutputType: proto.String(".unrelated.v1.UnrelatedThing"),
		Options: httpGet(UnrelatedPath),
	}
	return schema.NewFiles(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name: proto.String("unrelated.proto"), Package: proto.String("unrelated.v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{message("UnrelatedRequest"), message("UnrelatedThing")},
		Service:     []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("Unrelated"), Method: []*descriptorpb.MethodDescriptorProto{method}}},
	}}}, nil)
}

func must(files *schema.Files, err error) *schema.Files {
	if err != nil {
		panic(err) // a defect of this package
	}
	return files
}
