package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/types/descriptorpb"
)

// maxImportWalk bounds the steps along imports and the public imports behind them.
// Linking takes every way there is, and a few files can make 2^files of them.
const maxImportWalk = 1_000_000

// sort puts each file after those it imports, and else by path, so that the
// same files come out the same however a source ordered them. Files that import each other are a problem.
func (f *Files) sort(files []*descriptorpb.FileDescriptorProto) ([]*descriptorpb.FileDescriptorProto, error) {
	s := fileSorter{made: f, files: make(map[string]*descriptorpb.FileDescriptorProto), public: make(map[string]int)}
	for _, f := range files {
		s.files[f.GetName()] = f
	}
	slices.SortFunc(files, func(a, b *descriptorpb.FileDescriptorProto) int {
		return cmp.Compare(a.GetName(), b.GetName())
	})
	for _, f := range files {
		if err := s.visit(f); err != nil {
			return nil, err
		}
	}
	return s.sorted, nil
}

type fileSorter struct {
	made   *Files
	files  map[string]*descriptorpb.FileDescriptorProto
	sorted []*descriptorpb.FileDescriptorProto
	stack  []string       // files whose imports are being visited
	public map[string]int // of visited files: steps along public imports
	walk   int            // steps in all
}

func (s *fileSorter) visit(f *descriptorpb.FileDescriptorProto) error {
	if _, done := s.public[f.GetName()]; done {
		return nil
	}
	if i := slices.Index(s.stack, f.GetName()); i >= 0 {
		s.made.report("files import each other: " + strings.Join(append(slices.Clone(s.stack[i:]), f.GetName()), " → "))
		return nil
	}
	s.stack = append(s.stack, f.GetName())
	for _, path := range importsOf(f) {
		if imported := s.files[path]; imported != nil {
			if err := s.visit(imported); err != nil {
				return err
			}
		}
	}
	s.stack = s.stack[:len(s.stack)-1]
	s.sorted = append(s.sorted, f)
	return s.countSteps(f)
}

func (s *fileSorter) countSteps(f *descriptorpb.FileDescriptorProto) error {
	isPublic := publicImports(f)
	public := 0
	for i, path := range f.GetDependency() {
		steps := 1 + s.public[path]
		if s.walk += steps; s.walk > maxImportWalk {
			return fmt.Errorf("%s: too many ways lead through public imports", f.GetName())
		}
		if isPublic[int32(i)] {
			public += steps
		}
	}
	s.public[f.GetName()] = public
	return nil
}

// publicImports returns the indexes of a file's public imports.
func publicImports(f *descriptorpb.FileDescriptorProto) map[int32]bool {
	public := make(map[int32]bool, len(f.GetPublicDependency()))
	for _, i := range f.GetPublicDependency() {
		public[i] = true
	}
	return public
}
