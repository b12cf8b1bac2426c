package schema

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
)

func marshal(t *testing.T, m proto.Message) []byte {
	t.Helper()
	raw, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// catalogSet is the catalog's file alone, as protoc writes it without --include_imports.
func catalogSet() *descriptorpb.FileDescriptorSet {
	file := protodesc.ToFileDescriptorProto(catalogv1.File_acme_catalog_v1_catalog_proto)
	return &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}}
}

// imageSet is a Buf image of the catalog and the tracking service, the latter as an import.
func imageSet() *descriptorpb.FileDescriptorSet {
	imported := protodesc.ToFileDescriptorProto(trackingv1.File_acme_tracking_v1_tracking_proto)
	mark := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 1)
	image := protowire.AppendBytes(protowire.AppendTag(nil, 8042, protowire.BytesType), mark)
	imported.ProtoReflect().SetUnknown(image)
	set := catalogSet()
	set.File = append(set.File, imported)
	return set
}

// compressions are the formats in which buf writes files.
var compressions = map[string]func(t *testing.T, raw []byte) []byte{
	"gzip": func(t *testing.T, raw []byte) []byte {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(raw)
		if err := errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	},
	"zstd": func(t *testing.T, raw []byte) []byte {
		z, err := zstd.NewWriter(nil)
		if err != nil {
			t.Fatal(err)
		}
		return z.EncodeAll(raw, nil)
	},
}

func TestCompressedDescriptorFile(t *testing.T) {
	load := func(raw []byte) (*Files, error) {
		path := filepath.Join(t.TempDir(), "shop.binpb") // the name says nothing
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return (&DescriptorFile{Path: path}).Load(t.Context())
	}
	set := marshal(t, catalogSet())
	bomb := make([]byte, maxFilesBytes+1)
	for format, compress := range compressions {
		t.Run(format, func(t *testing.T) {
			files, err := load(compress(t, set))
			if err != nil || !slices.Equal(files.Services, []string{catalogService}) {
				t.Errorf("%v, %v", files, err)
			}
			for name, test := range map[string]struct {
				raw  []byte
				want string
			}{
				"bomb":           {compress(t, bomb), "decompressed: "},
				"cut off":        {compress(t, set)[:len(compress(t, set))/2], "is cut off"},
				"only begun":     {compress(t, set)[:4], ""},
				"something else": {compress(t, []byte("text")), errNotDescriptorSet.Error()},
			} {
				if _, err := load(test.raw); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: %v, want %q", name, err, test.want)
				}
			}
		})
	}
}

func TestDescriptorFile(t *testing.T) {
	for name, set := range map[string]*descriptorpb.FileDescriptorSet{"set": catalogSet(), "Buf image": imageSet()} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "shop.binpb")
			if err := os.WriteFile(path, marshal(t, set), 0o600); err != nil {
				t.Fatal(err)
			}
			files, err := (&DescriptorFile{Path: path}).Load(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{catalogService}; !slices.Equal(files.Services, want) {
				t.Errorf("services %v, want %v", files.Services, want)
			}
		})
	}
}

func TestDescriptorFileRefuses(t *testing.T) {
	const notASet = "this is not a serialized FileDescriptorSet; `buf build -o FILE` and " +
		"`protoc --include_imports --descriptor_set_out=FILE` write one"
	twice := catalogSet()
	twice.File = append(twice.File, twice.File[0])
	incomplete := &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{fileFromText(t,
		`name: "shop.proto" dependency: "money.proto" message_type { name: "Item"
		   field { name: "price" number: 1 type: TYPE_MESSAGE type_name: ".common.Money" label: LABEL_OPTIONAL } }`)}}
	many := new(descriptorpb.FileDescriptorSet)
	for range maxFiles + 1 {
		many.File = append(many.File, &descriptorpb.FileDescriptorProto{Name: proto.String(string(rune(0x100 + len(many.File))))})
	}
	tests := []struct {
		name    string
		content []byte
		err     string
	}{
		{"empty", nil, notASet},
		{"JSON", []byte(`{"file": []}`), notASet},
		{"text", []byte("syntax = \"proto3\";\n"), notASet},
		{"another message", marshal(t, &descriptorpb.FileDescriptorProto{Syntax: proto.String("proto3")}), notASet},
		{"twice the same", marshal(t, twice), "acme/catalog/v1/catalog.proto is in it twice"},
		{"incomplete", marshal(t, incomplete), "shop.proto imports money.proto, which is missing, " +
			"and common.Money is not declared without it; write the set with its imports (protoc --include_imports)"},
		{"many files", marshal(t, many), "there are more than 5000 files"},
		{"large", bytes.Repeat([]byte{0}, maxFilesBytes+1), "the files are larger than 32 MiB together"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "set")
			if err := os.WriteFile(path, test.content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := (&DescriptorFile{Path: path}).Load(t.Context())
			wantError(t, err, path+": "+test.err)
		})
	}
}

func TestDescriptorFileMissing(t *testing.T) {
	_, err := (&DescriptorFile{Path: "testdata/no-such-file"}).Load(t.Context())
	wantError(t, err, "open testdata/no-such-file: no such file or directory")
}

// Whatever a file holds, loading it ends in files or in an error.
func FuzzDescriptorSet(f *testing.F) {
	for _, set := range []*descriptorpb.FileDescriptorSet{catalogSet(), imageSet()} {
		raw, err := proto.Marshal(set)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		files, err := parseDescriptorSet(raw)
		if (files == nil) == (err == nil) {
			t.Fatalf("files %v and error %v", files, err)
		}
		if err != nil {
			return
		}
		again, err := newUsableFiles(files.Set, append([]string{}, files.Services...))
		if err != nil || again.Digest != files.Digest {
			t.Fatalf("what was made cannot be made again: %v", err)
		}
	})
}
