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
	errMalformed    = errors.New("this is not a file descriptor")
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
	// problems say what of the source could not be used.
	problems []Problem
	// stripped is the file that stands for annotations of google.api whose uses the server lost, or empty.
	stripped string
}

// report adds a problem that keeps something from being served.
func (g *gathering) report(element, message string) {
	g.problems = addProblem(g.problems, Problem{Severity: Error, Element: element, Message: message})
}

// files makes the files of a backend of what was gathered. Problems are the error where no services are left.
func (g *gathering) files(services []string) (*Files, error) {
	made, err := newUsableFiles(g.set(), services, g.problems...)
	if err == nil && len(made.Services) == 0 {
		err = made.Whole()
	}
	if err != nil {
		return nil, err
	}
	return made, nil
}

// remove removes files.
func (g *gathering) remove(is func(*descriptorpb.FileDescriptorProto) bool) {
	g.order = slices.DeleteFunc(g.order, func(f *descriptorpb.FileDescriptorProto) bool {
		if is(f) {
			delete(g.byPath, f.GetName())
			return true
		}
		return false
	})
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
		return nil, fmt.Errorf("%w: it cannot be read", errMalformed)
	}
	return file, g.add(file)
}

// add adds a file, unless one of its path is there already.
func (g *gathering) add(file *descriptorpb.FileDescriptorProto) error {
	if file.GetName() == "" {
		return fmt.Errorf("%w: it has no name", errMalformed)
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

// declares reports whether a file declares a service.
func (g *gathering) declares(service string) bool {
	return slices.ContainsFunc(g.order, func(f *descriptorpb.FileDescriptorProto) bool {
		return slices.ContainsFunc(f.GetService(), func(s *descriptorpb.ServiceDescriptorProto) bool {
			return join(f.GetPackage(), s.GetName()) == service
		})
	})
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
