// Package catalog is an example of a backend in the style of the API improvement
// proposals (aip.dev): resources with names, pages, field masks and etags. It
// keeps its books in memory.
package catalog

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

// MaxBatch is the number of names that BatchGetBooks takes.
const MaxBatch = 1000

// Server is the catalog service. It is safe for concurrent use.
type Server struct {
	catalogv1.UnimplementedCatalogServiceServer
	store *store
}

// New returns a catalog with thirteen books. Two new catalogs answer the same
// requests in the same words: the time of a change is not the time of day, and
// names and etags are not random.
func New() *Server { return &Server{store: newStore()} }

// Register adds the service to a gRPC server.
func (s *Server) Register(r grpc.ServiceRegistrar) { catalogv1.RegisterCatalogServiceServer(r, s) }

// GetBook returns one book.
func (s *Server) GetBook(_ context.Context, in *catalogv1.GetBookRequest) (*catalogv1.Book, error) {
	if in.GetName() == "" {
		return nil, invalid(violation("name", "must be set"))
	}
	return s.store.book(in.GetName())
}

// BatchGetBooks returns the books that exist, each once, the newest first.
func (s *Server) BatchGetBooks(_ context.Context, in *catalogv1.BatchGetBooksRequest) (*catalogv1.BatchGetBooksResponse, error) {
	if len(in.GetNames()) > MaxBatch {
		return nil, invalid(violation("names", "must not be more than %d", MaxBatch))
	}
	return &catalogv1.BatchGetBooksResponse{Books: s.store.newestFirst(in.GetNames())}, nil
}

// DeleteBook removes a book for good.
func (s *Server) DeleteBook(_ context.Context, in *catalogv1.DeleteBookRequest) (*emptypb.Empty, error) {
	if err := s.store.remove(in.GetName()); err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// ArchiveBook takes a book out of sale. The reason becomes a tag.
func (s *Server) ArchiveBook(_ context.Context, in *catalogv1.ArchiveBookRequest) (*catalogv1.Book, error) {
	return s.store.change(in.GetName(), func(b *catalogv1.Book) error {
		if b.GetArchived() {
			return fault(codes.FailedPrecondition, "%s is archived already", b.GetName())
		}
		b.Archived = true
		b.Price, b.Availability = nil, nil
		if in.GetReason() != "" {
			b.Tags = append(b.Tags, in.GetReason())
		}
		return nil
	})
}

// GetAuthor returns one author.
func (s *Server) GetAuthor(_ context.Context, in *catalogv1.GetAuthorRequest) (*catalogv1.Author, error) {
	if in.GetName() == "" {
		return nil, invalid(violation("name", "must be set"))
	}
	return s.store.author(in.GetName())
}
