// Peer is a GraphQL server as one writes it by hand: gqlgen's generated code,
// generated gRPC clients and a DataLoader, in front of the backend that its argument
// names. It prints its address.
package main

import (
	"context"
	"errors"
	"io"
	"log"
	"os"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/99designs/gqlgen/graphql/handler"
	"github.com/99designs/gqlgen/graphql/handler/lru"
	"github.com/99designs/gqlgen/graphql/handler/transport"
	"github.com/graph-gophers/dataloader/v7"
	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
	"github.com/protean-gateway/protean/test/bench/front"
)

//go:generate go tool gqlgen generate

type resolver struct {
	catalog  catalogv1.CatalogServiceClient
	tracking trackingv1.TrackingServiceClient
}

func (r *resolver) Book() BookResolver                 { return r }
func (r *resolver) Query() QueryResolver               { return r }
func (r *resolver) Subscription() SubscriptionResolver { return r }

func (r *resolver) GetBook(ctx context.Context, name string) (*catalogv1.Book, error) {
	return r.catalog.GetBook(ctx, &catalogv1.GetBookRequest{Name: name})
}

func (r *resolver) ListBooks(ctx context.Context, pageSize *int32) (*catalogv1.ListBooksResponse, error) {
	in := &catalogv1.ListBooksRequest{}
	if pageSize != nil {
		in.PageSize = *pageSize
	}
	return r.catalog.ListBooks(ctx, in)
}

func (r *resolver) Twin(ctx context.Context, book *catalogv1.Book) (*catalogv1.Book, error) {
	return ctx.Value(loaderKey{}).(*dataloader.Loader[string, *catalogv1.Book]).Load(ctx, book.GetName())()
}

func (r *resolver) WatchParcel(ctx context.Context, parcel string, maxEvents *int32) (<-chan *trackingv1.ParcelEvent, error) {
	in := &trackingv1.WatchParcelRequest{Parcel: parcel}
	if maxEvents != nil {
		in.MaxEvents = *maxEvents
	}
	stream, err := r.tracking.WatchParcel(ctx, in)
	if err != nil {
		return nil, err
	}
	events := make(chan *trackingv1.ParcelEvent)
	go func() {
		defer close(events)
		for {
			event, err := stream.Recv()
			if err != nil {
				if !errors.Is(err, io.EOF) {
					log.Print(err)
				}
				return
			}
			select {
			case events <- event:
			case <-ctx.Done():
				return
			}
		}
	}()
	return events, nil
}

type loaderKey struct{}

// loading gives each operation a DataLoader of its own.
func (r *resolver) loading(ctx context.Context, next graphql.OperationHandler) graphql.ResponseHandler {
	loader := dataloader.NewBatchedLoader(r.batch, dataloader.WithWait[string, *catalogv1.Book](time.Millisecond))
	return next(context.WithValue(ctx, loaderKey{}, loader))
}

func (r *resolver) batch(ctx context.Context, names []string) []*dataloader.Result[*catalogv1.Book] {
	out := make([]*dataloader.Result[*catalogv1.Book], len(names))
	response, err := r.catalog.BatchGetBooks(ctx, &catalogv1.BatchGetBooksRequest{Names: names})
	byName := make(map[string]*catalogv1.Book, len(names))
	for _, book := range response.GetBooks() {
		byName[book.GetName()] = book
	}
	for i, name := range names {
		out[i] = &dataloader.Result[*catalogv1.Book]{Data: byName[name], Error: err}
	}
	return out
}

func main() {
	conn, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	r := &resolver{catalog: catalogv1.NewCatalogServiceClient(conn), tracking: trackingv1.NewTrackingServiceClient(conn)}
	server := handler.New(NewExecutableSchema(Config{Resolvers: r}))
	server.AddTransport(transport.Websocket{})
	server.AddTransport(transport.POST{})
	server.SetQueryCache(lru.New[*ast.QueryDocument](1000))
	server.AroundOperations(r.loading)
	log.Fatal(front.Serve(server))
}
