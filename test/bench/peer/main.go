// Peer is a gateway made of the code that grpc-gateway generates for the
// examples, in front of the backend that its argument names. It prints its address.
package main

import (
	"context"
	"log"
	"os"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/protean-gateway/protean/test/bench/front"
	catalog "github.com/protean-gateway/protean/test/bench/grpcgateway/acme/catalog/v1"
	tracking "github.com/protean-gateway/protean/test/bench/grpcgateway/acme/tracking/v1"
)

func main() {
	mux := runtime.NewServeMux()
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	if err := catalog.RegisterCatalogServiceHandler(context.Background(), mux, conn); err != nil {
		log.Fatal(err)
	}
	if err := tracking.RegisterTrackingServiceHandler(context.Background(), mux, conn); err != nil {
		log.Fatal(err)
	}
	log.Fatal(front.Serve(mux))
}
