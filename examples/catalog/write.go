package catalog

import (
	"context"
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

// CreateBook adds a book (AIP-133). What only the service may say is ignored.
func (s *Server) CreateBook(_ context.Context, in *catalogv1.CreateBookRequest) (*catalogv1.Book, error) {
	b := proto.CloneOf(in.GetBook())
	if b == nil {
		return nil, invalid(violation("book", "must be set"))
	}
	b.Name, b.CopiesSold, b.Archived = "", 0, false
	violations := s.check(b)
	if id := in.GetBookId(); id != "" {
		b.Name = "books/" + id
		if !bookID.MatchString(id) {
			violations = append(violations, violation("book_id", "must have small letters, digits and hyphens, begin with a letter, and be at most 63 long"))
		}
	}
	if len(violations) > 0 {
		return nil, invalid(violations...)
	}
	if err := s.store.add(b, idFromTitle(b.GetTitle())); err != nil {
		return nil, err
	}
	return b, nil
}

// UpdateBook changes what the mask names (AIP-134). A book with an etag is only
// changed while it still has that etag (AIP-154).
func (s *Server) UpdateBook(_ context.Context, in *catalogv1.UpdateBookRequest) (*catalogv1.Book, error) {
	if in.GetBook().GetName() == "" {
		return nil, invalid(violation("book.name", "must be set"))
	}
	paths, v := maskPaths(in.GetUpdateMask(), in.GetBook())
	if v != nil {
		return nil, invalid(v)
	}
	return s.store.change(in.GetBook().GetName(), func(b *catalogv1.Book) error {
		if etag := in.GetBook().GetEtag(); etag != "" && etag != b.GetEtag() {
			return fault(codes.Aborted, "%s was changed: its etag is %s now", b.GetName(), b.GetEtag())
		}
		for _, path := range paths {
			copyPath(b.ProtoReflect(), in.GetBook().ProtoReflect(), strings.Split(path, "."))
		}
		if violations := s.check(b); len(violations) > 0 {
			return invalid(violations...)
		}
		return nil
	})
}

var (
	bookID       = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
	currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)
	notInID      = regexp.MustCompile(`[^a-z0-9]+`)
)

// check returns what is wrong with the fields of a book.
func (s *Server) check(b *catalogv1.Book) []*errdetails.BadRequest_FieldViolation {
	var found []*errdetails.BadRequest_FieldViolation
	need := func(ok bool, field, description string) {
		if !ok {
			found = append(found, violation("book."+field, "%s", description))
		}
	}
	need(strings.TrimSpace(b.GetTitle()) != "", "title", "must be set")
	need(b.GetAuthor() == "" || s.store.hasAuthor(b.GetAuthor()), "author", "must be an author of this catalog")
	need(b.GetPages() >= 0, "pages", "must not be negative")
	need(b.GetInStock() >= 0, "in_stock", "must not be negative")
	need(b.Rating == nil || b.GetRating() >= 1 && b.GetRating() <= 5, "rating", "must be from 1 to 5")
	if p := b.GetPrice(); p != nil {
		need(currencyCode.MatchString(p.GetCurrencyCode()), "price.currency_code", "must be three capital letters")
		need(p.GetUnits() >= 0, "price.units", "must not be negative")
		need(p.GetNanos() >= 0 && p.GetNanos() <= 999_999_999, "price.nanos", "must be from 0 to 999999999")
	}
	return found
}

// idFromTitle makes `a-room-of-ones-own` of "A Room of One's Own".
func idFromTitle(title string) string {
	plain := strings.ReplaceAll(strings.ToLower(title), "'", "")
	id := strings.Trim(notInID.ReplaceAllString(plain, "-"), "-")
	if len(id) > 48 {
		id = strings.TrimRight(id[:48], "-")
	}
	if id == "" || id[0] < 'a' {
		id = "book-" + id
	}
	return strings.TrimRight(id, "-")
}
