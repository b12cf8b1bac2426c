package wire

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAppendString compares with a string written character by character, and
// with what encoding/json reads back.
func FuzzAppendString(f *testing.F) {
	for _, text := range []string{
		"", "plain", "exactly8", "a \"quote\" in the middle of it", "\\", "\x00\x01\b\f\n\r\t\x1f\x20\x7f", "<a href='x'>&amp;</a>", `<a "b">`, "a<\"&bcdefgh", "ü<\"12345",
		"ümläut", "日本語日本語日本語", "😀", "\xff", "12345678\xc3", "\xed\xa0\x80", "1234567\u2028", strings.Repeat("x", 15) + "\"",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, html := range []bool{false, true} {
			got, ok := appendString(nil, []byte(text), html)
			if ok != utf8.ValidString(text) {
				t.Fatalf("%q: valid is %v", text, ok)
			}
			if !ok {
				continue
			}
			if want := plainString(text, html); string(got) != want {
				t.Fatalf("got  %s\nwant %s", got, want)
			}
			var back string
			if err := json.Unmarshal(got, &back); err != nil || back != text {
				t.Fatalf("%s reads back as %q, %v", got, back, err)
			}
		}
	})
}

func plainString(text string, html bool) string {
	dst := []byte{'"'}
	for _, r := range text {
		switch {
		case r == '<' && html:
			dst = append(dst, `\u003c`...)
		case r == '>' && html:
			dst = append(dst, `\u003e`...)
		case r == '&' && html:
			dst = append(dst, `\u0026`...)
		case r < 0x20 || r == '"' || r == '\\':
			dst = appendEscape(dst, byte(r))
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return string(append(dst, '"'))
}

// TestAppendQuoted compares with encoding/json, which also replaces bytes that are not UTF-8.
func TestAppendQuoted(t *testing.T) {
	for _, text := range []string{"", "a", "plain text of some length", "line\nline\t\"quoted\" \\ \x01", "é – 本", "bad \xff bytes", strings.Repeat("x", 1000) + "\n"} {
		var got, want string
		if err := json.Unmarshal(AppendQuoted(nil, text), &got); err != nil {
			t.Errorf("%q: %v", text, err)
		}
		wanted, _ := json.Marshal(text)
		if err := json.Unmarshal(wanted, &want); err != nil || got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
