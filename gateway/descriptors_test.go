package gateway

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
	"github.com/protean-gateway/protean/rpc/rpctest"
	"github.com/protean-gateway/protean/schema"
)

// TestLoadDescriptors tells which services are the backend's where files declare more, as those of an image of buf do.
func TestLoadDescriptors(t *testing.T) {
	set := proto.CloneOf(rpctest.Files(t, map[string]string{
		"own.proto":    `edition = "2023"; package own; import "other.proto"; service Own { rpc Do(other.Thing) returns (other.Thing); }`,
		"other.proto":  `edition = "2023"; package other; message Thing { string name = 1; } service Other { rpc Do(Thing) returns (Thing); }`,
		"unused.proto": `edition = "2023"; package unused;`,
	}).Set)
	load := func(set *descriptorpb.FileDescriptorSet) (*schema.Files, []string) {
		raw, err := proto.Marshal(set)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "set.binpb")
		if err := os.WriteFile(path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		loaded, services, err := LoadDescriptors(t.Context(), &configv1.Backend{
			Name: proto.String("own"), Address: proto.String("127.0.0.1:1"), Source: &configv1.Backend_Descriptors{Descriptors: path},
		})
		if err != nil {
			t.Fatal(err)
		}
		files, err := schema.ParseDescriptors(loaded)
		if err != nil {
			t.Fatal(err)
		}
		return files, services
	}
	if files, services := load(set); services != nil || len(files.Services) != 2 {
		t.Errorf("of a set: %q of %q", services, files.Services)
	}
	for _, f := range set.GetFile() {
		if f.GetName() == "other.proto" { // buf.alpha.image.v1.ImageFileExtension, is_import
			f.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 8042, protowire.BytesType), []byte{1 << 3, 1}))
		}
	}
	if _, services := load(set); !slices.Equal(services, []string{"own.Own"}) {
		t.Errorf("of an image: %q", services)
	}
}
