package schema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/descriptorpb"
)

// DescriptorFile is a source that reads a serialized google.protobuf.FileDescriptorSet
// from a file, as protoc and buf write it. A Buf image is one too; the services of
// files that it marks as imports are left out. The file may be compressed with gzip or zstd. Files that the binary carries
// (google/protobuf, google/api and such) may be missing from it. A file whose imports are missing is a problem of the
// [Files], and the others are served.
type DescriptorFile struct {
	Path string
}

// Kind implements [Source].
func (s *DescriptorFile) Kind() string { return "descriptors" }

// Paths implements [Source].
func (s *DescriptorFile) Paths() []string { return []string{s.Path} }

// Load implements [Source].
func (s *DescriptorFile) Load(context.Context) (*Files, error) {
	raw, err := readBounded(s.Path)
	if err != nil {
		return nil, err
	}
	if raw, err = decompressed(raw); err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	files, err := parseDescriptorSet(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Path, err)
	}
	return files, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	raw, err := io.ReadAll(io.LimitReader(file, maxFilesBytes+1))
	if err == nil && len(raw) > maxFilesBytes {
		err = fmt.Errorf("%s: %w", path, errTooManyBytes)
	}
	return raw, err
}

var errNotDescriptorSet = errors.New("this is not a serialized FileDescriptorSet; " +
	"`buf build -o FILE` and `protoc --include_imports --descriptor_set_out=FILE` write one")

func parseDescriptorSet(raw []byte) (*Files, error) {
	set := new(descriptorpb.FileDescriptorSet)
	if err := unparsed.Unmarshal(raw, set); err != nil || len(set.GetFile()) == 0 {
		return nil, errNotDescriptorSet
	}
	gathered := newGathering()
	var own []*descriptorpb.FileDescriptorProto
	for _, file := range set.GetFile() {
		if gathered.has(file.GetName()) {
			return nil, fmt.Errorf("%s is in it twice", file.GetName())
		}
		if err := gathered.add(file); err != nil {
			return nil, err
		}
		if !isImageImport(file) {
			own = append(own, file)
		}
	}
	services := servicesOf(own)
	if err := gathered.completeImports(askNobody, gathered.repair); err != nil {
		return nil, err
	}
	for i := range gathered.problems {
		gathered.problems[i].Message += "; write the set with its imports (protoc --include_imports)"
	}
	return gathered.files(services)
}

func askNobody(string) error { return nil }

// isImageImport reports whether a Buf image marks a file as an import: its field
// 8042 is a message (buf.alpha.image.v1.ImageFileExtension) whose field 1 says so.
func isImageImport(file *descriptorpb.FileDescriptorProto) bool {
	const imageExtension, isImport = 8042, 1
	extension, ok := lastField(file.ProtoReflect().GetUnknown(), imageExtension, protowire.BytesType)
	if !ok {
		return false
	}
	mark, _ := protowire.ConsumeBytes(extension)
	value, ok := lastField(mark, isImport, protowire.VarintType)
	if !ok {
		return false
	}
	set, _ := protowire.ConsumeVarint(value)
	return set != 0
}

// lastField returns the encoded value of the last field with a number and type.
func lastField(message []byte, number protowire.Number, kind protowire.Type) (value []byte, ok bool) {
	for len(message) > 0 {
		num, typ, tag := protowire.ConsumeTag(message)
		if tag < 0 {
			return nil, false
		}
		size := protowire.ConsumeFieldValue(num, typ, message[tag:])
		if size < 0 {
			return nil, false
		}
		if num == number && typ == kind {
			value, ok = message[tag:tag+size], true
		}
		message = message[tag+size:]
	}
	return value, ok
}
