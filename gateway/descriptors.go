package gateway

import (
	"context"

	"google.golang.org/protobuf/proto"

	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// LoadDescriptors loads the files of one backend from its source and returns them as a serialized
// google.protobuf.FileDescriptorSet with all imports.
func LoadDescriptors(ctx context.Context, b *configv1.Backend) ([]byte, error) {
	config := &Configuration{Config: &configv1.Config{Backends: []*configv1.Backend{b}}}
	_, registry, done, err := loadOnce(ctx, config)
	if err != nil {
		return nil, err
	}
	defer done()
	return proto.MarshalOptions{Deterministic: true}.Marshal(registry.State()[0].Files.Set)
}

// Secret reads a value that may be kept elsewhere: `env:NAME` in the environment, `file:PATH` in a
// file. Everything else is the value itself.
func Secret(value string) (string, error) { return secret(value) }
