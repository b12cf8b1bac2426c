package translate

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzPath compares how a path is split and decoded with the plain way: cut on each slash and
// decode each piece once; of what spans several, %2F stays.
func FuzzPath(f *testing.F) {
	for _, text := range []string{"/", "/a", "/a/", "//", "/a%2Fb/c%2fd", "/a%252Fb", "/.", "/%2e%2e/a", "/a%5cb", "/%00", "/%ff", "/%zz", "a", "/a:b/c%3Ad", "/ä"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var p path
		err := p.split(text)
		want, trailing, ok := plainPath(text)
		if (err == nil) != ok {
			t.Fatalf("%q: %v, want one that is good: %v", text, err, ok)
		}
		if !ok {
			return
		}
		var got []string
		for _, part := range p.parts {
			got = append(got, part.text)
		}
		if !slices.Equal(got, want) || p.trailing != trailing {
			t.Errorf("%q: got %q %v, want %q %v", text, got, p.trailing, want, trailing)
		}
		for from := range p.parts {
			for to := from; to <= len(p.parts); to++ {
				if got, want := p.value(from, to, true), plainValue(text, from, to); got != want {
					t.Errorf("%q, %d to %d: got %q, want %q", text, from, to, got, want)
				}
			}
		}
	})
}

// plainPath returns the decoded segments of a path, and whether it ends with a slash.
func plainPath(text string) (segments []string, trailing, ok bool) {
	rest, ok := strings.CutPrefix(text, "/")
	if !ok {
		return nil, false, false
	}
	if rest == "" {
		return nil, false, true
	}
	pieces := strings.Split(rest, "/")
	if last := len(pieces) - 1; pieces[last] == "" {
		pieces, trailing = pieces[:last], true
	}
	for _, piece := range pieces {
		decoded, err := url.PathUnescape(piece)
		if err != nil || piece == "" || decoded == "." || decoded == ".." || strings.ContainsAny(decoded, "\\\x00") || !utf8.ValidString(decoded) {
			return nil, false, false
		}
		segments = append(segments, decoded)
	}
	return segments, trailing, true
}

var escapedSlash = regexp.MustCompile(`(?i)%2F`)

// plainValue decodes what stands between the escaped slashes of some segments.
func plainValue(text string, from, to int) string {
	raw := strings.Join(strings.Split(text[1:], "/")[from:to], "/")
	slashes := escapedSlash.FindAllString(raw, -1)
	var out strings.Builder
	for i, piece := range escapedSlash.Split(raw, -1) {
		decoded, _ := url.PathUnescape(piece)
		out.WriteString(decoded)
		if i < len(slashes) {
			out.WriteString(slashes[i])
		}
	}
	return out.String()
}
