// Backend is the catalog of the examples as a process of its own, filled with
// the books that the benchmark reads. It prints its address.
package main

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/reflection"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
	trackingv1 "github.com/protean-gateway/protean/examples/proto/acme/tracking/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// backend answers from memory at once, so that the proxies are what is measured.
type backend struct {
	catalogv1.UnimplementedCatalogServiceServer
	list *catalogv1.ListBooksResponse
}

func (b *backend) GetBook(context.Context, *catalogv1.GetBookRequest) (*catalogv1.Book, error) {
	return b.list.Books[0], nil
}

func (b *backend) ListBooks(context.Context, *catalogv1.ListBooksRequest) (*catalogv1.ListBooksResponse, error) {
	return b.list, nil
}

// CreateBook echoes the book.
func (b *backend) CreateBook(_ context.Context, in *catalogv1.CreateBookRequest) (*catalogv1.Book, error) {
	return in.GetBook(), nil
}

// BatchGetBooks answers in the order of the list, whatever was asked.
func (b *backend) BatchGetBooks(_ context.Context, in *catalogv1.BatchGetBooksRequest) (*catalogv1.BatchGetBooksResponse, error) {
	return &catalogv1.BatchGetBooksResponse{Books: b.list.Books[:min(len(in.GetNames()), len(b.list.Books))]}, nil
}

// parcels sends as many events as are asked for, as fast as they are taken.
type parcels struct {
	trackingv1.UnimplementedTrackingServiceServer
}

func (parcels) WatchParcel(in *trackingv1.WatchParcelRequest, stream grpc.ServerStreamingServer[trackingv1.ParcelEvent]) error {
	event := &trackingv1.ParcelEvent{Parcel: in.GetParcel(), Position: &trackingv1.Position{Latitude: 51.5, Longitude: -0.125}}
	for range in.GetMaxEvents() {
		if err := stream.Send(event); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	catalogv1.RegisterCatalogServiceServer(server, &backend{list: books(100)})
	trackingv1.RegisterTrackingServiceServer(server, parcels{})
	reflection.Register(server)
	fmt.Println(listener.Addr())
	log.Fatal(server.Serve(listener))
}

func books(n int) *catalogv1.ListBooksResponse {
	list := &catalogv1.ListBooksResponse{TotalSize: int32(n)}
	for i := range n {
		rating := 3.5
		list.Books = append(list.Books, &catalogv1.Book{
			Name:         fmt.Sprintf("books/%d", i),
			Title:        fmt.Sprintf("The book with the number %d", i),
			Author:       fmt.Sprintf("authors/%d", i%7),
			Genre:        catalogv1.Genre_GENRE_NOVEL,
			Price:        &catalogv1.Money{CurrencyCode: "EUR", Units: int64(i), Nanos: 990000000},
			Pages:        int32(100 + i),
			CopiesSold:   int64(i) * 1000,
			Tags:         []string{"classic", "paperback"},
			Availability: &catalogv1.Book_InStock{InStock: int32(i % 9)},
			CreateTime:   &timestamppb.Timestamp{Seconds: 1700000000 + int64(i)},
			Rating:       &rating,
		})
	}
	return list
}
