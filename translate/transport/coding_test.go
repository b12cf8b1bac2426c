package transport

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestChooseCoding(t *testing.T) {
	for accept, want := range map[string]Coding{
		"":                                "",
		"gzip":                            GZIP,
		"x-gzip":                          GZIP,
		"GZIP;Q=0.5":                      GZIP,
		"gzip, deflate, br, zstd":         Zstd,
		"gzip, deflate, br":               Brotli,
		"gzip;q=1.0, br;q=0.9, zstd;q=0":  GZIP,
		"br;q=0.001":                      Brotli,
		"*":                               GZIP,
		"*, br":                           Brotli,
		"*, br;q=0.9":                     GZIP,
		"*, gzip;q=0.9":                   Brotli,
		"*;q=0.5, gzip;q=0, br;q=0":       Zstd,
		"*;q=0.5, identity":               "",
		"*;q=0.5, zstd;q=0":               GZIP,
		"identity":                        "",
		"identity, gzip;q=0.5":            "",
		"identity;q=0.5, gzip;q=0.5":      GZIP,
		"identity;q=0, *;q=0":             "",
		"gzip;q=0":                        "",
		"gzip;q=nonsense, br;q=2":         "",
		"deflate, compress":               "",
		"gzip;q=0.5;something, br;q=0.49": GZIP,
	} {
		h := http.Header{}
		if accept != "" {
			h.Set("Accept-Encoding", accept)
		}
		if got := ChooseCoding(h["Accept-Encoding"]); got != want {
			t.Errorf("%q: got %q, want %q", accept, got, want)
		}
	}
}

// TestIdentityRefused compresses also what is small for clients that take nothing else.
func TestIdentityRefused(t *testing.T) {
	for accept, want := range map[string]bool{
		"":                         false,
		"gzip":                     false,
		"gzip, identity;q=0":       true,
		"identity; Q=0.0":          true,
		"identity;q=0.001":         false,
		"*;q=0":                    true,
		"*;q=0, gzip;q=1":          true,
		"*;q=0, identity;q=0.1":    false,
		"*":                        false,
		"*;q=0.5, identity;q=0":    true,
		"gzip;q=0":                 false,
		"identity;q=0,identity":    false,
		"not-identity;q=0, gzip=0": false,
	} {
		h := http.Header{}
		if accept != "" {
			h.Set("Accept-Encoding", accept)
		}
		answer := http.Header{}
		AnswerCoding(answer, h["Accept-Encoding"], smallestAnswer-1)
		if got := answer.Get("Vary") == "Accept-Encoding"; got != want {
			t.Errorf("%q: got %v, want %v", accept, got, want)
		}
	}
}

func TestCodingsThereAndBack(t *testing.T) {
	content := []byte(strings.Repeat(`{"name":"books/emma"},`, 5000))
	for _, c := range []Coding{Zstd, Brotli, GZIP} {
		for range 2 { // the second time with what the pool has
			var compressed bytes.Buffer
			c.Compress(&compressed, content)
			if compressed.Len() > len(content)/10 {
				t.Errorf("%s: %d bytes", c, compressed.Len())
			}
			body, ok := Decode(iotest.HalfReader(&compressed), http.Header{"Content-Encoding": {string(c)}})
			if !ok {
				t.Fatalf("%s is not spoken", c)
			}
			got, err := io.ReadAll(body)
			if err != nil || !bytes.Equal(got, content) {
				t.Errorf("%s: %d bytes, %v", c, len(got), err)
			}
			if err := body.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestDecodeFaults(t *testing.T) {
	broken := errors.New("the connection broke")
	for _, c := range []Coding{Zstd, Brotli, GZIP} {
		var compressed bytes.Buffer
		c.Compress(&compressed, []byte(strings.Repeat("content", 1000)))
		whole := compressed.Bytes()
		for name, body := range map[string]io.Reader{
			"empty":   strings.NewReader(""),
			"garbage": strings.NewReader("this is neither of them"),
			"cut":     bytes.NewReader(whole[:len(whole)-3]),
		} {
			content, _ := Decode(body, http.Header{"Content-Encoding": {string(c)}})
			_, err := io.ReadAll(content)
			if status.Code(err) != codes.InvalidArgument {
				// zstd defines that no frames at all are no content.
				if c != Zstd || name != "empty" || err != nil {
					t.Errorf("%s, %s: %v", c, name, err)
				}
			}
			content.Close()
		}
		cut := io.MultiReader(bytes.NewReader(whole[:len(whole)/2]), iotest.ErrReader(broken))
		content, _ := Decode(cut, http.Header{"Content-Encoding": {string(c)}})
		if _, err := io.ReadAll(content); !errors.Is(err, broken) {
			t.Errorf("%s: a broken connection gives %v", c, err)
		}
		content.Close()
	}
}

func TestCodingsThatAreNotSpoken(t *testing.T) {
	for _, name := range []string{"deflate", "gzip, br", "compress", "zstd,"} {
		if _, ok := Decode(strings.NewReader(""), http.Header{"Content-Encoding": {name}}); ok {
			t.Errorf("%s is spoken", name)
		}
	}
}
