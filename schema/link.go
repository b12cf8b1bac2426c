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

// linkError says what of a file does not fit with the other files.
type linkError struct {
	path    string
	element string // full name; empty: the file
	message string
}

// maxLinkErrors bounds what is reported of one backend.
const maxLinkErrors = 100

// link makes descriptors of files, each of which stands after those it imports. Elements that do not
// link are left out, with everything that needs them. It does not change the files. Where ctx ends, what it returns is of no use.
func link(ctx context.Context, files []*descriptorpb.FileDescriptorProto) (*protoregistry.Files, []protoreflect.FileDescriptor, []linkError) {
	p := pruner{registry: new(protoregistry.Files)}
	linked := make([]protoreflect.FileDescriptor, 0, len(files))
	for _, f := range files {
		if ctx.Err() != nil {
			break
		}
		if fd := p.link(f); fd != nil {
			linked = append(linked, fd)
		}
	}
	if more := len(p.failed) - maxLinkErrors; more > 0 {
		p.failed = append(p.failed[:maxLinkErrors], linkError{message: fmt.Sprintf("%d more elements do not link", more)})
	}
	return p.registry, linked, p.failed
}

// link links one file, or what of it can be linked; nil is nothing.
func (p *pruner) link(f *descriptorpb.FileDescriptorProto) protoreflect.FileDescriptor {
	present, missing := withoutMissingImports(f, p.registry)
	fd, err := protodesc.NewFile(present, p.registry)
	if err != nil {
		return p.prune(present, missing)
	}
	if err := p.registry.RegisterFile(fd); err != nil {
		return p.prune(present, missing)
	}
	return fd
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
