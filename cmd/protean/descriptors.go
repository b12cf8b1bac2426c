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
	descriptors, reflect string
	protos               []string
	services             []string
}

func (d *descriptorFlags) addTo(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&d.descriptors, "descriptors", "", "a `FILE` with a descriptor set (protoc) or an image (buf build); may be compressed with gzip or zstd")
	f.StringArrayVar(&d.protos, "proto", nil, "a `DIR` with .proto files; imports start there. Repeated, or as DIR:DIR, the further folders are searched for imports, as with protoc -I")
	f.StringVar(&d.reflect, "reflect", "", "the `ADDR` of a running server with server reflection")
	f.StringArrayVar(&d.services, "service", nil, "the full `NAME` of a service to serve; may be repeated. Default: all, less those of imports in an image and those that a running server does not have")
	c.MarkFlagsMutuallyExclusive("descriptors", "proto", "reflect")
}

func (d *descriptorFlags) said() bool { return d.descriptors+d.reflect != "" || len(d.protos) > 0 }

// load returns a serialized descriptor set, complete with imports, and the services of it to serve; none: all.
func (d *descriptorFlags) load(ctx context.Context, name string) (set []byte, services []string, err error) {
	b := &configv1.Backend{Name: proto.String(name), Address: proto.String("127.0.0.1:1")}
	switch {
	case d.descriptors != "":
		b.Source = &configv1.Backend_Descriptors{Descriptors: d.descriptors}
	case len(d.protos) > 0:
		for i, folders := range d.protos {
			addProto(b, folders, i > 0)
		}
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
