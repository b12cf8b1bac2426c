package translate

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/protean-gateway/protean/rpc"
	"github.com/protean-gateway/protean/rpc/rpctest"
)

// FuzzPlainNumber checks that what Go reads as a decimal number is a number of JSON then, and the same one,
// and that what JSON has is left alone.
func FuzzPlainNumber(f *testing.F) {
	for _, text := range []string{"7", "+7", "-007.50e+3", ".5", "-.5", "5.", "1.e2", "00", "0", "-0", "e3", ".", "+-7", "", "0x10", "1_0"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		plain := plainNumber(text)
		isJSON := func(s string) bool { return json.Valid([]byte(s)) && strings.Trim(s, "0123456789+-.eE") == "" }
		if isJSON(text) && plain != text {
			t.Fatalf("%q became %q", text, plain)
		}
		want, err := strconv.ParseFloat(text, 64)
		if err != nil || strings.Trim(text, "0123456789+-.eE") != "" {
			return
		}
		if got, err := strconv.ParseFloat(plain, 64); err != nil || got != want || !isJSON(plain) {
			t.Fatalf("%q became %q", text, plain)
		}
	})
}

func FuzzSecondsOf(f *testing.F) {
	for _, d := range []time.Duration{0, 1, -1, time.Second, -time.Hour - 1, 1<<63 - 1, -1 << 63} {
		f.Add(int64(d))
	}
	f.Fuzz(func(t *testing.T, n int64) {
		var got durationpb.Duration
		text := secondsOf(time.Duration(n))
		if err := protojson.Unmarshal([]byte(strconv.Quote(text)), &got); err != nil || got.AsDuration() != time.Duration(n) {
			t.Fatalf("%d became %s: %v", n, text, err)
		}
	})
}

// FuzzTags puts two tags into a list, and reads a list that is anything.
func FuzzTags(f *testing.F) {
	f.Add("a", "b,c", `W/"x", "y`)
	f.Fuzz(func(t *testing.T, a, b, list string) {
		for item := range tags([]string{list}) {
			if item == "" {
				t.Fatalf("%q has an empty item", list)
			}
		}
		a, b = `"`+a+`"`, `W/"`+b+`"`
		if !isTag(a) || !isTag(b) {
			return
		}
		for _, lines := range [][]string{{a + "," + b}, {" , " + a + " ,\t" + b + ","}, {a, b}} {
			if got := slices.Collect(tags(lines)); !slices.Equal(got, []string{a, b}) {
				t.Fatalf("%q: got %q", lines, got)
			}
		}
		if !listsSame([]string{a}, a) || listsSame([]string{b}, b) || !listsAlike([]string{b}, strings.TrimPrefix(b, "W/")) {
			t.Fatalf("%q, %q", a, b)
		}
	})
}

// TestEmptyChoice sets members of oneofs that are messages without fields, by an empty text.
func TestEmptyChoice(t *testing.T) {
	snap := rpctest.Compile(t, map[string]string{"p.proto": `
		syntax = "proto3";
		package p;
		import "google/api/annotations.proto";
		import "google/protobuf/empty.proto";
		message Nothing {}
		message Filter { oneof by { google.protobuf.Empty all = 1; Nothing none = 2; string name = 3; } }
		message Request {
			oneof choice { google.protobuf.Empty anybody = 1; Nothing nobody = 2; Request inner = 3; string id = 4; }
			google.protobuf.Empty plain = 5;
			Filter filter = 6;
		}
		service S {
			rpc M(Request) returns (Request) {
				option (google.api.http) = {
					get: "/m"
					additional_bindings: {post: "/m" body: "*"}
					additional_bindings: {post: "/f" body: "filter"}
				};
			}
		}`})
	for _, c := range []struct{ method, target, kind, body, want string }{
		{method: "GET", target: "/m?anybody=", want: `{"anybody":{}}`},
		{method: "GET", target: "/m?anybody", want: `{"anybody":{}}`},
		{method: "GET", target: "/m?nobody=", want: `{"nobody":{}}`},
		{method: "GET", target: "/m?filter.all=&nobody=", want: `{"nobody":{},"filter":{"all":{}}}`},
		{method: "GET", target: "/m?inner.nobody=", want: `{"inner":{"nobody":{}}}`},
		{method: "POST", target: "/m", kind: typeForm, body: "filter.none=&anybody=", want: `{"anybody":{},"filter":{"none":{}}}`},
		{method: "POST", target: "/f?nobody=", kind: typeForm, body: "all=", want: `{"nobody":{},"filter":{"all":{}}}`},
		{method: "POST", target: "/f", kind: typeMultipart + "; boundary=b", body: "--b\r\nContent-Disposition: form-data; name=\"none\"\r\n\r\n\r\n--b--\r\n", want: `{"filter":{"none":{}}}`},
		{method: "GET", target: "/m?anybody=x"},
		{method: "GET", target: "/m?anybody=&nobody="},
		{method: "GET", target: "/m?anybody=&id=x"},
		{method: "GET", target: "/m?inner="},
		{method: "GET", target: "/m?plain="},
	} {
		var got []byte
		rest, problems := NewREST(snap, func(_ context.Context, call *rpc.Call, s rpc.Stream) error {
			got = asJSON(t, call.Method.Input.Descriptor(), call.Request)
			return s.Send(nil)
		}, RESTOptions{})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		r := httptest.NewRequest(c.method, c.target, strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		rest.ServeHTTP(w, r)
		if string(got) != c.want || c.want == "" && w.Code != http.StatusBadRequest {
			t.Errorf("%s %s %s: got %s, want %s (%d %s)", c.method, c.target, c.body, got, c.want, w.Code, w.Body)
		}
	}
}
