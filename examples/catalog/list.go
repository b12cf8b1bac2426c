package catalog

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

// The size of a page, in books.
const (
	DefaultPage = 25
	MaxPage     = 1000
)

// ListBooks returns one page of the books that pass all filters (AIP-132, AIP-158).
func (s *Server) ListBooks(_ context.Context, in *catalogv1.ListBooksRequest) (*catalogv1.ListBooksResponse, error) {
	if v := checkList(in); v != nil {
		return nil, invalid(v)
	}
	if p := in.GetParent(); p != "" && p != "authors/-" {
		if _, err := s.store.author(p); err != nil {
			return nil, err
		}
	}
	after, v := startOfPage(in)
	if v != nil {
		return nil, invalid(v)
	}
	found := s.store.matching(func(b *catalogv1.Book) bool { return passes(b, in) })
	return page(found, after, in), nil
}

func checkList(in *catalogv1.ListBooksRequest) *errdetails.BadRequest_FieldViolation {
	price := in.GetPrice()
	switch {
	case in.GetPageSize() < 0:
		return violation("page_size", "must not be negative")
	case in.GetParent() != "" && !strings.HasPrefix(in.GetParent(), "authors/"):
		return violation("parent", "must look like authors/{author}")
	case price.GetMaxUnits() != 0 && price.GetMaxUnits() < price.GetMinUnits():
		return violation("price.max_units", "must not be less than min_units")
	case in.GetCreatedAfter() != nil && in.GetCreatedAfter().CheckValid() != nil:
		return violation("created_after", "must be between the years 1 and 9999")
	}
	return nil
}

func passes(b *catalogv1.Book, in *catalogv1.ListBooksRequest) bool {
	if p := in.GetParent(); p != "" && p != "authors/-" && b.GetAuthor() != p {
		return false
	}
	if len(in.GetGenres()) > 0 && !slices.Contains(in.GetGenres(), b.GetGenre()) {
		return false
	}
	if in.GetCreatedAfter() != nil && !b.GetCreateTime().AsTime().After(in.GetCreatedAfter().AsTime()) {
		return false
	}
	return in.GetPrice() == nil || b.GetPrice() != nil && inRange(b.GetPrice().GetUnits(), in.GetPrice())
}

// inRange takes a maximum of 0 for no maximum.
func inRange(units int64, r *catalogv1.PriceRange) bool {
	return units >= r.GetMinUnits() && (r.GetMaxUnits() == 0 || units <= r.GetMaxUnits())
}

// page cuts one page out of all that was found: what comes after a name.
func page(found []*catalogv1.Book, after string, in *catalogv1.ListBooksRequest) *catalogv1.ListBooksResponse {
	out := &catalogv1.ListBooksResponse{TotalSize: int32(len(found))}
	start, _ := slices.BinarySearchFunc(found, after+"\x00", func(b *catalogv1.Book, name string) int {
		return strings.Compare(b.GetName(), name)
	})
	size := int(in.GetPageSize())
	if size == 0 {
		size = DefaultPage
	}
	out.Books = found[start:min(start+min(size, MaxPage), len(found))]
	if start+len(out.Books) < len(found) {
		out.NextPageToken = pageToken(in, out.Books[len(out.Books)-1].GetName())
	}
	return out
}

// A page token is the last name of the page, after a sum over the filters, which
// must be the same on every page.
func pageToken(in *catalogv1.ListBooksRequest, last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(filterSum(in) + last))
}

const sumBytes = 8

func filterSum(in *catalogv1.ListBooksRequest) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %v %d %d %d", in.GetParent(), in.GetGenres(),
		in.GetPrice().GetMinUnits(), in.GetPrice().GetMaxUnits(), in.GetCreatedAfter().AsTime().UnixNano()))
	return string(sum[:sumBytes])
}

// startOfPage returns the name that the page begins after.
func startOfPage(in *catalogv1.ListBooksRequest) (string, *errdetails.BadRequest_FieldViolation) {
	if in.GetPageToken() == "" {
		return "", nil
	}
	token, err := base64.RawURLEncoding.DecodeString(in.GetPageToken())
	if err != nil || len(token) <= sumBytes {
		return "", violation("page_token", "was not made by this service")
	}
	if string(token[:sumBytes]) != filterSum(in) {
		return "", violation("page_token", "belongs to other filters")
	}
	return string(token[sumBytes:]), nil
}
