package catalog

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

// MaxBooks bounds what the catalog keeps in memory.
const MaxBooks = 100_000

// store keeps books and authors. What is in it is never changed in place, so
// what it returns may be read without a lock, and must not be written to.
type store struct {
	authors map[string]*catalogv1.Author // the same for ever

	mu       sync.RWMutex
	books    map[string]*catalogv1.Book
	revision int // of the whole catalog, one up with each change
}

func newStore() *store {
	s := &store{books: make(map[string]*catalogv1.Book), authors: make(map[string]*catalogv1.Author)}
	for _, a := range seedAuthors() {
		s.authors[a.GetName()] = a
	}
	for _, b := range seedBooks() {
		b.CreateTime = timestamppb.New(s.stamp(b))
		s.books[b.GetName()] = b
	}
	return s
}

// stamp counts a change, gives the book its new etag, and returns the time of the
// change by the catalog's own calendar: one hour to each change.
func (s *store) stamp(b *catalogv1.Book) time.Time {
	s.revision++
	b.Etag = fmt.Sprintf(`"%d"`, s.revision)
	return time.Date(2026, time.January, 5, 8, 0, 0, 0, time.UTC).Add(time.Duration(s.revision) * time.Hour)
}

func (s *store) book(name string) (*catalogv1.Book, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if b := s.books[name]; b != nil {
		return b, nil
	}
	return nil, notFound("catalog.acme.example/Book", name)
}

func (s *store) author(name string) (*catalogv1.Author, error) {
	if a := s.authors[name]; a != nil {
		return a, nil
	}
	return nil, notFound("catalog.acme.example/Author", name)
}

func (s *store) hasAuthor(name string) bool { return s.authors[name] != nil }

// newestFirst returns the named books that exist.
func (s *store) newestFirst(names []string) []*catalogv1.Book {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*catalogv1.Book
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if b := s.books[name]; b != nil && !seen[name] {
			seen[name] = true
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(a, b *catalogv1.Book) int {
		return -a.GetCreateTime().AsTime().Compare(b.GetCreateTime().AsTime())
	})
	return found
}

// matching returns the books for which keep is true, in order of their names.
func (s *store) matching(keep func(*catalogv1.Book) bool) []*catalogv1.Book {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var found []*catalogv1.Book
	for _, b := range s.books {
		if keep(b) {
			found = append(found, b)
		}
	}
	slices.SortFunc(found, func(a, b *catalogv1.Book) int { return cmp.Compare(a.GetName(), b.GetName()) })
	return found
}

// add keeps a new book under its name. A book without a name gets one of the
// stem, with a number after it where that is taken.
func (s *store) add(b *catalogv1.Book, stem string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.books) >= MaxBooks {
		return fault(codes.ResourceExhausted, "the catalog is full")
	}
	if b.GetName() == "" {
		b.Name = s.free("books/" + stem)
	}
	if s.books[b.GetName()] != nil {
		return exists("catalog.acme.example/Book", b.GetName())
	}
	b.CreateTime = timestamppb.New(s.stamp(b))
	s.books[b.GetName()] = b
	return nil
}

func (s *store) free(name string) string {
	candidate := name
	for n := 2; s.books[candidate] != nil; n++ {
		candidate = fmt.Sprintf("%s-%d", name, n)
	}
	return candidate
}

// change applies edit to a copy of the book and keeps the copy where edit
// returned no error.
func (s *store) change(name string, edit func(*catalogv1.Book) error) (*catalogv1.Book, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	present := s.books[name]
	if present == nil {
		return nil, notFound("catalog.acme.example/Book", name)
	}
	edited := proto.CloneOf(present)
	if err := edit(edited); err != nil {
		return nil, err
	}
	s.stamp(edited)
	s.books[name] = edited
	return edited, nil
}

func (s *store) remove(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.books[name] == nil {
		return notFound("catalog.acme.example/Book", name)
	}
	delete(s.books, name)
	s.revision++
	return nil
}
