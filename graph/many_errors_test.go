package graph

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vektah/gqlparser/v2/ast"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

const ratingsProto = `syntax = "proto3";
package ratings.v1;
import "protean/options/v1/options.proto";
service Ratings {
  rpc ListRatings(ListRatingsRequest) returns (ListRatingsResponse);
  rpc WatchRatings(ListRatingsRequest) returns (stream Rating) { option (protean.options.v1.method) = {graphql: {collect: 5000}}; }
  rpc GetBook(GetBookRequest) returns (Book);
}
message ListRatingsRequest { int32 page_size = 1; }
message ListRatingsResponse { repeated Rating ratings = 1; }
message Rating {
  option (protean.options.v1.message) = { joins: {field: "book" method: "ratings.v1.Ratings.GetBook" key: "book_id" argument: "id"} };
  optional double value = 1;
  string book_id = 2;
}
message GetBookRequest { string id = 1; }
message Book { string id = 1; }
`

// ratingsGraph has a list of ratings, so many of which are not a number, and so many of which have a book that cannot be fetched.
func ratingsGraph(t *testing.T, invalid, unavailable int) *Graph {
	t.Helper()
	snap := rpctest.Compile(t, map[string]string{"ratings.proto": ratingsProto})
	var ratings [][]byte
	for range invalid {
		ratings = append(ratings, protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 0x7ff8000000000000))
	}
	for i := range unavailable {
		ratings = append(ratings, protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), fmt.Sprintf("b%d", i%10)))
	}
	g, problems := New(snap, func(_ context.Context, c *rpc.Call, s rpc.Stream) error {
		switch c.Method.Descriptor.Name() {
		case "GetBook":
			return status.Error(codes.Unavailable, "no books today")
		case "WatchRatings":
			for _, rating := range ratings {
				if err := s.Send(rating); err != nil {
					return err
				}
			}
			return nil
		}
		var list []byte
		for _, rating := range ratings {
			list = protowire.AppendBytes(protowire.AppendTag(list, 1, protowire.BytesType), rating)
		}
		return s.Send(list)
	}, Options{})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return g
}

// TestEachNullHasItsError compares the nulls of a response with its errors. Beyond the bound of errors the field above is null.
func TestEachNullHasItsError(t *testing.T) {
	for _, c := range []struct {
		name, query          string
		invalid, unavailable int
		nulls, errors        int
		beyond               int // root fields that are null because too much below them failed
	}{
		{"a few", `{ listRatings { ratings { value } } }`, 3, 0, 3, 3, 0},
		{"as many as may be", `{ listRatings { ratings { value } } }`, maxFieldErrors, 0, maxFieldErrors, maxFieldErrors, 0},
		{"one more", `{ listRatings { ratings { value } } }`, maxFieldErrors + 1, 0, 1, maxErrors + 1, 1},
		{"of joins", `{ listRatings { ratings { book { id } } } }`, 0, 900, 900, 900, 0},
		{"of too many joins", `{ listRatings { ratings { book { id } } } }`, 0, 1100, 1, maxErrors + 1, 1},
		{"of both", `{ listRatings { ratings { value book { id } } } }`, 600, 401, 1, maxErrors + 1, 1},
		{"of a collected stream", `{ watchRatings { value } }`, 30, 0, 30, 30, 0},
		{"of a large collected stream", `{ watchRatings { value } }`, 1100, 0, 1, maxErrors + 1, 1},
		{"in two fields", `{ a: listRatings { ratings { value } } b: listRatings { ratings { value } } }`, 600, 0, 601, 600 + maxErrors + 1, 1},
		{"in a field beside", `{ a: listRatings { ratings { value } } __typename }`, 1100, 0, 1, maxErrors + 1, 1},
		{"in three fields", `{ a: listRatings { ratings { value } } b: listRatings { ratings { value } } c: listRatings { ratings { x: value } } }`,
			1000, 0, 1002, 1002, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := responses(t, t.Context(), ratingsGraph(t, c.invalid, c.unavailable), c.query, "")[0]
			if nulls := strings.Count(string(r.Data), "null"); nulls != c.nulls || len(r.Errors) != c.errors {
				t.Errorf("%d nulls, want %d; %d errors, want %d", nulls, c.nulls, len(r.Errors), c.errors)
			}
			var data any
			if err := json.Unmarshal(r.Data, &data); err != nil {
				t.Fatal(err)
			}
			beyond := 0
			for _, e := range r.Errors {
				if !leadsToNull(data, e.Path) {
					t.Fatalf("%v is not null: %s", e.Path, e.Message)
				}
				if strings.Contains(e.Message, "more than 1000 values") {
					beyond++
				}
			}
			if beyond != c.beyond {
				t.Errorf("%d fields say that too much failed, want %d", beyond, c.beyond)
			}
		})
	}
}

// leadsToNull reports whether a path leads to a null, or ends at one before.
func leadsToNull(data any, path ast.Path) bool {
	for _, step := range path {
		switch step := step.(type) {
		case ast.PathName:
			object, ok := data.(map[string]any)
			if !ok {
				return data == nil
			}
			data = object[string(step)]
		case ast.PathIndex:
			list, ok := data.([]any)
			if !ok || int(step) >= len(list) {
				return data == nil
			}
			data = list[step]
		}
	}
	return data == nil
}
