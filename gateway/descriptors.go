package gateway

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// LoadDescriptors loads the files of one backend from its source and returns them as a serialized
// google.protobuf.FileDescriptorSet with all imports. Services are those that the backend has, where the files
// declare more: an image of buf has those of its imports, and a server gives files of which it serves a part. Nil: all.
// Where a part of the source cannot be used, it is an error.
func LoadDescriptors(ctx context.Context, b *configv1.Backend) (set []byte, services []string, err error) {
	config := &Configuration{Config: &configv1.Config{Backends: []*configv1.Backend{b}}}
	_, registry, done, err := loadOnce(ctx, config)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	files := registry.State()[0].Files
	if err := files.Whole(); err != nil {
		return nil, nil, fmt.Errorf("backend %s: %w", BackendName(b), err)
	}
	set, err = proto.MarshalOptions{Deterministic: true}.Marshal(files.Set)
	if files.DeclareMore() {
		services = files.Services
	}
	return set, services, err
}

// Secret reads a value that may be kept elsewhere: `env:NAME` in the environment, `file:PATH` in a
// file. Everything else is the value itself.
func Secret(value string) (string, error) { return secret(value) }
