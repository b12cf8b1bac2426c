package schema

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// TestCleanComment has raw comments as protoc records them, with a space before the text of each line.
func TestCleanComment(t *testing.T) {
	tests := []struct{ name, comment, want string }{
		{"plain", " Public words.\n", "Public words."},
		{"linter", " Public words.\n buf:lint:ignore X\n", "Public words."},
		{"control characters", " a\x00b\x1bc\x7f\n", "abc"},
		{"invalid UTF-8", " a\xffb\n", "a�b"},

		{"internal on the line", " Public words. (-- internal: TODO(b/1) legacy shard 7 --)\n", "Public words."},
		{"internal before the text", " (-- internal --) Public words.\n", "Public words."},
		{"internal within a sentence", " Public (-- internal --) words (-- again --).\n", "Public words."},
		{"internal over several lines", " Public words.\n\n (-- internal\n\n more internal\n --)\n\n More words.\n", "Public words.\n\nMore words."},
		{"internal from line to line", " Public (-- internal\n internal --) words.\n", "Public words."},
		{"several internal", " (-- one --)\n (-- two --)\n Public words.\n (-- three --)\n", "Public words."},
		{"nested internal", " Public (-- one (-- two --) one --) words.\n", "Public words."},
		{"unterminated internal", " Public words. (-- internal\n internal\n", "Public words."},
		{"unterminated nested internal", " Public words. (-- one (-- two --) one\n", "Public words."},
		{"internal without blanks", " Public words.(--internal--)\n", "Public words."},
		{"internal for a linter", " Public words.\n (-- api-linter: core::0192=disabled\n     aip.dev/not-precedent: because --)\n", "Public words."},
		{"internal only", " (-- internal --)\n", ""},
		{"a block comment", "\n Public words.\n (-- internal --)\n", "Public words."},
		{"a flag in parentheses", " Verbose (--verbose) output (-- internal --).\n", "Verbose (--verbose) output."},
		{"dashes in parentheses", " Ends with dashes (--) alone.\n", "Ends with dashes (--) alone."},
		{"an end without a start", " for (i = n; i > 0; i--) {}\n", "for (i = n; i > 0; i--) {}"},

		{"cross reference", " Gets a [Book][acme.v1.Book].\n", "Gets a Book."},
		{"cross reference at the start", " [Book][acme.v1.Book] it is.\n", "Book it is."},
		{"cross reference to the text", " A [google.rpc.Status][] comes.\n", "A google.rpc.Status comes."},
		{"cross reference with a leading dot", " A [book][.acme.v1.Book] or [.acme.v1.Shelf][].\n", "A book or .acme.v1.Shelf."},
		{"cross reference over two lines", " Like [Get\n Book][acme.v1.Library.GetBook].\n", "Like Get\nBook."},
		{"code in a cross reference", " The [`name`][acme.v1.Book.name] field.\n", "The `name` field."},
		{"cross reference to an internal place", " The [Book][acme.v1.Book (-- internal --)]\n", "The Book"},
		{"two cross references", " [A][p.A] [B][p.B],[C][p.C]\n", "A B,C"},
		{"indexes", " The cell m[i][j] of the matrix.\n", "The cell m[i][j] of the matrix."},
		{"link", " See [docs](https://example.com/a).\n", "See [docs](https://example.com/a)."},
		{"ranges", " Within [0][1] or [a-z][].\n", "Within [0][1] or [a-z][]."},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := CleanComment(test.comment); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestHideInternal(t *testing.T) {
	file := &descriptorpb.FileDescriptorProto{SourceCodeInfo: &descriptorpb.SourceCodeInfo{
		Location: []*descriptorpb.SourceCodeInfo_Location{{
			LeadingComments:         proto.String(" Public (-- internal --)\n words.\n"),
			TrailingComments:        proto.String(" (-- internal --)\n"),
			LeadingDetachedComments: []string{" Public words.\n", " (-- internal\n"},
		}, {}},
	}}
	want := &descriptorpb.FileDescriptorProto{SourceCodeInfo: &descriptorpb.SourceCodeInfo{
		Location: []*descriptorpb.SourceCodeInfo_Location{{
			LeadingComments:         proto.String(" Public\n words.\n"),
			TrailingComments:        proto.String(""),
			LeadingDetachedComments: []string{" Public words.\n", ""},
		}, {}},
	}}
	if HideInternal(file); !proto.Equal(file, want) {
		t.Errorf("got %v, want %v", file, want)
	}
}
