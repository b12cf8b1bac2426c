package transport

import "testing"

func TestIsUTF8(t *testing.T) {
	for charset, want := range map[string]bool{
		"": true, "utf-8": true, "UTF-8": true, "utf8": true, "UTF8": true, "Utf8": true, "'utf-8'": true, "us-ascii": true, "US-ASCII": true,
		"iso-8859-1": false, "latin1": false, "utf-16": false, "utf-7": false, "utf-88": false, "windows-1252": false,
	} {
		if got := IsUTF8(charset); got != want {
			t.Errorf("%q: got %v", charset, got)
		}
	}
}
