package catalog_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/protean-gateway/protean/examples"
	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// connect returns a client of a new catalog.
func connect(t *testing.T) catalogv1.CatalogServiceClient {
	t.Helper()
	shop, err := examples.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(shop.Stop)
	conn, err := grpc.NewClient(shop.Backends[0].Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return catalogv1.NewCatalogServiceClient(conn)
}

func names(books []*catalogv1.Book) string {
	var all []string
	for _, b := range books {
		all = append(all, strings.TrimPrefix(b.GetName(), "books/"))
	}
	return strings.Join(all, " ")
}

func TestListBooks(t *testing.T) {
	novel := []catalogv1.Genre{catalogv1.Genre_GENRE_NOVEL}
	cases := []struct {
		name string
		in   *catalogv1.ListBooksRequest
		want string
	}{
		{"all", &catalogv1.ListBooksRequest{}, "alice around-the-moon elements emma frankenstein genji idiot leaves-of-grass origin-of-species orlando poems time-machine untitled"},
		{"of an author", &catalogv1.ListBooksRequest{Parent: "authors/austen"}, "emma"},
		{"of any author", &catalogv1.ListBooksRequest{Parent: "authors/-", PageSize: 1}, "alice"},
		{"of genres", &catalogv1.ListBooksRequest{Genres: []catalogv1.Genre{catalogv1.Genre_GENRE_POETRY, catalogv1.Genre_GENRE_CHILDREN}}, "alice leaves-of-grass poems"},
		{"up to a price", &catalogv1.ListBooksRequest{Genres: novel, Price: &catalogv1.PriceRange{MaxUnits: 8}}, "frankenstein time-machine"},
		{"from a price", &catalogv1.ListBooksRequest{Price: &catalogv1.PriceRange{MinUnits: 20}}, "elements genji"},
		{"created after", &catalogv1.ListBooksRequest{CreatedAfter: &timestamppb.Timestamp{Seconds: 1767639600}}, "orlando untitled"},
		{"a page larger than there may be", &catalogv1.ListBooksRequest{Parent: "authors/wells", PageSize: 2_000_000_000}, "time-machine"},
	}
	client := connect(t)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out, err := client.ListBooks(t.Context(), c.in)
			if got := names(out.GetBooks()); err != nil || got != c.want {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}

func TestPagesTogetherAreTheWholeList(t *testing.T) {
	client := connect(t)
	whole, err := client.ListBooks(t.Context(), &catalogv1.ListBooksRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var got []*catalogv1.Book
	in := &catalogv1.ListBooksRequest{PageSize: 5}
	for pages := 1; ; pages++ {
		out, err := client.ListBooks(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if out.GetTotalSize() != whole.GetTotalSize() {
			t.Errorf("page %d has total_size %d, want %d", pages, out.GetTotalSize(), whole.GetTotalSize())
		}
		got = append(got, out.GetBooks()...)
		if in.PageToken = out.GetNextPageToken(); in.PageToken == "" {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
	}
	if names(got) != names(whole.GetBooks()) {
		t.Errorf("pages have %s, want %s", names(got), names(whole.GetBooks()))
	}
}

func TestBatchGetIsOutOfOrderAndLeavesOutTheMissing(t *testing.T) {
	out, err := connect(t).BatchGetBooks(t.Context(), &catalogv1.BatchGetBooksRequest{
		Names: []string{"books/emma", "books/never-written", "books/alice", "books/elements", "books/emma"},
	})
	if got, want := names(out.GetBooks()), "alice emma elements"; err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestFaults(t *testing.T) {
	client := connect(t)
	first, err := client.ListBooks(t.Context(), &catalogv1.ListBooksRequest{PageSize: 1})
	if err != nil {
		t.Fatal(err)
	}
	emma := func(paths ...string) *catalogv1.UpdateBookRequest {
		return &catalogv1.UpdateBookRequest{
			Book:       &catalogv1.Book{Name: "books/emma", Title: " ", Rating: proto.Float64(6)},
			UpdateMask: &fieldmaskpb.FieldMask{Paths: paths},
		}
	}
	cases := []struct {
		name   string
		call   func() error
		code   codes.Code
		fields string // of BadRequest
	}{
		{"get without a name", failure(t, client.GetBook, &catalogv1.GetBookRequest{}), codes.InvalidArgument, "name"},
		{"get a missing book", failure(t, client.GetBook, &catalogv1.GetBookRequest{Name: "books/x"}), codes.NotFound, ""},
		{"get a missing author", failure(t, client.GetAuthor, &catalogv1.GetAuthorRequest{Name: "authors/x"}), codes.NotFound, ""},
		{"get an author without a name", failure(t, client.GetAuthor, &catalogv1.GetAuthorRequest{}), codes.InvalidArgument, "name"},
		{"list a missing author's", failure(t, client.ListBooks, &catalogv1.ListBooksRequest{Parent: "authors/x"}), codes.NotFound, ""},
		{"list under no author", failure(t, client.ListBooks, &catalogv1.ListBooksRequest{Parent: "x"}), codes.InvalidArgument, "parent"},
		{"negative page size", failure(t, client.ListBooks, &catalogv1.ListBooksRequest{PageSize: -1}), codes.InvalidArgument, "page_size"},
		{"foreign page token", failure(t, client.ListBooks, &catalogv1.ListBooksRequest{PageToken: "!"}), codes.InvalidArgument, "page_token"},
		{"short page token", failure(t, client.ListBooks, &catalogv1.ListBooksRequest{PageToken: "AAAA"}), codes.InvalidArgument, "page_token"},
		{
			"page token of another list",
			failure(t, client.ListBooks, &catalogv1.ListBooksRequest{PageToken: first.GetNextPageToken(), Parent: "authors/wells"}),
			codes.InvalidArgument, "page_token",
		},
		{
			"price range that is empty",
			failure(t, client.ListBooks, &catalogv1.ListBooksRequest{Price: &catalogv1.PriceRange{MinUnits: 2, MaxUnits: 1}}),
			codes.InvalidArgument, "price.max_units",
		},
		{"too large a batch", failure(t, client.BatchGetBooks, &catalogv1.BatchGetBooksRequest{Names: make([]string, 1001)}), codes.InvalidArgument, "names"},
		{"create nothing", failure(t, client.CreateBook, &catalogv1.CreateBookRequest{}), codes.InvalidArgument, "book"},
		{
			"create what exists",
			failure(t, client.CreateBook, &catalogv1.CreateBookRequest{BookId: "emma", Book: &catalogv1.Book{Title: "Emma"}}),
			codes.AlreadyExists, "",
		},
		{
			"create with everything wrong",
			failure(t, client.CreateBook, &catalogv1.CreateBookRequest{BookId: "No", Book: &catalogv1.Book{
				Author: "authors/x", Pages: -1, Rating: proto.Float64(0.5), Price: &catalogv1.Money{CurrencyCode: "€", Units: -1, Nanos: -1},
			}}),
			codes.InvalidArgument,
			"book.title book.author book.pages book.rating book.price.currency_code book.price.units book.price.nanos book_id",
		},
		{"update without a name", failure(t, client.UpdateBook, &catalogv1.UpdateBookRequest{}), codes.InvalidArgument, "book.name"},
		{"update an unknown path", failure(t, client.UpdateBook, emma("colour")), codes.InvalidArgument, "update_mask"},
		{"update a path into a map", failure(t, client.UpdateBook, emma("translations.de")), codes.InvalidArgument, "update_mask"},
		{"update star and more", failure(t, client.UpdateBook, emma("*", "title")), codes.InvalidArgument, "update_mask"},
		{"update to what is wrong", failure(t, client.UpdateBook, emma("title", "rating")), codes.InvalidArgument, "book.title book.rating"},
		{"update a missing book", failure(t, client.UpdateBook, &catalogv1.UpdateBookRequest{Book: &catalogv1.Book{Name: "books/x"}}), codes.NotFound, ""},
		{
			"update with an old etag",
			failure(t, client.UpdateBook, &catalogv1.UpdateBookRequest{Book: &catalogv1.Book{Name: "books/emma", Etag: `"0"`}}),
			codes.Aborted, "",
		},
		{"delete a missing book", failure(t, client.DeleteBook, &catalogv1.DeleteBookRequest{Name: "books/x"}), codes.NotFound, ""},
		{"archive a missing book", failure(t, client.ArchiveBook, &catalogv1.ArchiveBookRequest{Name: "books/x"}), codes.NotFound, ""},
		{"archive twice", failure(t, client.ArchiveBook, &catalogv1.ArchiveBookRequest{Name: "books/around-the-moon"}), codes.FailedPrecondition, ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			st := status.Convert(c.call())
			if st.Code() != c.code || violated(st) != c.fields {
				t.Errorf("got %v, fields %q; want %v, %q", st, violated(st), c.code, c.fields)
			}
		})
	}
}

// failure returns a function that makes one call and returns its error.
func failure[In, Out any](t *testing.T, call func(context.Context, In, ...grpc.CallOption) (Out, error), in In) func() error {
	return func() error {
		_, err := call(t.Context(), in)
		return err
	}
}

func violated(st *status.Status) string {
	var fields []string
	for _, d := range st.Details() {
		if bad, ok := d.(*errdetails.BadRequest); ok {
			for _, v := range bad.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	return strings.Join(fields, " ")
}

func TestCreateFillsInWhatTheServiceSays(t *testing.T) {
	client := connect(t)
	in := &catalogv1.CreateBookRequest{Book: &catalogv1.Book{
		Name: "books/ignored", Title: "A Room of One's Own", Author: "authors/woolf", CopiesSold: 5, Archived: true, Etag: "x",
	}}
	for _, want := range []string{"books/a-room-of-ones-own", "books/a-room-of-ones-own-2"} {
		made, err := client.CreateBook(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if made.GetName() != want || made.GetCopiesSold() != 0 || made.GetArchived() || made.GetEtag() == "x" || made.GetCreateTime() == nil {
			t.Errorf("got %v, want the name %s and nothing of the client's", made, want)
		}
		if got, err := client.GetBook(t.Context(), &catalogv1.GetBookRequest{Name: want}); err != nil || !proto.Equal(got, made) {
			t.Errorf("get: %v, %v; want %v", got, err, made)
		}
	}
}

func TestUpdateChangesWhatTheMaskNames(t *testing.T) {
	cases := []struct {
		name  string
		paths []string
		book  *catalogv1.Book
		want  func(*catalogv1.Book)
	}{
		{"a field", []string{"title"}, &catalogv1.Book{Title: "E.", Pages: 1}, func(b *catalogv1.Book) { b.Title = "E." }},
		{"inside a message", []string{"price.units"}, &catalogv1.Book{Price: &catalogv1.Money{Units: 3}}, func(b *catalogv1.Book) { b.Price.Units = 3 }},
		{"absent fields are cleared", []string{"price", "tags", "rating"}, &catalogv1.Book{}, func(b *catalogv1.Book) { b.Price, b.Tags, b.Rating = nil, nil, nil }},
		{
			"the other member of a oneof", []string{"expected_time"},
			&catalogv1.Book{Availability: &catalogv1.Book_ExpectedTime{ExpectedTime: &timestamppb.Timestamp{Seconds: 1}}},
			func(b *catalogv1.Book) {
				b.Availability = &catalogv1.Book_ExpectedTime{ExpectedTime: &timestamppb.Timestamp{Seconds: 1}}
			},
		},
		{"no mask: what is set", nil, &catalogv1.Book{Pages: 2}, func(b *catalogv1.Book) { b.Pages = 2 }},
		{"fixed fields stay", []string{"copies_sold", "archived", "pages"}, &catalogv1.Book{CopiesSold: 1, Archived: true}, func(b *catalogv1.Book) { b.Pages = 0 }},
		{"star replaces all", []string{"*"}, &catalogv1.Book{Title: "New"}, func(b *catalogv1.Book) {
			kept := &catalogv1.Book{Name: b.GetName(), Title: "New", CopiesSold: b.GetCopiesSold(), CreateTime: b.GetCreateTime()}
			proto.Reset(b)
			proto.Merge(b, kept)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			client := connect(t)
			want, err := client.GetBook(t.Context(), &catalogv1.GetBookRequest{Name: "books/emma"})
			if err != nil {
				t.Fatal(err)
			}
			c.book.Name, c.book.Etag = "books/emma", want.GetEtag()
			got, err := client.UpdateBook(t.Context(), &catalogv1.UpdateBookRequest{Book: c.book, UpdateMask: &fieldmaskpb.FieldMask{Paths: c.paths}})
			if err != nil {
				t.Fatal(err)
			}
			if got.GetEtag() == want.GetEtag() {
				t.Error("the etag stayed the same")
			}
			c.want(want)
			want.Etag = got.GetEtag()
			if !proto.Equal(got, want) {
				t.Errorf("got  %v\nwant %v", got, want)
			}
		})
	}
}

func TestArchiveAndDelete(t *testing.T) {
	client := connect(t)
	got, err := client.ArchiveBook(t.Context(), &catalogv1.ArchiveBookRequest{Name: "books/emma", Reason: "water damage"})
	if err != nil {
		t.Fatal(err)
	}
	if !got.GetArchived() || got.GetPrice() != nil || !slices.Equal(got.GetTags(), []string{"classic", "water damage"}) {
		t.Errorf("archived: %v", got)
	}
	if _, err := client.DeleteBook(t.Context(), &catalogv1.DeleteBookRequest{Name: "books/emma"}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetBook(t.Context(), &catalogv1.GetBookRequest{Name: "books/emma"}); status.Code(err) != codes.NotFound {
		t.Errorf("get after delete: %v", err)
	}
}

func TestOneOfManyUpdatesWithTheSameEtagWins(t *testing.T) {
	client := connect(t)
	emma, err := client.GetBook(t.Context(), &catalogv1.GetBookRequest{Name: "books/emma"})
	if err != nil {
		t.Fatal(err)
	}
	const writers = 8
	outcomes := make([]codes.Code, writers)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			_, err := client.UpdateBook(t.Context(), &catalogv1.UpdateBookRequest{
				Book: &catalogv1.Book{Name: emma.GetName(), Etag: emma.GetEtag(), Title: fmt.Sprint("Emma ", i)},
			})
			outcomes[i] = status.Code(err)
		})
	}
	wg.Wait()
	slices.Sort(outcomes)
	if outcomes[0] != codes.OK || outcomes[1] != codes.Aborted || outcomes[writers-1] != codes.Aborted {
		t.Errorf("outcomes %v, want one OK and else ABORTED", outcomes)
	}
}
