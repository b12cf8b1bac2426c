package schema

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Source is where the descriptors of one backend come from.
type Source interface {
	// Load reads all of the backend's files anew, or returns what it returned last
	// if nothing changed. It stops when ctx ends. Its errors are for the operator:
	// they say what is wrong and what mends it. A [SkewError] comes with files all the same.
	// It is called by one goroutine at a time.
	Load(ctx context.Context) (*Files, error)
	// Kind is a word for logs and messages: reflection, descriptors or proto.
	Kind() string
	// Paths are the files and folders whose change calls for another Load. None: ask
	// again from time to time.
	Paths() []string
}

var (
	errTooManyBytes = fmt.Errorf("the files are larger than %d MiB together", maxFilesBytes>>20)
	errTooManyFiles = fmt.Errorf("there are more than %d files", maxFiles)
)

// unparsed leaves options as unknown fields, so that an option that is broken, or
// of another version than ours, does not spoil its file; [NewFiles] parses them.
var unparsed = proto.UnmarshalOptions{
	Resolver:       new(protoregistry.Types),
	RecursionLimit: maxNesting + maxOptionNesting,
}

// gathering collects the files of one load. It is not safe for concurrent use.
type gathering struct {
	byPath map[string]*descriptorpb.FileDescriptorProto
	order  []*descriptorpb.FileDescriptorProto // as they came
	bytes  int
}

func newGathering() *gathering {
	return &gathering{byPath: make(map[string]*descriptorpb.FileDescriptorProto)}
}

// addRaw adds a serialized file.
func (g *gathering) addRaw(raw []byte) (*descriptorpb.FileDescriptorProto, error) {
	if g.bytes += len(raw); g.bytes > maxFilesBytes {
		return nil, errTooManyBytes
	}
	file := new(descriptorpb.FileDescriptorProto)
	if err := unparsed.Unmarshal(raw, file); err != nil {
		return nil, errors.New("what should be a file descriptor cannot be read as one")
	}
	return file, g.add(file)
}

// add adds a file, unless one of its path is there already.
func (g *gathering) add(file *descriptorpb.FileDescriptorProto) error {
	if file.GetName() == "" {
		return errors.New("a file descriptor has no name")
	}
	if g.has(file.GetName()) {
		return nil
	}
	if len(g.order) == maxFiles {
		return errTooManyFiles
	}
	g.byPath[file.GetName()] = file
	g.order = append(g.order, file)
	return nil
}

func (g *gathering) has(path string) bool { return g.byPath[path] != nil }

// set returns what was gathered, in the order of paths.
func (g *gathering) set() *descriptorpb.FileDescriptorSet {
	files := slices.Clone(g.order)
	slices.SortFunc(files, func(a, b *descriptorpb.FileDescriptorProto) int {
		return cmp.Compare(a.GetName(), b.GetName())
	})
	return &descriptorpb.FileDescriptorSet{File: files}
}

// servicesOf returns the full names of the services that files declare. It is
// never nil, so that files without services do not stand for all.
func servicesOf(files []*descriptorpb.FileDescriptorProto) []string {
	names := []string{}
	for _, file := range files {
		for _, service := range file.GetService() {
			names = append(names, join(file.GetPackage(), service.GetName()))
		}
	}
	return names
}
