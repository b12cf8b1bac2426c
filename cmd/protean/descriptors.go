package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// descriptorFlags say where the descriptors of a registration come from.
type descriptorFlags struct {
	descriptors, protos, reflect string
}

func (d *descriptorFlags) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.descriptors, "descriptors", "", "a `FILE` with a descriptor set (protoc) or an image (buf build)")
	f.StringVar(&d.protos, "proto", "", "a `DIR` with .proto files; imports start there")
	f.StringVar(&d.reflect, "reflect", "", "the `ADDR` of a running server with server reflection")
	c.MarkFlagsMutuallyExclusive("descriptors", "proto", "reflect")
}

func (d *descriptorFlags) said() bool { return d.descriptors+d.protos+d.reflect != "" }

// load returns a serialized descriptor set, complete with imports.
func (d *descriptorFlags) load(ctx context.Context, name string) ([]byte, error) {
	b := &configv1.Backend{Name: proto.String(name), Address: proto.String("127.0.0.1:1")}
	switch {
	case d.descriptors != "":
		b.Source = &configv1.Backend_Descriptors{Descriptors: d.descriptors}
	case d.protos != "":
		b.Source = &configv1.Backend_Proto{Proto: d.protos}
	default:
		b.Address = proto.String(d.reflect)
	}
	ctx, cancel := context.WithTimeout(ctx, loadTimeout)
	defer cancel()
	set, err := gateway.LoadDescriptors(ctx, b)
	if err != nil {
		return nil, fmt.Errorf("the descriptors cannot be loaded: %w", err)
	}
	return set, nil
}
