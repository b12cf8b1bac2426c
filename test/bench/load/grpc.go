package load

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// GRPC makes calls of a unary method one after the other, on a connection of its own.
func GRPC(address string, times int, call func(context.Context, grpc.ClientConnInterface) error) error {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	for range times {
		if err := call(context.Background(), conn); err != nil {
			return err
		}
	}
	return nil
}
