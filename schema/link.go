package schema

import (
	"context"
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// linkError says which file does not fit with the others.
type linkError struct {
	path    string
	message string
}

// link makes descriptors of files, each of which stands after those it imports.
// It does not change the files. Where ctx ends, what it returns is of no use.
func link(ctx context.Context, files []*descriptorpb.FileDescriptorProto) (*protoregistry.Files, []protoreflect.FileDescriptor, *linkError) {
	registry := new(protoregistry.Files)
	linked := make([]protoreflect.FileDescriptor, 0, len(files))
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		present, missing := withoutMissingImports(f, registry)
		fd, err := protodesc.NewFile(present, registry)
		if err == nil {
			err = registry.RegisterFile(fd)
		}
		if err != nil {
			return nil, nil, &linkError{path: f.GetName(), message: linkMessage(err, missing)}
		}
		linked = append(linked, fd)
	}
	return registry, linked, nil
}

func linkMessage(err error, missing []string) string {
	message := "the descriptors do not fit together: " + plainError(err)
	if len(missing) > 0 {
		message += fmt.Sprintf(" (the source gave no %s)", strings.Join(missing, ", "))
	}
	return message
}

// withoutMissingImports returns the file less its imports of files that are not
// there, and their paths. Many servers leave out files that only declare options; where
// a missing file was needed for more, linking says so.
func withoutMissingImports(
	f *descriptorpb.FileDescriptorProto, registry *protoregistry.Files,
) (*descriptorpb.FileDescriptorProto, []string) {
	isPublic := publicImports(f)
	var kept, missing []string
	var public []int32
	for i, path := range f.GetDependency() {
		if _, err := registry.FindFileByPath(path); err != nil {
			missing = append(missing, path)
			continue
		}
		if isPublic[int32(i)] {
			public = append(public, int32(len(kept)))
		}
		kept = append(kept, path)
	}
	if len(missing) == 0 {
		return f, nil
	}
	present := shallowCopy(f)
	present.Dependency, present.PublicDependency, present.WeakDependency = kept, public, nil
	return present, missing
}

// shallowCopy copies a file whose parts are shared with the original.
func shallowCopy(f *descriptorpb.FileDescriptorProto) *descriptorpb.FileDescriptorProto {
	copied := new(descriptorpb.FileDescriptorProto)
	from, to := f.ProtoReflect(), copied.ProtoReflect()
	from.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(fd, v)
		return true
	})
	return copied
}
