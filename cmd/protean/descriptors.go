package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/protean-gateway/protean/gateway"
	configv1 "github.com/protean-gateway/protean/proto/protean/config/v1"
)

// descriptorFlags say where the descriptors of a registration come from, and what of them is served.
type descriptorFlags struct {
	descriptors, protos, reflect string
	services                     []string
}

func (d *descriptorFlags) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.descriptors, "descriptors", "", "a `FILE` with a descriptor set (protoc) or an image (buf build); may be compressed with gzip or zstd")
	f.StringVar(&d.protos, "proto", "", "a `DIR` with .proto files; imports start there")
	f.StringVar(&d.reflect, "reflect", "", "the `ADDR` of a running server with server reflection")
	f.StringArrayVar(&d.services, "service", nil, "the full `NAME` of a service to serve; may be repeated. Default: all, less those of imports in an image and those that a running server does not have")
	c.MarkFlagsMutuallyExclusive("descriptors", "proto", "reflect")
}

func (d *descriptorFlags) said() bool { return d.descriptors+d.protos+d.reflect != "" }

// load returns a serialized descriptor set, complete with imports, and the services of it to serve; none: all.
func (d *descriptorFlags) load(ctx context.Context, name string) (set []byte, services []string, err error) {
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
	if set, services, err = gateway.LoadDescriptors(ctx, b); err != nil {
		return nil, nil, fmt.Errorf("the descriptors cannot be loaded: %w", err)
	}
	if len(d.services) > 0 {
		services = d.services
	}
	return set, services, nil
}
