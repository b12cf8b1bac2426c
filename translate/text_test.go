package translate

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/durationpb"
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
