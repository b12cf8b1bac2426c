package schema

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxFolderEntries bounds how many files and folders are looked at, so that a
// mistaken path such as `/` ends soon.
const maxFolderEntries = 20_000

// ProtoFolder is a source that compiles all .proto files in a folder and the
// folders in it, less those whose name starts with a dot. Imports start at the folder. Files
// that the binary carries (google/protobuf, google/api, google/rpc, buf/validate and
// our own options) need not be there. Symbolic links that leave the folder are refused.
type ProtoFolder struct {
	Dir string
	// Imports are further folders in which imports that are not in Dir are searched, in this order. Services of
	// their files are not served.
	Imports []string

	// What the last load read and what became of it. The folder is read again on
	// every load, but compiled only if something in it changed.
	read     [sha256.Size]byte
	compiled *Files
	failed   error
}

// Kind implements [Source].
func (s *ProtoFolder) Kind() string { return "proto" }

// Paths implements [Source].
func (s *ProtoFolder) Paths() []string { return append([]string{s.Dir}, s.Imports...) }

// Load implements [Source]. What the compiler found is among the problems of the files, or in the error
// where no services are left: a line `file:line:column: text` each.
func (s *ProtoFolder) Load(ctx context.Context) (*Files, error) {
	sources, err := readProtoFolder(s.Dir)
	if err != nil {
		return nil, err
	}
	own := maps.Clone(sources)
	if err := sources.addImports(s.Imports); err != nil {
		return nil, err
	}
	sum := sources.sum()
	if sum == s.read {
		return s.compiled, s.failed
	}
	files, err := sources.loadServing(ctx, own)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.read, s.compiled, s.failed = sum, files, err
	return files, err
}

// protoSources are the contents of .proto files by import path.
type protoSources map[string][]byte

// paths returns the import paths, sorted.
func (p protoSources) paths() []string { return slices.Sorted(maps.Keys(p)) }

func (p protoSources) sum() (sum [sha256.Size]byte) {
	hash := sha256.New()
	for _, name := range p.paths() {
		fmt.Fprintf(hash, "%d %s %d ", len(name), name, len(p[name]))
		hash.Write(p[name])
	}
	hash.Sum(sum[:0])
	return sum
}

// load compiles the files and gathers them with everything they import. Files with errors are problems where
// others have services.
func (p protoSources) load(ctx context.Context) (*Files, error) { return p.loadServing(ctx, p) }

// loadServing is load with the services of some of the files alone.
func (p protoSources) loadServing(ctx context.Context, served protoSources) (*Files, error) {
	compiled, found, err := p.compile(ctx)
	if err != nil {
		return nil, err
	}
	gathered := newGathering()
	gathered.problems = found.problems()
	var own []*descriptorpb.FileDescriptorProto
	for _, file := range compiled {
		result, ok := file.(linker.Result)
		if !ok {
			continue // ours, in the place of the folder's copy
		}
		if _, ok := served[file.Path()]; ok {
			own = append(own, result.FileDescriptorProto())
		}
		if err := gathered.add(result.FileDescriptorProto()); err != nil {
			return nil, err
		}
	}
	if err := gathered.completeImports(askNobody, func() {}); err != nil {
		return nil, err
	}
	return gathered.files(servicesOf(own))
}

func readProtoFolder(dir string) (protoSources, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = root.Close() }()
	reader := folderReader{root: root, sources: make(protoSources)}
	if err := fs.WalkDir(root.FS(), ".", reader.visit); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if len(reader.sources) == 0 {
		return nil, fmt.Errorf("%s: there are no .proto files in it", dir)
	}
	return reader.sources, nil
}

// folderReader reads the .proto files of a folder, within bounds.
type folderReader struct {
	root    *os.Root
	sources protoSources
	entries int
	bytes   int64
}

func (r *folderReader) visit(name string, entry fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if r.entries++; r.entries > maxFolderEntries {
		return fmt.Errorf("there are more than %d entries; give the folder that imports start from", maxFolderEntries)
	}
	if entry.IsDir() {
		if name != "." && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return nil
	}
	if path.Ext(name) != ".proto" {
		return nil
	}
	return r.read(name)
}

func (r *folderReader) read(name string) error {
	if len(r.sources) == maxFiles {
		return errTooManyFiles
	}
	file, err := r.root.Open(name) // refuses links out of the folder
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err != nil || !info.Mode().IsRegular() {
		return errors.Join(err, fmt.Errorf("%s is not a regular file", name))
	}
	var content bytes.Buffer
	n, err := io.Copy(&content, io.LimitReader(file, maxFilesBytes-r.bytes+1))
	if err != nil {
		return err
	}
	if r.bytes += n; r.bytes > maxFilesBytes {
		return errTooManyBytes
	}
	r.sources[name] = content.Bytes()
	return nil
}
