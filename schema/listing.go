package schema

import (
	"context"

	"github.com/jhump/protoreflect/v2/grpcreflect"
	"google.golang.org/grpc"
)

// ListServices asks a server by reflection for the names of its services. The error is that of the
// call: UNIMPLEMENTED from a server without reflection.
func ListServices(ctx context.Context, conn grpc.ClientConnInterface) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := grpcreflect.NewClientAuto(ctx, conn)
	defer client.Reset()
	listed, err := client.ListServices()
	if err != nil {
		return nil, err
	}
	names := make([]string, len(listed))
	for i, name := range listed {
		names[i] = string(name)
	}
	return names, nil
}
