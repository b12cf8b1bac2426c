package catalog

import (
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	catalogv1 "github.com/protean-gateway/protean/examples/proto/acme/catalog/v1"
)

func seedAuthors() []*catalogv1.Author {
	return []*catalogv1.Author{
		{Name: "authors/austen", DisplayName: "Jane Austen", BirthYear: proto.Int32(1775)},
		{Name: "authors/carroll", DisplayName: "Lewis Carroll", BirthYear: proto.Int32(1832)},
		{Name: "authors/darwin", DisplayName: "Charles Darwin", BirthYear: proto.Int32(1809)},
		{Name: "authors/dickinson", DisplayName: "Emily Dickinson", BirthYear: proto.Int32(1830)},
		{Name: "authors/dostoevsky", DisplayName: "Фёдор Достоевский", BirthYear: proto.Int32(1821)},
		{Name: "authors/euclid", DisplayName: "Euclid"},
		{Name: "authors/murasaki", DisplayName: "紫式部"},
		{Name: "authors/shelley", DisplayName: "Mary Shelley", BirthYear: proto.Int32(1797)},
		{Name: "authors/verne", DisplayName: "Jules Verne", BirthYear: proto.Int32(1828)},
		{Name: "authors/whitman", DisplayName: "Walt Whitman", BirthYear: proto.Int32(1819)},
		{Name: "authors/wells", DisplayName: "H. G. Wells", BirthYear: proto.Int32(1866)},
		{Name: "authors/woolf", DisplayName: "Virginia Woolf", BirthYear: proto.Int32(1882)},
	}
}

// seedBooks returns the first stock, the oldest first. Between them the books
// have every field in every state.
func seedBooks() []*catalogv1.Book {
	return []*catalogv1.Book{
		{
			Name: "books/elements", Title: "Elements", Author: "authors/euclid", Genre: catalogv1.Genre_GENRE_SCIENCE,
			Price: price(35, 0), Pages: 527, CopiesSold: 9007199254740993, Tags: []string{"geometry", "classic"},
			Translations: map[string]string{"de": "Die Elemente", "el": "Στοιχεῖα"}, Availability: stock(4), Rating: proto.Float64(4.5),
		},
		{
			Name: "books/genji", Title: "The Tale of Genji", Author: "authors/murasaki", Genre: catalogv1.Genre_GENRE_NOVEL,
			Price: price(28, 500_000_000), Pages: 1216, CopiesSold: 1100,
			Translations: map[string]string{"ja": "源氏物語"}, Availability: stock(2), Rating: proto.Float64(4.75),
		},
		{
			Name: "books/emma", Title: "Emma", Author: "authors/austen", Genre: catalogv1.Genre_GENRE_NOVEL,
			Price: price(9, 990_000_000), Pages: 474, CopiesSold: 2150, Tags: []string{"classic"}, Availability: stock(12),
			Rating: proto.Float64(4),
		},
		{
			Name: "books/frankenstein", Title: "Frankenstein; or, The Modern Prometheus", Author: "authors/shelley",
			Genre: catalogv1.Genre_GENRE_NOVEL, Price: price(8, 490_000_000), Pages: 280, CopiesSold: 3300,
			Tags: []string{"gothic", "classic"}, Availability: stock(0), Rating: proto.Float64(4.25),
		},
		{
			Name: "books/leaves-of-grass", Title: "Leaves of Grass", Author: "authors/whitman", Genre: catalogv1.Genre_GENRE_POETRY,
			Price: price(12, 0), Pages: 145, CopiesSold: 640, Availability: due(2026, time.March, 1),
		},
		{
			Name: "books/origin-of-species", Title: "On the Origin of Species", Author: "authors/darwin",
			Genre: catalogv1.Genre_GENRE_SCIENCE, Price: price(15, 0), Pages: 502, CopiesSold: 4100,
			Tags: []string{"biology"}, Availability: stock(7), Rating: proto.Float64(4.5),
		},
		{
			Name: "books/alice", Title: "Alice's Adventures in Wonderland", Author: "authors/carroll",
			Genre: catalogv1.Genre_GENRE_CHILDREN, Price: price(6, 250_000_000), Pages: 96, CopiesSold: 8700,
			Translations: map[string]string{"fr": "Alice au pays des merveilles", "pt": "Alice no País das Maravilhas"},
			Availability: stock(30), Rating: proto.Float64(5), Cover: []byte("\x89PNG\r\n\x1a\n"),
		},
		{
			Name: "books/idiot", Title: "The Idiot", Author: "authors/dostoevsky", Genre: catalogv1.Genre_GENRE_NOVEL,
			Price: price(11, 0), Pages: 667, CopiesSold: 1900, Translations: map[string]string{"ru": "Идиот"},
			Availability: stock(3), Rating: proto.Float64(3.5),
		},
		{
			Name: "books/around-the-moon", Title: "Around the Moon", Author: "authors/verne", Genre: catalogv1.Genre_GENRE_NOVEL,
			Pages: 216, CopiesSold: 77, Archived: true, Tags: []string{"out of print"},
		},
		{
			Name: "books/time-machine", Title: "The Time Machine", Author: "authors/wells", Genre: catalogv1.Genre_GENRE_NOVEL,
			Price: price(7, 0), Pages: 118, CopiesSold: 2600, Availability: due(2026, time.February, 14), Rating: proto.Float64(4),
		},
		{
			Name: "books/poems", Title: "Poems", Author: "authors/dickinson", Genre: catalogv1.Genre_GENRE_POETRY,
			Price: price(10, 0), Pages: 148, CopiesSold: 420, Availability: stock(5),
		},
		{
			Name: "books/orlando", Title: "Orlando", Author: "authors/woolf", Genre: catalogv1.Genre_GENRE_NOVEL,
			Price: price(9, 0), Pages: 299, CopiesSold: 1340, Tags: []string{"biography", "classic"}, Availability: stock(6),
			Rating: proto.Float64(4.25),
		},
		{Name: "books/untitled", Title: "Untitled"},
	}
}

func price(units int64, nanos int32) *catalogv1.Money {
	return &catalogv1.Money{CurrencyCode: "EUR", Units: units, Nanos: nanos}
}

func stock(copies int32) *catalogv1.Book_InStock { return &catalogv1.Book_InStock{InStock: copies} }

func due(year int, month time.Month, day int) *catalogv1.Book_ExpectedTime {
	return &catalogv1.Book_ExpectedTime{ExpectedTime: timestamppb.New(time.Date(year, month, day, 9, 0, 0, 0, time.UTC))}
}
